//! Numbers that look random and are the same in every run.

/// SplitMix64.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: usize) -> Self {
        Self(seed as u64)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 on and below 1.
    #[expect(clippy::cast_precision_loss, reason = "a float holds 53 bits exactly")]
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `end`.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.share() * end as f64) as usize
    }
}

/// Zipf's law with the exponent 1: of `ranks`, the n-th is chosen 1/n times as often as the first.
pub(super) struct Zipf(Vec<f64>);

impl Zipf {
    pub(super) fn new(ranks: u32) -> Self {
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

    /// A rank, from 1.
    pub(super) fn choose(&self, random: &mut Random) -> usize {
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
        assert!((0..1_000).all(|_| random.below(3) < 3));
    }
}
