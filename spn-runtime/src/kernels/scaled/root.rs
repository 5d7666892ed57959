//! The root in scaled linear arithmetic: joints and log-likelihoods, the only logarithms of the
//! pass, and the certificate.

use spn_ir::plan::Root;

use super::Scales;
use super::terms::{Gathered, Terms};
use crate::kernels::Place;
use crate::kernels::root::RootWeights;
use crate::simd::math::ln;
use crate::simd::{Element, Isa, Lanes, LanesOf};

/// What must be certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needed {
    /// The log-likelihood.
    Total,
    /// Every joint.
    Joints,
}

/// Results of the root.
pub(crate) struct Results<'a, E> {
    /// Weighted children, log.
    pub(crate) joints: &'a mut [E],
    /// Log-likelihoods.
    pub(crate) total: &'a mut [E],
    /// 1 for each sample whose results are certain, else 0.
    pub(crate) certain: &'a mut [E],
}

/// How far below a result the bound must be: 2^-26 or 2^-55, half a last place.
fn tolerance<E: Element>() -> E {
    E::from_f64(E::EPSILON.to_f64() / 8.0)
}

/// `joints[n] = ln(w_n v_n) + k ln 2`, `total = ln(Σ_n w_n v_n) + k ln 2`.
#[inline(always)]
pub(crate) fn forward<I: Isa, E: Element>(
    isa: I,
    place: Place<'_>,
    (root, weights): (&Root, RootWeights<'_, E>),
    (values, scales): (&[E], &Scales<'_, E>),
    scratch: Gathered<'_, E>,
    needed: Needed,
    out: Results<'_, E>,
) {
    let Results { joints, total, certain } = out;
    let Gathered { exponents, bounds, largest, each, .. } = scratch;
    let terms = Terms { place, terms: &root.terms, factors: &root.factors };
    let rows = &mut *joints;
    let gathered = Gathered { rows, exponents, bounds, largest, each };
    terms.gather(isa, values, scales, gathered);
    let lanes = LanesOf::<I, E>::N;
    for start in (0..place.tile).step_by(lanes) {
        let load = |row: &[E]| LanesOf::<I, E>::load(isa, &row[start..]);
        let (exponent, bound) = (load(exponents), load(bounds));
        let found = finish(isa, place.tile, start, weights, exponent, joints);
        let (sum, least, weight) = found;
        log::<I, E>(isa, sum, exponent).store(&mut total[start..]);
        let one = LanesOf::<I, E>::splat(isa, E::ONE);
        let zero = LanesOf::<I, E>::splat(isa, E::ZERO);
        let limit = LanesOf::<I, E>::splat(isa, tolerance());
        let sum_is = bound.mul(weight).select_lt(sum.mul(limit), one, zero);
        let all_are = match needed {
            Needed::Total => sum_is,
            Needed::Joints => bound.select_lt(least.mul(limit), sum_is, zero),
        };
        let finite = LanesOf::<I, E>::splat(isa, -E::NEG_INFINITY);
        sum.select_lt(finite, all_are, zero).store(&mut certain[start..]);
    }
}

/// `ln v + k ln 2`. The exponents of both are added first: they are large and nearly cancel.
#[inline(always)]
fn log<I: Isa, E: Element>(isa: I, value: LanesOf<I, E>, exponent: LanesOf<I, E>) -> LanesOf<I, E> {
    let constant = |value| LanesOf::<I, E>::splat(isa, value);
    let (mantissa, own) = value.split_exponent();
    let exponent = exponent.add(own);
    let low = exponent.mul_add(constant(E::LN_2_LOW), ln(isa, mantissa));
    let log = exponent.mul_add(constant(E::LN_2_HIGH), low);
    // What is flushed is nothing: beside the certain total it has no flow.
    value.select_lt(constant(E::SMALLEST_NORMAL), constant(E::NEG_INFINITY), log)
}

/// Makes logarithms of the joints; gives the sum of the weighted joints, the smallest joint that
/// has a weight and the sum of the weights.
#[inline(always)]
fn finish<I: Isa, E: Element>(
    isa: I,
    tile: usize,
    start: usize,
    weights: RootWeights<'_, E>,
    exponent: LanesOf<I, E>,
    joints: &mut [E],
) -> (LanesOf<I, E>, LanesOf<I, E>, LanesOf<I, E>) {
    let constant = |value| LanesOf::<I, E>::splat(isa, value);
    let (mut sum, mut least) = (constant(E::ZERO), constant(-E::NEG_INFINITY));
    let mut total = E::ZERO;
    let pairs = weights.linear.iter().zip(weights.log);
    for (joint, (&weight, &log_weight)) in joints.chunks_exact_mut(tile).zip(pairs) {
        let value = LanesOf::<I, E>::load(isa, &joint[start..]);
        sum = value.mul_add(constant(weight), sum);
        total += weight;
        if weight != E::ZERO {
            // In this order NaN survives on x86.
            least = least.min(value);
        }
        log::<I, E>(isa, value, exponent).add(constant(log_weight)).store(&mut joint[start..]);
    }
    (sum, least, constant(total))
}
