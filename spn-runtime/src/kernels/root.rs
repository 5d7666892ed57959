//! The root: weighted children (*joints*), their log-sum-exp, and seeds on the way back.

use spn_ir::plan::Root;

use super::Place;
use super::product::{gather, scatter};
use crate::simd::math::{exp, ln};
use crate::simd::{Element, Isa, Lanes, LanesOf};

/// `joints[n] = x_n + ln w_n` and `total = ln Σ_n exp(joints[n])`.
#[inline(always)]
pub(crate) fn forward<I: Isa, E: Element>(
    isa: I,
    place: Place<'_>,
    root: &Root,
    log_weights: &[E],
    values: &[E],
    joints: &mut [E],
    total: &mut [E],
) {
    let tile = place.tile;
    let (mut rows, mut factors) = (&mut *joints, root.factors.as_slice());
    for term in &root.terms {
        let (term_rows, rest) = rows.split_at_mut(term.rows as usize * tile);
        let (term_factors, others) = factors.split_at(term.factors as usize);
        gather(isa, place, term, term_factors, values, term_rows);
        (rows, factors) = (rest, others);
    }
    let lanes = LanesOf::<I, E>::N;
    for (row, &weight) in joints.chunks_exact_mut(tile).zip(log_weights) {
        let weight = LanesOf::<I, E>::splat(isa, weight);
        for chunk in row.chunks_exact_mut(lanes) {
            LanesOf::<I, E>::load(isa, chunk).add(weight).store(chunk);
        }
    }
    for start in (0..tile).step_by(lanes) {
        log_sum_exp(isa, tile, start, joints, &mut total[start..start + lanes]);
    }
}

/// `ln Σ_n exp(joints[n])` of the samples from `start` on; exact, since the largest term is 1.
#[inline(always)]
fn log_sum_exp<I: Isa, E: Element>(
    isa: I,
    tile: usize,
    start: usize,
    joints: &[E],
    total: &mut [E],
) {
    let lowest = LanesOf::<I, E>::splat(isa, E::from_f64(super::LOG_ZERO));
    let zero = LanesOf::<I, E>::splat(isa, E::ZERO);
    let mut largest = LanesOf::<I, E>::splat(isa, E::NEG_INFINITY);
    for row in joints.chunks_exact(tile) {
        largest = largest.max(LanesOf::<I, E>::load(isa, &row[start..]));
    }
    let shift = largest.select_lt(lowest, zero, largest);
    let mut sum = zero;
    for row in joints.chunks_exact(tile) {
        sum = sum.add(exp(isa, LanesOf::<I, E>::load(isa, &row[start..]).sub(shift)));
    }
    largest.select_lt(lowest, largest, ln(isa, sum).add(shift)).store(total);
}

/// Gives each joint's seed to the factors of its term, and adds up the derivatives with respect
/// to the root's weights: `Σ_samples seed_n / w_n`.
#[inline(always)]
pub(crate) fn reverse<I: Isa, E: Element>(
    isa: I,
    place: Place<'_>,
    root: &Root,
    seeds: &[E],
    weights: Option<(&[E], &mut [E])>,
    flows: &mut [E],
) {
    let tile = place.tile;
    if let Some((weights, derivatives)) = weights {
        for ((row, &weight), derivative) in seeds.chunks_exact(tile).zip(weights).zip(derivatives) {
            // A joint of weight 0 is log 0: its seed is 0 too.
            if weight != E::ZERO {
                let slope = row.iter().copied().sum::<E>().to_f64() / weight.to_f64();
                let steepest = E::STEEPEST.to_f64();
                *derivative += E::from_f64(slope.clamp(-steepest, steepest));
            }
        }
    }
    let (mut rows, mut factors) = (seeds, root.factors.as_slice());
    for term in &root.terms {
        let (term_rows, rest) = rows.split_at(term.rows as usize * tile);
        let (term_factors, others) = factors.split_at(term.factors as usize);
        scatter(isa, place, term, term_factors, term_rows, flows);
        (rows, factors) = (rest, others);
    }
}
