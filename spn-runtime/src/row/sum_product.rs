//! Sums over products of a few rows: as `kernels/sum_product.rs` has it, with units on the lanes.
//!
//! The sums of a step are done a few at a time, in four passes: all products are gathered, then all
//! of them are exponentiated, then all weights are read, then all logarithms are taken. The chain of
//! a single sum, from its largest input to its logarithm, would leave the processor waiting.
//!
//! The rules are those of tiles: a result below [`Real::MIN_CERTAIN`] is computed again in log
//! space; where nothing is observed and the weights are normalised it is exactly log 1; where all
//! inputs are log 0, so is the result.

use std::ops::Range;

use spn_ir::plan::SumProductStep;

use super::gather::gather_terms;
use super::{RowEngine, RowWorkspace, log_sum_exp};
use crate::kernels::LOG_ZERO;
use crate::simd::math::{exp, ln};
use crate::simd::matvec::matrix_vector;
use crate::simd::{Element, Isa, Lanes, LanesOf, MAX_LANES};

/// How many values are exponentiated before weights are read: they stay in the first-level cache
/// beside the weights.
pub(super) const TOGETHER: usize = 2048;

/// The most sums that are done together, of all rows.
const MAX_SUMS: usize = TOGETHER / MAX_LANES;

/// The room that the inputs of a sum get: whole registers.
pub(super) fn padded(inputs: usize) -> usize {
    inputs.next_multiple_of(MAX_LANES)
}

/// What is known of a sum's inputs before its weights are read.
#[derive(Clone, Copy)]
pub(super) struct Inputs<E> {
    pub(super) largest: E,
    /// Whether every input is log 1.
    pub(super) nothing_observed: bool,
}

impl<E: Element> Inputs<E> {
    /// Whether every input is log 0.
    pub(super) fn is_impossible(&self) -> bool {
        self.largest < E::from_f64(LOG_ZERO)
    }
}

/// A step with what its kernels read.
#[derive(Clone, Copy)]
struct Sums<'a, E> {
    engine: &'a RowEngine<'a, E>,
    step: &'a SumProductStep,
    /// Factors of an instance.
    factors: usize,
}

impl<'a, E: Element> Sums<'a, E> {
    fn inputs(&self) -> usize {
        self.step.inputs as usize
    }

    fn width(&self) -> usize {
        self.step.width as usize
    }

    /// Where the units of an instance lie in a row's arena.
    #[inline(always)]
    fn units(&self, instance: usize) -> Range<usize> {
        let first = self.engine.at(self.step.instances[instance].output);
        first..first + self.width()
    }

    /// `[inputs, width]`, row-major.
    #[inline(always)]
    fn weights(&self, instance: usize) -> &'a [E] {
        let slice = self.step.instances[instance].weights;
        self.engine.constants.weights(slice, self.inputs() * self.width())
    }

    /// Gathers the log values of an instance's inputs.
    #[inline(always)]
    fn gather<I: Isa>(&self, isa: I, instance: usize, values: &[E], out: &mut [E]) {
        let factors = &self.step.factors[instance * self.factors..][..self.factors];
        gather_terms(isa, self.engine, &self.step.terms, factors, values, out);
    }
}

/// Runs step number `index` for the first `count` rows of the workspace.
#[inline(always)]
pub(super) fn forward<I: Isa, E: Element>(
    isa: I,
    engine: &RowEngine<'_, E>,
    (index, step): (usize, &SumProductStep),
    workspace: &mut RowWorkspace<E>,
    count: usize,
) {
    let RowWorkspace { arena, linear, .. } = workspace;
    let slots = engine.slots;
    let sums = Sums { engine, step, factors: step.factors_each() };
    let (room, lanes) = (padded(sums.inputs()), LanesOf::<I, E>::N);
    let together = (TOGETHER / (room * count)).max(1);
    let mut known = [Inputs { largest: E::ZERO, nothing_observed: false }; MAX_SUMS];
    for first in (0..step.instances.len()).step_by(together) {
        let instances = first..step.instances.len().min(first + together);
        for instance in instances.clone() {
            for row in 0..count {
                let at = (instance - first) * count + row;
                let (values, linear) = (&arena[row * slots..], &mut linear[at * room..][..room]);
                sums.gather(isa, instance, values, linear);
                known[at] = examine(isa, sums.inputs(), linear);
            }
        }
        for (known, linear) in known[..instances.len() * count].iter().zip(linear.chunks_mut(room))
        {
            exponentiate(isa, *known, &mut linear[..sums.inputs().next_multiple_of(lanes)]);
        }
        for instance in instances.clone() {
            let linear = &linear[(instance - first) * count * room..][..count * room];
            multiply(isa, &sums, instance, (slots, &mut arena[..count * slots]), (room, linear));
        }
        for instance in instances {
            let normalised = engine.constants.block(index, instance).normalised;
            for row in 0..count {
                let known = known[(instance - first) * count + row];
                let values = &mut arena[row * slots..];
                if take_logarithms(isa, known, normalised, &mut values[sums.units(instance)]) {
                    recompute_uncertain(isa, &sums, instance, values, linear);
                }
            }
        }
    }
}

/// Finds the largest of `inputs` values. The lanes behind the last one get the value of the first
/// one, which is as good as any other.
#[inline(always)]
pub(super) fn examine<I: Isa, E: Element>(isa: I, inputs: usize, values: &mut [E]) -> Inputs<E> {
    let lanes = LanesOf::<I, E>::N;
    let some = values[0];
    let values = &mut values[..inputs.next_multiple_of(lanes)];
    values[inputs..].fill(some);
    let mut highest = LanesOf::<I, E>::splat(isa, E::NEG_INFINITY);
    for x in values.chunks_exact(lanes) {
        highest = highest.max(LanesOf::<I, E>::load(isa, x));
    }
    let largest = highest.reduce_max();
    let near_one = |x: E| x < E::MIN_CERTAIN && -x < E::MIN_CERTAIN;
    let nothing_observed = near_one(largest) && values.iter().all(|x| near_one(*x));
    Inputs { largest, nothing_observed }
}

/// `x_i ← exp(x_i - max x)` of whole registers.
#[inline(always)]
pub(super) fn exponentiate<I: Isa, E: Element>(isa: I, inputs: Inputs<E>, values: &mut [E]) {
    let lanes = LanesOf::<I, E>::N;
    // Where every input is log 0, subtracting it would give NaN.
    let shift = if inputs.is_impossible() { E::ZERO } else { inputs.largest };
    let shift = LanesOf::<I, E>::splat(isa, shift);
    for x in values.chunks_exact_mut(lanes) {
        exp(isa, LanesOf::<I, E>::load(isa, x).sub(shift)).store(x);
    }
}

/// Writes the linear sums of one block into each row's arena; two rows share one reading of the
/// weights.
#[inline(always)]
fn multiply<I: Isa, E: Element>(
    isa: I,
    sums: &Sums<'_, E>,
    instance: usize,
    (slots, mut arena): (usize, &mut [E]),
    (room, mut linear): (usize, &[E]),
) {
    let (inputs, units) = (sums.inputs(), sums.units(instance));
    let weights = sums.weights(instance);
    while arena.len() > slots {
        let (pair, rest) = arena.split_at_mut(2 * slots);
        let (first, second) = pair.split_at_mut(slots);
        let values = [&linear[..inputs], &linear[room..][..inputs]];
        let out = [&mut first[units.clone()], &mut second[units.clone()]];
        matrix_vector(isa, weights, values, out);
        (arena, linear) = (rest, &linear[2 * room..]);
    }
    if !arena.is_empty() {
        matrix_vector(isa, weights, [&linear[..inputs]], [&mut arena[units]]);
    }
}

/// `s ← ln s + largest`; returns whether any `s` is too small to be certain, in whose place NaN is
/// left.
#[inline(always)]
fn take_logarithms<I: Isa, E: Element>(
    isa: I,
    inputs: Inputs<E>,
    normalised: bool,
    sums: &mut [E],
) -> bool {
    if normalised && inputs.nothing_observed {
        sums.fill(E::ZERO);
        return false;
    }
    if inputs.is_impossible() {
        sums.fill(E::NEG_INFINITY);
        return false;
    }
    let lanes = LanesOf::<I, E>::N;
    let largest = LanesOf::<I, E>::splat(isa, inputs.largest);
    let certain = LanesOf::<I, E>::splat(isa, E::MIN_CERTAIN);
    let nan = LanesOf::<I, E>::splat(isa, E::NAN);
    let mut uncertain = false;
    let mut chunks = sums.chunks_exact_mut(lanes);
    for sums in &mut chunks {
        let sum = LanesOf::<I, E>::load(isa, sums);
        uncertain |= sum.any_lt(certain);
        sum.select_lt(certain, nan, ln(isa, sum).add(largest)).store(sums);
    }
    let rest = chunks.into_remainder();
    if !rest.is_empty() {
        let sum = LanesOf::<I, E>::load_partial(isa, rest);
        let log = sum.select_lt(certain, nan, ln(isa, sum.max(certain)).add(largest));
        log.store_partial(rest);
        uncertain |= rest.iter().any(|log| log.is_nan());
    }
    uncertain
}

/// Replaces the NaN left by [`take_logarithms`] by sums in log space; `scratch` has room for the
/// inputs.
#[cold]
#[inline(never)]
fn recompute_uncertain<I: Isa, E: Element>(
    isa: I,
    sums: &Sums<'_, E>,
    instance: usize,
    values: &mut [E],
    scratch: &mut [E],
) {
    let (inputs, width) = (sums.inputs(), sums.width());
    let scratch = &mut scratch[..inputs];
    sums.gather(isa, instance, values, scratch);
    let weights = sums.weights(instance);
    let units = values[sums.units(instance)].iter_mut().enumerate();
    for (unit, value) in units.filter(|(_, value)| value.is_nan()) {
        let weighted = scratch.iter().zip(weights[unit..].iter().step_by(width));
        let weighted = weighted.map(|(input, weight)| match weight.to_f64() {
            0.0 => f64::NEG_INFINITY,
            weight => input.to_f64() + weight.ln(),
        });
        *value = E::from_f64(log_sum_exp(weighted));
    }
}
