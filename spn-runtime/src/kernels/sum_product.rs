//! Sums over products, fused: products are multiplied in cache, exponentiated against their
//! largest value and fed to a matrix product; they are never written to the arena.
//!
//! With `m = max_i x_i`, `v_i = exp(x_i - m)` and linear weights `w`: `s_o = Σ_i w[i, o] v_i` and
//! `out_o = ln s_o + m`. The only risk is a term that is flushed to zero although it matters, which
//! can happen only where `s_o` is tiny. Those (unit, sample) pairs are found by comparing `s_o`
//! with [`Real::MIN_CERTAIN`] and computed again one by one in log space.
//!
//! Where nothing of a unit's scope is observed, all its inputs are exactly log 1, and with normalised
//! weights so is the unit. In floating point the weights sum to 1 only up to rounding; so this case
//! is recognised and its result put in, and a row without evidence has log-likelihood exactly 0.
//!
//! The reverse step keeps `v` and `s`: `g = flow_out / s`, `flow_i = v_i Σ_o w[i, o] g_o`, and the
//! derivative with respect to weight `[i, o]` is `Σ_samples v_i g_o`: two matrix products, no
//! transcendental function. A unit of value log 0 has flow 0.

use spn_ir::plan::{Pick, SlotId, SumProductStep};

use super::product::{gather, scatter};
use super::scaled::SlotValues;
use super::{LOG_ZERO, Place};
use crate::constants::BlockWeights;
use crate::simd::gemm::{Shape, product};
use crate::simd::gradient::gradient_add;
use crate::simd::math::{exp, ln};
use crate::simd::transposed::product_transposed;
use crate::simd::{Element, Isa, Lanes, LanesOf};

/// One sum block of a step with what its kernels read.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a, E> {
    pub(crate) place: Place<'a>,
    pub(crate) step: &'a SumProductStep,
    pub(crate) factors: &'a [SlotId],
    pub(crate) output: SlotId,
    pub(crate) packed: BlockWeights<'a, E>,
    /// Weights `[inputs, width]`, row-major.
    pub(crate) weights: &'a [E],
}

impl<E: Element> Block<'_, E> {
    pub(crate) fn inputs(&self) -> usize {
        self.step.inputs as usize
    }

    pub(crate) fn width(&self) -> usize {
        self.step.width as usize
    }

    /// The rows of all terms, one after the other.
    #[inline(always)]
    pub(super) fn gather_terms<I: Isa>(&self, isa: I, values: &[E], out: &mut [E]) {
        let (mut rows, mut factors) = (out, self.factors);
        for term in &self.step.terms {
            let (term_rows, rest) = rows.split_at_mut(term.rows as usize * self.place.tile);
            let (term_factors, others) = factors.split_at(term.factors as usize);
            gather(isa, self.place, term, term_factors, values, term_rows);
            (rows, factors) = (rest, others);
        }
    }

    /// The log value of input `input` for one sample, computed again from the factors.
    fn input_value(&self, values: SlotValues<'_, E>, input: usize, sample: usize) -> f64 {
        let (mut row, mut first) = (input, 0);
        for term in &self.step.terms {
            let count = term.factors as usize;
            if row < term.rows as usize {
                let factors = self.factors[first..first + count].iter().enumerate();
                return factors
                    .map(|(index, &factor)| {
                        let picked = term.pick.row(self.place.tables, index, row);
                        values.log(self.place, factor, picked, sample)
                    })
                    .sum();
            }
            row -= term.rows as usize;
            first += count;
        }
        f64::NEG_INFINITY
    }

    /// `x_i + ln w[i, o]` of every input for one sample.
    pub(crate) fn weighted_inputs(&self, values: &[E], unit: usize, sample: usize) -> Vec<f64> {
        let values = SlotValues { values, scales: None };
        (0..self.inputs())
            .map(|input| {
                let weight = self.weights[input * self.width() + unit].to_f64();
                if weight == 0.0 {
                    return f64::NEG_INFINITY;
                }
                self.input_value(values, input, sample) + weight.ln()
            })
            .collect()
    }
}

/// Buffers of a forward step.
pub(crate) struct Scratch<'a, E> {
    /// Gets the `v_i`, rows of inputs.
    pub(crate) linear: &'a mut [E],
    /// Gets the largest input of each sample.
    pub(crate) maximum: &'a mut [E],
    /// Gets 1 for each sample all of whose inputs are log 1, else 0.
    pub(crate) nothing_observed: &'a mut [E],
}

/// Computes one block; `kept` gets the `s_o` if wanted.
#[inline(always)]
pub(crate) fn forward<I: Isa, E: Element>(
    isa: I,
    block: &Block<'_, E>,
    values: &mut [E],
    scratch: Scratch<'_, E>,
    kept: Option<&mut [E]>,
) {
    let tile = block.place.tile;
    let Scratch { linear, maximum, nothing_observed } = scratch;
    block.gather_terms(isa, values, linear);
    exponentiate(isa, tile, linear, maximum, nothing_observed);
    if !block.packed.normalised {
        nothing_observed.fill(E::ZERO);
    }
    let shape = Shape { inputs: block.inputs(), outputs: block.width(), tile };
    let start = block.place.at(block.output, 0);
    let end = start + block.width() * tile;
    product(isa, shape, block.packed.packed, linear, &mut values[start..end]);
    if let Some(kept) = kept {
        kept.copy_from_slice(&values[start..end]);
    }
    let uncertain = take_logarithms(isa, tile, &mut values[start..end], maximum, nothing_observed);
    if uncertain {
        recompute_uncertain(block, values, start, maximum);
    }
}

/// `maximum = max_i x_i` for each sample and `x_i ← exp(x_i - maximum)`; `nothing_observed` becomes
/// 1 where every `x_i` is log 1.
#[inline(always)]
fn exponentiate<I: Isa, E: Element>(
    isa: I,
    tile: usize,
    rows: &mut [E],
    maximum: &mut [E],
    nothing_observed: &mut [E],
) {
    let lanes = LanesOf::<I, E>::N;
    let lowest = LanesOf::<I, E>::splat(isa, E::from_f64(LOG_ZERO));
    let zero = LanesOf::<I, E>::splat(isa, E::ZERO);
    let one = LanesOf::<I, E>::splat(isa, E::ONE);
    let least = LanesOf::<I, E>::splat(isa, E::MIN_CERTAIN);
    for start in (0..tile).step_by(lanes) {
        let mut largest = LanesOf::<I, E>::splat(isa, E::NEG_INFINITY);
        let mut smallest = LanesOf::<I, E>::splat(isa, -E::NEG_INFINITY);
        for row in rows.chunks_exact(tile) {
            let x = LanesOf::<I, E>::load(isa, &row[start..]);
            (largest, smallest) = (largest.max(x), smallest.min(x));
        }
        largest.store(&mut maximum[start..]);
        let distance = largest.max(zero.sub(smallest));
        distance.select_lt(least, one, zero).store(&mut nothing_observed[start..]);
        // Where every input is log 0, subtracting it would give NaN.
        let shift = largest.select_lt(lowest, zero, largest);
        for row in rows.chunks_exact_mut(tile) {
            let x = LanesOf::<I, E>::load(isa, &row[start..]);
            exp(isa, x.sub(shift)).store(&mut row[start..]);
        }
    }
}

/// `s ← ln s + maximum`; returns whether any `s` is too small to be certain, in whose place NaN
/// is left. Where every input is log 0, so is the result, for certain.
#[inline(always)]
fn take_logarithms<I: Isa, E: Element>(
    isa: I,
    tile: usize,
    sums: &mut [E],
    maximum: &[E],
    nothing_observed: &[E],
) -> bool {
    let lanes = LanesOf::<I, E>::N;
    let lowest = LanesOf::<I, E>::splat(isa, E::from_f64(LOG_ZERO));
    let zero = LanesOf::<I, E>::splat(isa, E::ZERO);
    let least = LanesOf::<I, E>::splat(isa, E::MIN_CERTAIN);
    let mut uncertain = false;
    for row in sums.chunks_exact_mut(tile) {
        let shared = maximum.chunks_exact(lanes).zip(nothing_observed.chunks_exact(lanes));
        for (sums, (maximum, nothing)) in row.chunks_exact_mut(lanes).zip(shared) {
            let sum = LanesOf::<I, E>::load(isa, sums);
            let maximum = LanesOf::<I, E>::load(isa, maximum);
            let certain = maximum.select_lt(lowest, zero, least);
            uncertain |= sum.any_lt(certain);
            let log = ln(isa, sum).add(maximum);
            let log = zero.select_lt(LanesOf::<I, E>::load(isa, nothing), zero, log);
            sum.select_lt(certain, LanesOf::<I, E>::splat(isa, E::NAN), log).store(sums);
        }
    }
    uncertain
}

/// Replaces the NaN left by [`take_logarithms`] by sums in log space.
#[cold]
fn recompute_uncertain<E: Element>(
    block: &Block<'_, E>,
    values: &mut [E],
    start: usize,
    maximum: &[E],
) {
    let tile = block.place.tile;
    for unit in 0..block.width() {
        for (sample, largest) in maximum[..tile].iter().enumerate() {
            let index = start + unit * tile + sample;
            if !values[index].is_nan() || largest.is_nan() {
                continue;
            }
            let weighted = block.weighted_inputs(values, unit, sample);
            values[index] = E::from_f64(log_sum_exp(&weighted));
        }
    }
}

/// `ln Σ exp(x)`; log 0 if every `x` is.
pub(crate) fn log_sum_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + values.iter().map(|x| (x - largest).exp()).sum::<f64>().ln()
}

/// Where derivatives with respect to the weights of a block go.
pub(crate) struct WeightDerivatives<'a, E> {
    /// `[inputs, width]`, row-major.
    pub(crate) values: &'a mut [E],
    /// Whether they have no value yet and are set.
    pub(crate) fresh: bool,
}

/// What the forward pass left for a block's reverse step, and where results go.
pub(crate) struct Reverse<'a, E> {
    /// Values of the slots.
    pub(crate) values: SlotValues<'a, E>,
    /// `v_i`, rows of inputs.
    pub(crate) linear: &'a [E],
    /// `s_o`, rows of outputs.
    pub(crate) sums: &'a [E],
    /// What each sample's `s_o` have to be multiplied by first, if they have.
    pub(crate) factors: Option<&'a [E]>,
    /// Derivatives with respect to the weights, if wanted.
    pub(crate) weights: Option<WeightDerivatives<'a, E>>,
    /// Whether flows are passed on.
    pub(crate) children: bool,
    /// Factors that had no flow yet: theirs is set.
    pub(crate) begins: &'a [SlotId],
    /// Scratch for `g`, rows of outputs.
    pub(crate) ratios: &'a mut [E],
    /// Scratch for the flows of the inputs.
    pub(crate) products: &'a mut [E],
}

/// Runs the reverse step of one block; `flows` are those of the slots, whose rows are `slots`.
#[inline(always)]
pub(crate) fn reverse<I: Isa, E: Element>(
    isa: I,
    block: &Block<'_, E>,
    slots: &[u32],
    mut work: Reverse<'_, E>,
    flows: &mut [E],
) {
    let tile = block.place.tile;
    let (inputs, outputs) = (block.inputs(), block.width());
    let start = block.place.at(block.output, 0);
    let outgoing = &flows[start..start + outputs * tile];
    let uncertain = divide(isa, tile, outgoing, (work.sums, work.factors), work.ratios);
    if let Some(WeightDerivatives { values, fresh }) = &mut work.weights {
        let shape = Shape { inputs: outputs, outputs: inputs, tile };
        gradient_add(isa, shape, work.linear, work.ratios, values, *fresh);
    }
    if work.children {
        let shape = Shape { inputs: outputs, outputs: inputs, tile };
        product_transposed(isa, shape, block.packed.packed, work.ratios, work.products);
    }
    let begins = if uncertain { &[] } else { set_by_scatter(block, work.begins) };
    for slot in &work.begins[begins.len()..] {
        let length = slots[slot.index()] as usize * tile;
        flows[block.place.at(*slot, 0)..][..length].fill(E::ZERO);
    }
    if !uncertain {
        if work.children {
            scatter_products(isa, block, (work.linear, begins), work.products, flows);
        }
        return;
    }
    multiply(isa, work.linear, work.products);
    reverse_uncertain(block, &mut work, start, flows);
    if work.children {
        scatter_terms(isa, block, work.products, flows);
    }
}

/// Of the factors that have no flow yet those that [`scatter_products`] sets itself: all or none.
#[inline(always)]
fn set_by_scatter<'a, E: Element>(block: &Block<'_, E>, begins: &'a [SlotId]) -> &'a [SlotId] {
    let sets = match (&*block.step.terms, block.factors) {
        ([term], factors) => match (&term.pick, factors) {
            (Pick::Same, [_]) => true,
            (Pick::Same, [a, b]) => a != b,
            (Pick::Same, [a, b, c, d]) => a != b && a != c && a != d && b != c && b != d && c != d,
            _ => false,
        },
        _ => false,
    };
    if sets { begins } else { &[] }
}

/// Gives the flow `linear[i] · factors[i]` of each input to the factors of its product; those in
/// `begins` have no flow yet.
#[inline(always)]
fn scatter_products<I: Isa, E: Element>(
    isa: I,
    block: &Block<'_, E>,
    (linear, begins): (&[E], &[SlotId]),
    factors: &mut [E],
    flows: &mut [E],
) {
    let tile = block.place.tile;
    let (mut linear, mut rows, mut slots) = (linear, factors, block.factors);
    for term in &block.step.terms {
        let (term_rows, rest) = rows.split_at_mut(term.rows as usize * tile);
        let (term_linear, others) = linear.split_at(term.rows as usize * tile);
        let (term_slots, other_slots) = slots.split_at(term.factors as usize);
        match (&term.pick, term_slots) {
            (Pick::Same, &[a]) => {
                let targets = Targets { slots: [a], begins };
                scatter_same(isa, block.place, targets, (term_linear, term_rows), flows);
            }
            (Pick::Same, &[a, b]) => {
                let targets = Targets { slots: [a, b], begins };
                scatter_same(isa, block.place, targets, (term_linear, term_rows), flows);
            }
            (Pick::Same, &[a, b, c, d]) => {
                let targets = Targets { slots: [a, b, c, d], begins };
                scatter_same(isa, block.place, targets, (term_linear, term_rows), flows);
            }
            _ => {
                multiply(isa, term_linear, term_rows);
                scatter(isa, block.place, term, term_slots, term_rows, flows);
            }
        }
        (linear, rows, slots) = (others, rest, other_slots);
    }
}

/// Slots that get flows, and those that have none yet.
struct Targets<'a, const FACTORS: usize> {
    slots: [SlotId; FACTORS],
    begins: &'a [SlotId],
}

/// One pass over the rows of an element-wise product: the flows never leave the registers.
#[inline(always)]
fn scatter_same<I: Isa, E: Element, const FACTORS: usize>(
    isa: I,
    place: Place<'_>,
    Targets { slots, begins }: Targets<'_, FACTORS>,
    (linear, factors): (&[E], &[E]),
    flows: &mut [E],
) {
    let lanes = LanesOf::<I, E>::N;
    let targets = slots.map(|slot| (place.at(slot, 0), begins.contains(&slot)));
    let pairs = linear.chunks_exact(lanes).zip(factors.chunks_exact(lanes));
    for (index, (linear, factor)) in pairs.enumerate() {
        let flow = LanesOf::<I, E>::load(isa, linear).mul(LanesOf::<I, E>::load(isa, factor));
        for (start, is_first) in targets {
            let target = &mut flows[start + index * lanes..];
            if is_first {
                flow.store(target);
            } else {
                LanesOf::<I, E>::load(isa, target).add(flow).store(target);
            }
        }
    }
}

/// Gives the flow of each input to the factors of its product.
#[inline(always)]
pub(super) fn scatter_terms<I: Isa, E: Element>(
    isa: I,
    block: &Block<'_, E>,
    inputs: &[E],
    flows: &mut [E],
) {
    let tile = block.place.tile;
    let (mut rows, mut factors) = (inputs, block.factors);
    for term in &block.step.terms {
        let (term_rows, rest) = rows.split_at(term.rows as usize * tile);
        let (term_factors, others) = factors.split_at(term.factors as usize);
        scatter(isa, block.place, term, term_factors, term_rows, flows);
        (rows, factors) = (rest, others);
    }
}

/// `ratio = flow / (sum · factor)`, 0 where the sum is too small to be certain; returns whether one
/// is that has a flow.
#[inline(always)]
fn divide<I: Isa, E: Element>(
    isa: I,
    tile: usize,
    flows: &[E],
    (sums, factors): (&[E], Option<&[E]>),
    ratios: &mut [E],
) -> bool {
    let lanes = LanesOf::<I, E>::N;
    let certain = LanesOf::<I, E>::splat(isa, E::MIN_CERTAIN);
    let (zero, one) = (LanesOf::<I, E>::splat(isa, E::ZERO), LanesOf::<I, E>::splat(isa, E::ONE));
    let mut uncertain = false;
    let rows = flows.chunks_exact(tile).zip(sums.chunks_exact(tile));
    for ((flows, sums), ratios) in rows.zip(ratios.chunks_exact_mut(tile)) {
        for start in (0..tile).step_by(lanes) {
            let load = |row: &[E]| LanesOf::<I, E>::load(isa, &row[start..]);
            let factor = match factors {
                Some(factors) => load(factors),
                None => one,
            };
            let (flow, sum) = (load(flows), load(sums).mul(factor));
            let lost = sum.select_lt(certain, flow.max(zero.sub(flow)), zero);
            uncertain |= zero.any_lt(lost);
            sum.select_lt(certain, zero, flow.div(sum)).store(&mut ratios[start..]);
        }
    }
    uncertain
}

/// `target ← target · factor`
#[inline(always)]
fn multiply<I: Isa, E: Element>(isa: I, factor: &[E], target: &mut [E]) {
    let lanes = LanesOf::<I, E>::N;
    for (factor, target) in factor.chunks_exact(lanes).zip(target.chunks_exact_mut(lanes)) {
        let product = LanesOf::<I, E>::load(isa, factor).mul(LanesOf::<I, E>::load(isa, target));
        product.store(target);
    }
}

/// Adds what uncertain units contribute: posteriors in log space, one (unit, sample) at a time.
#[cold]
fn reverse_uncertain<E: Element>(
    block: &Block<'_, E>,
    work: &mut Reverse<'_, E>,
    start: usize,
    flows: &[E],
) {
    let tile = block.place.tile;
    for unit in 0..block.width() {
        for sample in 0..tile {
            let at = unit * tile + sample;
            let flow = flows[start + at].to_f64();
            let factor = work.factors.map_or(E::ONE, |factors| factors[sample]);
            // `>=` is false for NaN too, but sums are never NaN.
            if work.sums[at] * factor >= E::MIN_CERTAIN || flow == 0.0 {
                continue;
            }
            let value = work.values.log(block.place, block.output, unit, sample);
            if value < LOG_ZERO {
                continue;
            }
            for input in 0..block.inputs() {
                let at = input * block.width() + unit;
                // All in one exponent: the ratio alone may overflow where the flow is tiny.
                let input_value = block.input_value(work.values, input, sample);
                let log_slope = flow.abs().ln() + input_value - value;
                if let Some(weights) = &mut work.weights {
                    let slope = log_slope.exp().min(E::STEEPEST.to_f64());
                    weights.values[at] += E::from_f64(flow.signum() * slope);
                }
                let weight = block.weights[at].to_f64();
                if work.children && weight != 0.0 {
                    let share = flow.signum() * (log_slope + weight.ln()).exp();
                    work.products[input * tile + sample] += E::from_f64(share);
                }
            }
        }
    }
}
