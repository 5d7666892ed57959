//! The reverse step of sums where a unit's flow goes to one input: hard, unweighted and sampled
//! expectation maximisation.
//!
//! In: what the forward pass kept, and flows. Out: flows of the selected inputs and, for each
//! weight, the flow that went through it. For registers of samples in which a unit has any flow,
//! one scan over the inputs finds the first and the last largest `v_i w_i`; where they differ there
//! is a tie. Ties, drawn inputs, and sums too small for linear arithmetic (see
//! [`sum_product`](super::sum_product)) are settled one by one.

use super::sum_product::{Block, scatter_terms};
use crate::counting::Selecting;
use crate::simd::{Element, Isa, Lanes, LanesOf, MAX_LANES};

/// What the forward pass left for a block's reverse step, and where results go.
pub(crate) struct Selection<'a, E> {
    /// How an input is selected.
    pub(crate) rule: Selecting,
    /// Log values of the slots.
    pub(crate) values: &'a [E],
    /// `v_i`, rows of inputs.
    pub(crate) linear: &'a [E],
    /// `s_o`, rows of outputs.
    pub(crate) sums: &'a [E],
    /// Counts of the weights `[inputs, width]`, if wanted.
    pub(crate) counts: Option<&'a mut [E]>,
    /// Whether flows are passed on.
    pub(crate) children: bool,
    /// Scratch for the units that have a flow.
    pub(crate) active: &'a mut Vec<u32>,
    /// Scratch for the flows of the inputs.
    pub(crate) products: &'a mut [E],
    /// Number of the tile's first row in the batch.
    pub(crate) first_row: usize,
}

/// First and last largest score of each lane.
#[derive(Clone, Copy)]
struct Winners<E> {
    first: [E; MAX_LANES],
    last: [E; MAX_LANES],
}

/// Units whose scores are scanned together: each load of an input serves all of them.
const TOGETHER: usize = 4;

/// Runs the reverse step of one block; `flows` are those of the slots.
#[inline(always)]
pub(crate) fn reverse<I: Isa, E: Element>(
    isa: I,
    block: &Block<'_, E>,
    mut work: Selection<'_, E>,
    flows: &mut [E],
) {
    let tile = block.place.tile;
    let lanes = LanesOf::<I, E>::N;
    let begin = block.place.at(block.output, 0);
    let outgoing = &flows[begin..begin + block.width() * tile];
    work.products.fill(E::ZERO);
    for start in (0..tile).step_by(lanes) {
        find_active(isa, tile, start, outgoing, work.active);
        if work.active.is_empty() {
            continue;
        }
        if work.rule.weighted {
            select_each(isa, block, &mut work, start, outgoing);
        } else {
            select_together(isa, block, &mut work, start, outgoing);
        }
    }
    if work.children {
        scatter_terms(isa, block, work.products, flows);
    }
}

/// Lists the units that have a flow in any lane from `start` on.
#[inline(always)]
fn find_active<I: Isa, E: Element>(
    isa: I,
    tile: usize,
    start: usize,
    flows: &[E],
    active: &mut Vec<u32>,
) {
    let zero = LanesOf::<I, E>::splat(isa, E::ZERO);
    active.clear();
    for (unit, row) in flows.chunks_exact(tile).enumerate() {
        let flow = LanesOf::<I, E>::load(isa, &row[start..]);
        if zero.any_lt(flow.max(zero.sub(flow))) {
            active.push(unit as u32);
        }
    }
}

/// Each unit selects by its own weights.
#[inline(always)]
fn select_each<I: Isa, E: Element>(
    isa: I,
    block: &Block<'_, E>,
    work: &mut Selection<'_, E>,
    start: usize,
    flows: &[E],
) {
    let active = std::mem::take(work.active);
    let scores = Scores { linear: work.linear, weights: block.weights, stride: block.width() };
    let mut chunks = active.chunks_exact(TOGETHER);
    for units in &mut chunks {
        let units: [usize; TOGETHER] = std::array::from_fn(|index| units[index] as usize);
        for (unit, winners) in
            units.into_iter().zip(scan(isa, block.place.tile, start, scores, units))
        {
            settle(block, work, LanesOf::<I, E>::N, (unit, start), &winners, flows);
        }
    }
    for &unit in chunks.remainder() {
        let unit = unit as usize;
        let [winners] = scan(isa, block.place.tile, start, scores, [unit]);
        settle(block, work, LanesOf::<I, E>::N, (unit, start), &winners, flows);
    }
    *work.active = active;
}

/// What inputs are compared by: `linear[i] · weights[i · stride + unit]`.
#[derive(Clone, Copy)]
struct Scores<'a, E> {
    linear: &'a [E],
    weights: &'a [E],
    stride: usize,
}

/// Finds the first and the last largest score of some units. Scores are not negative.
#[inline(always)]
fn scan<I: Isa, E: Element, const UNITS: usize>(
    isa: I,
    tile: usize,
    start: usize,
    scores: Scores<'_, E>,
    units: [usize; UNITS],
) -> [Winners<E>; UNITS] {
    let splat = |value: f64| LanesOf::<I, E>::splat(isa, E::from_f64(value));
    let one = splat(1.0);
    let mut index = splat(0.0);
    let mut best = [splat(-1.0); UNITS];
    let (mut first, mut last) = ([index; UNITS], [index; UNITS]);
    for (input, row) in scores.linear.chunks_exact(tile).enumerate() {
        let value = LanesOf::<I, E>::load(isa, &row[start..]);
        let weights = &scores.weights[input * scores.stride..];
        for (unit, &column) in units.iter().enumerate() {
            let score = value.mul(LanesOf::<I, E>::splat(isa, weights[column]));
            first[unit] = best[unit].select_lt(score, index, first[unit]);
            last[unit] = score.select_lt(best[unit], last[unit], index);
            best[unit] = best[unit].max(score);
        }
        index = index.add(one);
    }
    std::array::from_fn(|unit| {
        let mut winners = Winners { first: [E::ZERO; MAX_LANES], last: [E::ZERO; MAX_LANES] };
        first[unit].store(&mut winners.first);
        last[unit].store(&mut winners.last);
        winners
    })
}

/// Gives the flow of a unit in each of `lanes` samples to the selected input.
fn settle<E: Element>(
    block: &Block<'_, E>,
    work: &mut Selection<'_, E>,
    lanes: usize,
    (unit, start): (usize, usize),
    winners: &Winners<E>,
    flows: &[E],
) {
    let tile = block.place.tile;
    for lane in 0..lanes {
        let sample = start + lane;
        let flow = flows[unit * tile + sample];
        let value = work.values[block.place.at(block.output, unit) + sample];
        if flow == E::ZERO || value.to_f64() < super::LOG_ZERO {
            continue;
        }
        let certain = work.sums[unit * tile + sample] >= E::MIN_CERTAIN;
        let tied = winners.first[lane] != winners.last[lane];
        let input = if certain && !tied && work.rule.sample_probability == 0.0 {
            winners.first[lane].to_f64() as usize
        } else {
            select_one(block, work, (unit, sample), certain)
        };
        work.products[input * tile + sample] += flow;
        if let Some(counts) = work.counts.as_deref_mut() {
            counts[input * block.width() + unit] += flow;
        }
    }
}

/// Selects the input of one unit for one sample, in full.
#[cold]
fn select_one<E: Element>(
    block: &Block<'_, E>,
    work: &Selection<'_, E>,
    (unit, sample): (usize, usize),
    certain: bool,
) -> usize {
    let (tile, width) = (block.place.tile, block.width());
    let place = (work.first_row + sample, block.place.at(block.output, unit) / tile);
    if certain {
        let values = work.linear.iter().skip(sample).step_by(tile);
        let weights = block.weights.iter().skip(unit).step_by(width);
        let scores = values.zip(weights).map(|(value, weight)| *value * *weight);
        return work.rule.select(scores, E::to_f64, place);
    }
    let scores = block.weighted_inputs(work.values, unit, sample);
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    work.rule.select(scores.iter().copied(), |score| (score - largest).exp(), place)
}

/// All units of the block share one input, selected without weights.
#[inline(always)]
fn select_together<I: Isa, E: Element>(
    isa: I,
    block: &Block<'_, E>,
    work: &mut Selection<'_, E>,
    start: usize,
    flows: &[E],
) {
    let (tile, width) = (block.place.tile, block.width());
    let scores = Scores { linear: work.linear, weights: &[E::ONE], stride: 0 };
    let [winners] = scan(isa, tile, start, scores, [0]);
    for lane in 0..LanesOf::<I, E>::N {
        let sample = start + lane;
        let has_flow = |unit: &usize| {
            let value = work.values[block.place.at(block.output, *unit) + sample];
            flows[unit * tile + sample] != E::ZERO && value.to_f64() >= super::LOG_ZERO
        };
        let active = work.active.iter().map(|unit| *unit as usize).filter(has_flow);
        if active.clone().next().is_none() {
            continue;
        }
        let tied = winners.first[lane] != winners.last[lane];
        let input = if tied || work.rule.sample_probability > 0.0 {
            let values = work.linear.iter().skip(sample).step_by(tile).copied();
            let place = (work.first_row + sample, block.place.at(block.output, 0) / tile);
            work.rule.select(values, E::to_f64, place)
        } else {
            winners.first[lane].to_f64() as usize
        };
        for unit in active {
            let flow = flows[unit * tile + sample];
            work.products[input * tile + sample] += flow;
            if let Some(counts) = work.counts.as_deref_mut() {
                counts[input * width + unit] += flow;
            }
        }
    }
}
