//! Products: log values of picked rows are added; flows go to every factor.

use std::ops::Range;

use spn_ir::plan::{Pick, ProductStep, SlotId, Term};

use super::Place;
use crate::simd::{Element, Isa, Lanes, LanesOf};

/// Writes the rows of one term: `out[k] = Σ_j values[factor j, pick_j(k)]`.
#[inline(always)]
pub(crate) fn gather<I: Isa, E: Element>(
    isa: I,
    place: Place<'_>,
    term: &Term,
    factors: &[SlotId],
    values: &[E],
    out: &mut [E],
) {
    match (&term.pick, factors) {
        (_, []) => out.fill(E::ZERO),
        (Pick::Same, &[a]) => gather_same(isa, place, [a], values, out),
        (Pick::Same, &[a, b]) => gather_same(isa, place, [a, b], values, out),
        (Pick::Same, &[a, b, c]) => gather_same(isa, place, [a, b, c], values, out),
        (Pick::Same, &[a, b, c, d]) => gather_same(isa, place, [a, b, c, d], values, out),
        _ => gather_any(isa, place, term, factors, values, out),
    }
}

/// Element-wise products of a few factors: no intermediate result leaves the registers.
#[inline(always)]
fn gather_same<I: Isa, E: Element, const FACTORS: usize>(
    isa: I,
    place: Place<'_>,
    factors: [SlotId; FACTORS],
    values: &[E],
    out: &mut [E],
) {
    let lanes = LanesOf::<I, E>::N;
    let blocks = factors.map(|factor| &values[place.at(factor, 0)..][..out.len()]);
    for (start, out) in out.chunks_exact_mut(lanes).enumerate() {
        let mut sum = LanesOf::<I, E>::load(isa, &blocks[0][start * lanes..]);
        for block in &blocks[1..] {
            sum = sum.add(LanesOf::<I, E>::load(isa, &block[start * lanes..]));
        }
        sum.store(out);
    }
}

#[inline(always)]
fn gather_any<I: Isa, E: Element>(
    isa: I,
    place: Place<'_>,
    term: &Term,
    factors: &[SlotId],
    values: &[E],
    out: &mut [E],
) {
    for (row, out) in out.chunks_exact_mut(place.tile).enumerate() {
        for (index, &factor) in factors.iter().enumerate() {
            let picked = term.pick.row(place.tables, index, row);
            let source = &values[place.at(factor, picked)..][..place.tile];
            if index == 0 {
                out.copy_from_slice(source);
            } else {
                add_row(isa, source, out);
            }
        }
    }
}

/// Adds the flow of each row of a term to the rows it picked.
#[inline(always)]
pub(crate) fn scatter<I: Isa, E: Element>(
    isa: I,
    place: Place<'_>,
    term: &Term,
    factors: &[SlotId],
    term_flows: &[E],
    flows: &mut [E],
) {
    for (index, &factor) in factors.iter().enumerate() {
        if term.pick == Pick::Same {
            let start = place.at(factor, 0);
            add_row(isa, term_flows, &mut flows[start..start + term_flows.len()]);
            continue;
        }
        for (row, flow) in term_flows.chunks_exact(place.tile).enumerate() {
            let picked = term.pick.row(place.tables, index, row);
            let start = place.at(factor, picked);
            add_row(isa, flow, &mut flows[start..start + place.tile]);
        }
    }
}

/// `target += source`
#[inline(always)]
pub(crate) fn add_row<I: Isa, E: Element>(isa: I, source: &[E], target: &mut [E]) {
    let lanes = LanesOf::<I, E>::N;
    for (source, target) in source.chunks_exact(lanes).zip(target.chunks_exact_mut(lanes)) {
        let sum = LanesOf::<I, E>::load(isa, source).add(LanesOf::<I, E>::load(isa, target));
        sum.store(target);
    }
}

/// Some instances of a product step: the factors and the output of each.
#[inline(always)]
fn instances(
    step: &ProductStep,
    instances: Range<usize>,
) -> impl Iterator<Item = (&[SlotId], SlotId)> {
    let each = step.term.factors as usize;
    let factors = move |index: usize| &step.factors[index * each..(index + 1) * each];
    instances.map(move |index| (factors(index), step.outputs[index]))
}

/// Runs instances of a product step: rows are gathered in `scratch`, then written to their slot.
#[inline(always)]
pub(crate) fn forward<I: Isa, E: Element>(
    isa: I,
    place: Place<'_>,
    (step, run): (&ProductStep, Range<usize>),
    values: &mut [E],
    scratch: &mut [E],
) {
    let scratch = &mut scratch[..step.term.rows as usize * place.tile];
    for (factors, output) in instances(step, run) {
        gather(isa, place, &step.term, factors, values, scratch);
        values[place.at(output, 0)..][..scratch.len()].copy_from_slice(scratch);
    }
}

/// Passes the flows of a product step on to its factors.
#[inline(always)]
pub(crate) fn reverse<I: Isa, E: Element>(
    isa: I,
    place: Place<'_>,
    step: &ProductStep,
    flows: &mut [E],
    scratch: &mut [E],
) {
    let scratch = &mut scratch[..step.term.rows as usize * place.tile];
    for (factors, output) in instances(step, 0..step.outputs.len()) {
        scratch.copy_from_slice(&flows[place.at(output, 0)..][..scratch.len()]);
        scatter(isa, place, &step.term, factors, scratch, flows);
    }
}
