//! Categorical components. Probabilities that do not sum to 1 count in proportion.

use super::{RandomNumbers, draw_tempered};
use crate::simd::Element;

/// The most probable state, the first one of several equal ones.
pub(super) fn mode<E: Element>(probabilities: &[E]) -> usize {
    let better = |best: usize, state: usize| match probabilities[state] > probabilities[best] {
        true => state,
        false => best,
    };
    (0..probabilities.len()).fold(0, better)
}

/// The largest probability.
pub(super) fn largest<E: Element>(probabilities: &[E]) -> f64 {
    probabilities.iter().fold(0.0, |largest, p| p.to_f64().max(largest))
}

/// What the probabilities sum to.
pub(super) fn total<E: Element>(probabilities: &[E]) -> f64 {
    probabilities.iter().map(|p| p.to_f64()).sum()
}

/// A state, drawn in proportion to the probabilities to the power `1 / temperature`.
#[inline]
pub(super) fn sample<E: Element>(
    probabilities: &[E],
    temperature: f64,
    numbers: &mut RandomNumbers,
) -> usize {
    draw_tempered(probabilities.iter().map(|p| p.to_f64()), temperature, numbers)
}

/// Mean and variance of the state's number.
pub(super) fn moments<E: Element>(probabilities: &[E]) -> (f64, f64) {
    let total = total(probabilities);
    let states = || probabilities.iter().enumerate().map(|(k, p)| (k as f64, p.to_f64() / total));
    let mean = states().map(|(state, p)| state * p).sum::<f64>();
    (mean, states().map(|(state, p)| (state - mean).powi(2) * p).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBABILITIES: [f64; 3] = [0.1, 0.6, 0.3];

    #[test]
    fn moments_and_mode_are_those_of_the_formula() {
        let (mean, variance) = moments(&PROBABILITIES);
        assert!((mean - 1.2).abs() < 1e-15 && (variance - 0.36).abs() < 1e-15);
        assert_eq!((mode(&PROBABILITIES), largest(&PROBABILITIES)), (1, 0.6));
        assert_eq!(mode(&[0.4, 0.2, 0.4]), 0);
    }

    /// Frequencies within five deviations of those of the tempered probabilities.
    #[test]
    fn samples_follow_the_tempered_probabilities() {
        const COUNT: usize = 20_000;
        for temperature in [1.0, 0.5, 3.0, 1e-3] {
            let mut numbers = RandomNumbers::new(3, 0, 1);
            let mut counts = [0_usize; 3];
            (0..COUNT).for_each(|_| counts[sample(&PROBABILITIES, temperature, &mut numbers)] += 1);
            let powers = PROBABILITIES.map(|p: f64| (p / 0.6).powf(1.0 / temperature));
            let total: f64 = powers.iter().sum();
            for (count, power) in counts.into_iter().zip(powers) {
                let (p, count) = (power / total, count as f64 / COUNT as f64);
                let deviation = (p * (1.0 - p) / COUNT as f64).sqrt();
                assert!((count - p).abs() <= 5.0 * deviation, "{temperature}: {count} {p}");
            }
        }
    }
}
