//! Zipf's law: how often visitors of a store ask for each product.

use crate::random::Random;

/// Zipf's law with the exponent 1: of `ranks`, the n-th is chosen 1/n times as often as the first.
#[derive(Debug, Clone)]
pub struct Zipf(Vec<f64>);

impl Zipf {
    /// The law for ranks from 1 to `ranks`.
    pub fn new(ranks: u32) -> Self {
        let mut sum = 0.0;
        Self(
            (1..=ranks)
                .map(|rank| {
                    sum += 1.0 / f64::from(rank);
                    sum
                })
                .collect(),
        )
    }

    /// A rank, from 1, by the next number of `random`.
    pub fn choose(&self, random: &mut Random) -> usize {
        let total = self.0.last().copied().unwrap_or_default();
        let wanted = random.share() * total;
        self.0.partition_point(|sum| *sum <= wanted) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rank_is_chosen_as_often_as_zipf_says() {
        let (zipf, mut random) = (Zipf::new(100), Random::new(7));
        let chosen: Vec<_> = (0..100_000).map(|_| zipf.choose(&mut random)).collect();
        assert!(chosen.iter().all(|rank| (1..=100).contains(rank)));
        let times = |rank| chosen.iter().filter(|it| **it == rank).count();
        // 1 of 5.187, the sum of the first hundred reciprocals.
        assert!((18_900..=19_700).contains(&times(1)), "{}", times(1));
        assert!((9_300..=10_000).contains(&times(2)), "{}", times(2));
    }
}
