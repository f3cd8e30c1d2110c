//! Medians, percentiles, and the spread of figures.

use serde::{Deserialize, Serialize};

/// The percentile `of` (from 0 to 1) of the `sorted` values; 0 if there are no values.
pub fn percentile(sorted: &[f64], of: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place among the values"
    )]
    let place = (of * sorted.len() as f64).ceil() as usize;
    sorted.get(place.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}

/// Sorts `values` in ascending order.
pub fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// A figure over all rounds: its median and its spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The median of the rounds.
    pub median: f64,
    /// The first quartile.
    pub low: f64,
    /// The third quartile.
    pub high: f64,
    /// The minimum.
    pub min: f64,
    /// The maximum.
    pub max: f64,
}

impl Figure {
    /// The figure over the values of `rounds`.
    pub fn of(rounds: Vec<f64>) -> Self {
        let sorted = sorted(rounds);
        let median = match sorted.len() {
            0 => 0.0,
            count if count % 2 == 0 => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
            count => sorted[count / 2],
        };
        Self {
            median,
            low: percentile(&sorted, 0.25),
            high: percentile(&sorted, 0.75),
            min: percentile(&sorted, 0.0),
            max: percentile(&sorted, 1.0),
        }
    }

    /// The interquartile range as a share of the median.
    pub fn noise(&self) -> f64 {
        if self.median == 0.0 { 0.0 } else { (self.high - self.low) / self.median }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let values = sorted((1..=100).rev().map(f64::from).collect());
        let of = |share| percentile(&values, share);
        assert_eq!([of(0.0), of(0.5), of(0.9), of(0.99), of(1.0)], [1.0, 50.0, 90.0, 99.0, 100.0]);
        assert_eq!(percentile(&[7.0], 0.99), 7.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    #[test]
    fn a_figure_is_a_median_with_its_quarters() {
        let figure = Figure::of(vec![9.0, 1.0, 3.0, 4.0]);
        assert_eq!((figure.median, figure.min, figure.max), (3.5, 1.0, 9.0));
        assert_eq!((figure.low, figure.high), (1.0, 4.0));
        assert_eq!(figure.noise(), 3.0 / 3.5);
        assert_eq!(Figure::of(vec![2.0, 8.0, 4.0]).median, 4.0);
        assert_eq!(Figure::of(Vec::new()).noise(), 0.0);
    }
}
