//! Settling: weights that sum to 1 up to rounding are made to sum to exactly 1.
//!
//! A normalised network assigns log 1 = 0 to a row in which everything is missing. In floating
//! point the weights of a unit sum to 1 only up to rounding, and a deep network would return the
//! accumulated rounding errors instead. So where the sum is off by no more than rounding can
//! explain, weights change by a few units in their last place. Sums are taken in the order of the
//! kernels (input by input), so that they too find exactly 1. Weights that are further from 1, of
//! networks that are not normalised, stay as given.
//!
//! First all weights are scaled, which leaves a few units in the last place of 1. Then additions
//! are tipped: each one rounds, and where its exact result lies close to the middle between two
//! numbers, a very small change of the weight rounds it the other way, and with it shifts the sum
//! by one unit. The cheapest addition is taken, again and again until the sum is 1. (One weight of
//! a thousand could not take up a unit by itself without being wrong in its fourth digit.)

use crate::simd::Element;

/// The largest relative change of a weight by tipping, in units of the precision: where its input
/// alone decides, that is also the error of the result.
const LARGEST_CHANGE: f64 = 128.0;

/// How often an addition is tipped at most.
const ROUNDS: usize = 64;

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
            let mut column: Vec<E> =
                weights.iter().skip(output).step_by(outputs).copied().collect();
            settle_column(&mut column, E::ONE - total);
            let cells = weights.iter_mut().skip(output).step_by(outputs);
            cells.zip(column).for_each(|(cell, weight)| *cell = weight);
        }
    }
}

/// Settles the weights of one unit, whose sum is short of 1 by `missing`.
fn settle_column<E: Element>(column: &mut [E], missing: E) {
    /// Less than this many units in the last place need no scaling.
    const FEW: f64 = 4.0;
    if missing.to_f64().abs() > FEW * E::EPSILON.to_f64() {
        column.iter_mut().for_each(|weight| *weight += *weight * missing);
    }
    // Rows whose tipping jumped over 1, because the additions behind it rounded the other way too.
    let mut excluded = vec![false; column.len()];
    let mut total = sum(column);
    for _ in 0..ROUNDS {
        if total == E::ONE {
            return;
        }
        let up = total < E::ONE;
        let Some((row, weight)) = cheapest_tip(column, up, &excluded) else { return };
        let before = std::mem::replace(&mut column[row], weight);
        let tipped = sum(column);
        if tipped != E::ONE && (tipped < E::ONE) != up {
            column[row] = before;
            excluded[row] = true;
        } else {
            total = tipped;
        }
    }
}

/// The sum in the kernels' order.
fn sum<E: Element>(column: &[E]) -> E {
    column.iter().fold(E::ZERO, |total, weight| total + *weight)
}

/// The addition that is tipped up or down with the smallest relative change of its weight: its row
/// and the new weight. `None` if every change would show.
fn cheapest_tip<E: Element>(column: &[E], up: bool, excluded: &[bool]) -> Option<(usize, E)> {
    let half = E::from_f64(0.5);
    let mut best: Option<(usize, E)> = None;
    let mut least = LARGEST_CHANGE * E::EPSILON.to_f64();
    let mut before = E::ZERO;
    for (row, &weight) in column.iter().enumerate() {
        let start = before;
        let after = start + weight;
        before = after;
        // What the addition rounded away, exactly (Knuth's two-sum).
        let added = after - start;
        let rest = (start - (after - added)) + (weight - added);
        if after < half || weight <= E::ZERO || excluded[row] {
            continue;
        }
        // Half the distance of the numbers around the result, below 1 or above.
        let middle = if after < E::ONE { E::EPSILON * half * half } else { E::EPSILON * half };
        let distance = if up { middle - rest } else { middle + rest };
        let cost = distance.to_f64() / weight.to_f64();
        if cost >= least {
            continue;
        }
        // The middle itself may round either way; then a unit in the weight's last place more.
        let sign = if up { E::ONE } else { -E::ONE };
        let beyond = [E::ZERO, half, E::ONE].map(|units| distance + weight * E::EPSILON * units);
        let changed = beyond.map(|change| weight + sign * change);
        let tips = |new: &E| if up { start + *new > after } else { start + *new < after };
        if let Some(new) = changed.into_iter().find(tips) {
            (least, best) = (cost, Some((row, new)));
        }
    }
    best
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

    /// A weight of a wide sum is small: what is missing in the sum is much of it.
    #[test]
    fn no_weight_changes_much() {
        let (inputs, outputs) = (4096_u32, 3);
        let raw = |cell: u32| 0.25 + f64::from(cell.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
        let mut weights = Vec::new();
        let column = |output: u32| (0..inputs).map(move |input| raw(input * outputs + output));
        let totals: Vec<f64> = (0..outputs).map(|output| column(output).sum()).collect();
        for cell in 0..inputs * outputs {
            weights.push((raw(cell) / totals[(cell % outputs) as usize]) as f32);
        }
        let before = weights.clone();
        settle(&mut weights, outputs as usize);
        for output in 0..outputs as usize {
            let column: Vec<f32> = weights.iter().copied().skip(output).step_by(3).collect();
            assert_eq!(total(&column), 1.0);
        }
        for (new, old) in weights.iter().zip(before) {
            assert!((new / old - 1.0).abs() < 2e-5, "{old} becomes {new}");
        }
    }

    /// Columns like those of trained networks: hardly one in a thousand needs a second weight, all
    /// must end at 1.
    #[test]
    fn no_column_of_many_is_left() {
        for (inputs, columns) in [(16, 4000), (64, 4000), (256, 1000)] {
            let uniform = |at: u64| spn_ir::random::uniform_at(7, inputs as u32, 0, at);
            let raw: Vec<f64> = (0..inputs * columns).map(|at| 0.05 + uniform(at as u64)).collect();
            let mut totals = vec![0.0; columns];
            raw.iter().enumerate().for_each(|(at, w)| totals[at % columns] += w);
            let mut weights: Vec<f32> =
                raw.iter().enumerate().map(|(at, w)| (w / totals[at % columns]) as f32).collect();
            settle(&mut weights, columns);
            for column in 0..columns {
                let cells = weights.iter().skip(column).step_by(columns);
                assert_eq!(cells.fold(0.0, |total, w| total + w), 1.0);
            }
        }
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
