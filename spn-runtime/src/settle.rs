//! Settling: weights that sum to 1 up to rounding are made to sum to exactly 1.
//!
//! A normalised network assigns log 1 = 0 to a row in which everything is missing. In floating
//! point the weights of a unit sum to 1 only up to rounding, and a deep network would return the
//! accumulated rounding errors instead. So the largest weight of a unit takes up what is missing,
//! where that is no more than rounding can explain: a relative change of about one unit in the
//! last place. Sums are taken in the order of the kernels (input by input), so that they too find
//! exactly 1. Weights that are further from 1, of networks that are not normalised, stay as given.

use crate::simd::Element;

/// How many weights are tried after the largest.
const CANDIDATES: usize = 16;

/// The largest relative change of a weight, in units of the precision: where its input alone
/// decides, that is also the error of the result.
const LARGEST_CHANGE: f64 = 128.0;

/// Corrections beside the missing amount itself, in quarters of an ulp of 1: where rounding jumps
/// over 1 for the one, it hardly ever does for all of them.
const NUDGES: [f64; 13] = [0., 1., -1., 2., -2., 3., -3., 4., -4., 5., -5., 6., -6.];

/// Settles every column of a matrix `[inputs, outputs]`, row-major.
pub(crate) fn settle<E: Element>(weights: &mut [E], outputs: usize) {
    if outputs == 0 {
        return;
    }
    let mut totals = vec![E::ZERO; outputs];
    for row in weights.chunks_exact(outputs) {
        for (total, &weight) in totals.iter_mut().zip(row) {
            *total += weight;
        }
    }
    let tolerance = (weights.len() / outputs + 4) as f64 * 2.0 * E::EPSILON.to_f64();
    for (output, &total) in totals.iter().enumerate() {
        let off = (total.to_f64() - 1.0).abs();
        if off > 0.0 && off <= tolerance {
            settle_column(weights, outputs, output, E::ONE - total);
        }
    }
}

/// Corrects one column at its largest weight or, where rounding in the sum jumps over 1 whatever
/// that weight is, at one of the last ones, behind which there is less rounding to come.
fn settle_column<E: Element>(weights: &mut [E], outputs: usize, output: usize, missing: E) {
    let cells = || (output..weights.len()).step_by(outputs);
    let largest = cells().fold(output, |best, cell| {
        if weights[cell] > weights[best] { cell } else { best }
    });
    let least = missing.to_f64().abs() / (LARGEST_CHANGE * E::EPSILON.to_f64());
    let last = cells().rev().filter(|cell| weights[*cell].to_f64() >= least).take(CANDIDATES);
    let candidates: Vec<usize> = std::iter::once(largest).chain(last).collect();
    for cell in candidates {
        let original = weights[cell];
        for nudge in NUDGES {
            let nudge = E::from_f64(0.25 * nudge) * E::EPSILON;
            weights[cell] = original + missing + nudge;
            let column = (output..weights.len()).step_by(outputs);
            if column.fold(E::ZERO, |total, cell| total + weights[cell]) == E::ONE {
                return;
            }
        }
        weights[cell] = original;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total<E: Element>(weights: &[E]) -> E {
        weights.iter().fold(E::ZERO, |total, &w| total + w)
    }

    #[test]
    fn rounded_weights_sum_to_exactly_one() {
        let mut settled = 0;
        for inputs in 1..200_u32 {
            let raw: Vec<f64> = (0..inputs).map(|i| 1.0 + f64::from(i * 37 % 11)).collect();
            let sum: f64 = raw.iter().sum();
            let mut weights: Vec<f32> = raw.iter().map(|w| (w / sum) as f32).collect();
            let before = weights.clone();
            settle(&mut weights, 1);
            for (new, old) in weights.iter().zip(before) {
                assert!((new - old).abs() <= 1e-5);
            }
            settled += usize::from(total(&weights) == 1.0);
        }
        assert_eq!(settled, 199);
    }

    #[test]
    fn other_weights_stay() {
        let mut weights = [0.5_f64, 0.25, 0.5, 0.25 + 1e-6];
        let before = weights;
        settle(&mut weights, 2);
        assert_eq!(weights, before);
        settle::<f32>(&mut [], 0);
    }
}
