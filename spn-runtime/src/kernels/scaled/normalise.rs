//! Normalising a block: its largest value goes to about `2^B`, the exponent takes the difference.

use super::{Scale, nothing, power_of_two};
use crate::simd::math::exp_scaled;
use crate::simd::{Element, Isa, Lanes, LanesOf};

/// Multiplies the block's rows by a power of two for each sample, adjusts exponents and bounds
/// and writes the largest values. Values that are all zero may have been flushed: they keep their
/// bound, at as low an exponent as it allows.
#[inline(always)]
pub(super) fn normalise<I: Isa, E: Element>(
    isa: I,
    tile: usize,
    rows: &mut [E],
    Scale { exponents, bounds, largest: all_largest }: Scale<'_, E>,
) {
    let lanes = LanesOf::<I, E>::N;
    let constant = |value: f64| LanesOf::<I, E>::splat(isa, E::from_f64(value));
    let least = LanesOf::<I, E>::splat(isa, E::SMALLEST_NORMAL);
    let lowest = LanesOf::<I, E>::splat(isa, nothing());
    let target = constant(f64::from(E::BLOCK_EXPONENT));
    let most = constant(f64::from(E::LARGEST_EXPONENT));
    for start in (0..tile).step_by(lanes) {
        let largest = largest(isa, tile, start, rows);
        let (_, exponent) = largest.split_exponent();
        let shift = largest.select_lt(least, most, target.sub(exponent).min(most));
        let factor = power_of_two::<I, E>(isa, shift);
        for row in rows.chunks_exact_mut(tile) {
            let row = &mut row[start..];
            LanesOf::<I, E>::load(isa, row).mul(factor).store(row);
        }
        let exponent = LanesOf::<I, E>::load(isa, &exponents[start..]).sub(shift);
        exponent.max(lowest).store(&mut exponents[start..]);
        let largest = largest.mul(factor);
        let bound = LanesOf::<I, E>::load(isa, &bounds[start..]).mul_add(factor, least);
        // Where the exponent is raised, the values are too large, by less than themselves.
        exponent.select_lt(lowest, bound.add(largest), bound).store(&mut bounds[start..]);
        largest.store(&mut all_largest[start..]);
    }
}

/// The largest of the rows for the samples from `start` on.
#[inline(always)]
fn largest<I: Isa, E: Element>(isa: I, tile: usize, start: usize, rows: &[E]) -> LanesOf<I, E> {
    let mut pair = [LanesOf::<I, E>::splat(isa, E::NEG_INFINITY); 2];
    for (index, row) in rows.chunks_exact(tile).enumerate() {
        pair[index % 2] = pair[index % 2].max(LanesOf::<I, E>::load(isa, &row[start..]));
    }
    pair[0].max(pair[1])
}

/// The exponents with which logarithms become linear values near `2^B`.
#[inline(always)]
pub(super) fn exponents_of_logs<I: Isa, E: Element>(
    isa: I,
    tile: usize,
    rows: &[E],
    exponents: &mut [E],
) {
    let lanes = LanesOf::<I, E>::N;
    let constant = |value: f64| LanesOf::<I, E>::splat(isa, E::from_f64(value));
    let (low, high) = (constant(-1e6), constant(1e6));
    let round = LanesOf::<I, E>::splat(isa, E::ROUND);
    let target = round.add(constant(f64::from(E::BLOCK_EXPONENT)));
    for start in (0..tile).step_by(lanes) {
        let largest = largest(isa, tile, start, rows);
        // Logarithms further out become 0 or infinity, which nothing is certain of.
        let clamped = high.min(low.max(largest));
        let exponent = clamped.mul_add(LanesOf::<I, E>::splat(isa, E::LOG2_E), round).sub(target);
        let nothing = LanesOf::<I, E>::splat(isa, nothing());
        largest
            .select_lt(constant(super::super::LOG_ZERO), nothing, exponent)
            .store(&mut exponents[start..]);
    }
}

/// Logarithms become linear values with the given exponents.
#[inline(always)]
pub(super) fn exponentiate<I: Isa, E: Element>(
    isa: I,
    tile: usize,
    rows: &mut [E],
    exponents: &[E],
) {
    let lanes = LanesOf::<I, E>::N;
    for row in rows.chunks_exact_mut(tile) {
        for (row, exponent) in row.chunks_exact_mut(lanes).zip(exponents.chunks_exact(lanes)) {
            let exponent = LanesOf::<I, E>::load(isa, exponent);
            exp_scaled(isa, LanesOf::<I, E>::load(isa, row), exponent).store(row);
        }
    }
}

/// A block of logarithms becomes a scaled block.
#[inline(always)]
pub(crate) fn scale_logs<I: Isa, E: Element>(
    isa: I,
    tile: usize,
    rows: &mut [E],
    Scale { exponents, bounds, largest: all_largest }: Scale<'_, E>,
) {
    let lanes = LanesOf::<I, E>::N;
    exponents_of_logs(isa, tile, rows, exponents);
    exponentiate(isa, tile, rows, exponents);
    bounds.fill(E::SMALLEST_NORMAL);
    for start in (0..tile).step_by(lanes) {
        largest(isa, tile, start, rows).store(&mut all_largest[start..]);
    }
}
