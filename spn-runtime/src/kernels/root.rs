//! The root: weighted children (*joints*), their log-sum-exp, and seeds on the way back.

use spn_ir::plan::Root;

use super::Place;
use super::product::{gather, scatter};
use super::sum_product::log_sum_exp;
use crate::simd::math::{exp, ln};
use crate::simd::{Element, Isa, Lanes, LanesOf};

/// The root's weights and their logarithms, one for each joint.
#[derive(Clone, Copy)]
pub(crate) struct RootWeights<'a, E> {
    pub(crate) linear: &'a [E],
    pub(crate) log: &'a [E],
    /// Whether they sum to 1.
    pub(crate) normalised: bool,
}

/// `joints[n] = x_n + ln w_n` and `total = ln Σ_n w_n exp(x_n)`.
#[inline(always)]
pub(crate) fn forward<I: Isa, E: Element>(
    isa: I,
    place: Place<'_>,
    root: &Root,
    weights: RootWeights<'_, E>,
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
    for start in (0..tile).step_by(lanes) {
        sum_up(isa, tile, start, weights, joints, &mut total[start..start + lanes]);
    }
    for (row, &weight) in joints.chunks_exact_mut(tile).zip(weights.log) {
        let weight = LanesOf::<I, E>::splat(isa, weight);
        for chunk in row.chunks_exact_mut(lanes) {
            LanesOf::<I, E>::load(isa, chunk).add(weight).store(chunk);
        }
    }
    for (sample, total) in total[..tile].iter_mut().enumerate().filter(|(_, t)| t.is_nan()) {
        let joints = joints.iter().skip(sample).step_by(tile).map(|joint| joint.to_f64());
        *total = E::from_f64(log_sum_exp(&joints.collect::<Vec<f64>>()));
    }
}

/// `ln Σ_n w_n exp(x_n)` of the samples from `start` on; NaN where the linear sum is too small to
/// be certain. Exactly log 1 where every `x_n` is and the weights are normalised.
#[inline(always)]
fn sum_up<I: Isa, E: Element>(
    isa: I,
    tile: usize,
    start: usize,
    weights: RootWeights<'_, E>,
    rows: &[E],
    total: &mut [E],
) {
    let lowest = LanesOf::<I, E>::splat(isa, E::from_f64(super::LOG_ZERO));
    let zero = LanesOf::<I, E>::splat(isa, E::ZERO);
    let mut largest = LanesOf::<I, E>::splat(isa, E::NEG_INFINITY);
    let mut smallest = LanesOf::<I, E>::splat(isa, -E::NEG_INFINITY);
    for row in rows.chunks_exact(tile) {
        let x = LanesOf::<I, E>::load(isa, &row[start..]);
        (largest, smallest) = (largest.max(x), smallest.min(x));
    }
    let shift = largest.select_lt(lowest, zero, largest);
    let mut sum = zero;
    for (row, &weight) in rows.chunks_exact(tile).zip(weights.linear) {
        let value = exp(isa, LanesOf::<I, E>::load(isa, &row[start..]).sub(shift));
        sum = LanesOf::<I, E>::splat(isa, weight).mul_add(value, sum);
    }
    let certain = LanesOf::<I, E>::splat(isa, E::MIN_CERTAIN);
    let nan = LanesOf::<I, E>::splat(isa, E::NAN);
    let log = sum.select_lt(certain, nan, ln(isa, sum).add(shift));
    let log = largest.select_lt(lowest, largest, log);
    let distance = largest.max(zero.sub(smallest));
    let known = if weights.normalised { distance.select_lt(certain, zero, log) } else { log };
    known.store(total);
}

/// `seeds[n] = uses · exp(joints[n] - total)`, divided by the sum of the exponentials, which are 1
/// together only up to rounding. `uses` is one number for each sample; impossible evidence has
/// seeds 0.
#[inline(always)]
pub(crate) fn posteriors<I: Isa, E: Element>(
    isa: I,
    uses: &[E],
    joints: &[E],
    total: &[E],
    seeds: &mut [E],
) {
    let (tile, lanes) = (uses.len(), LanesOf::<I, E>::N);
    let lowest = LanesOf::<I, E>::splat(isa, E::from_f64(super::LOG_ZERO));
    let zero = LanesOf::<I, E>::splat(isa, E::ZERO);
    for start in (0..tile).step_by(lanes) {
        let total = LanesOf::<I, E>::load(isa, &total[start..]);
        let shift = total.select_lt(lowest, zero, total);
        let mut sum = zero;
        for (joints, seeds) in joints.chunks_exact(tile).zip(seeds.chunks_exact_mut(tile)) {
            let value = exp(isa, LanesOf::<I, E>::load(isa, &joints[start..]).sub(shift));
            sum = sum.add(value);
            value.store(&mut seeds[start..]);
        }
        let uses = LanesOf::<I, E>::load(isa, &uses[start..]);
        let factor = zero.select_lt(sum, uses.div(sum), zero);
        for seeds in seeds.chunks_exact_mut(tile) {
            let value = LanesOf::<I, E>::load(isa, &seeds[start..]);
            value.mul(factor).store(&mut seeds[start..]);
        }
    }
}

/// Where derivatives with respect to the root's weights go.
pub(crate) struct RootDerivatives<'a, E> {
    pub(crate) weights: &'a [E],
    pub(crate) derivatives: &'a mut [E],
    /// Whether uses are counted instead.
    pub(crate) counts: bool,
}

/// Gives each joint's seed to the factors of its term, and adds up the derivatives with respect
/// to the root's weights, `Σ_samples seed_n / w_n`, or just their counts `Σ_samples seed_n`.
#[inline(always)]
pub(crate) fn reverse<I: Isa, E: Element>(
    isa: I,
    place: Place<'_>,
    root: &Root,
    seeds: &[E],
    wanted: Option<RootDerivatives<'_, E>>,
    flows: &mut [E],
) {
    let tile = place.tile;
    if let Some(RootDerivatives { weights, derivatives, counts }) = wanted {
        for ((row, &weight), derivative) in seeds.chunks_exact(tile).zip(weights).zip(derivatives) {
            let total = row.iter().copied().sum::<E>();
            if counts {
                *derivative += total;
            } else if weight != E::ZERO {
                // A joint of weight 0 is log 0: its seed is 0 too.
                let slope = total.to_f64() / weight.to_f64();
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
