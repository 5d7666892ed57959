//! Products of one row: log values of picked units are added.

use spn_ir::PickTable;
use spn_ir::plan::{Pick, ProductStep, SlotId, Term};

use super::RowEngine;
use crate::simd::{Element, Isa, Lanes, LanesOf};

/// Runs a product step: units are gathered in `scratch`, then written to their slot.
#[inline(always)]
pub(super) fn forward<I: Isa, E: Element>(
    isa: I,
    engine: &RowEngine<'_, E>,
    step: &ProductStep,
    values: &mut [E],
    scratch: &mut [E],
) {
    let scratch = &mut scratch[..step.term.rows as usize];
    let each = step.term.factors as usize;
    for (instance, &output) in step.outputs.iter().enumerate() {
        let factors = &step.factors[instance * each..(instance + 1) * each];
        gather(isa, engine, &step.term, factors, values, scratch);
        values[engine.at(output)..][..scratch.len()].copy_from_slice(scratch);
    }
}

/// Writes the units of all terms, one after the other.
#[inline(always)]
pub(super) fn gather_terms<I: Isa, E: Element>(
    isa: I,
    engine: &RowEngine<'_, E>,
    terms: &[Term],
    mut factors: &[SlotId],
    values: &[E],
    mut out: &mut [E],
) {
    for term in terms {
        let (term_out, rest) = out.split_at_mut(term.rows as usize);
        let (term_factors, others) = factors.split_at(term.factors as usize);
        gather(isa, engine, term, term_factors, values, term_out);
        (out, factors) = (rest, others);
    }
}

/// Writes the units of one term: `out[k] = Σ_j values[factor j, pick_j(k)]`.
#[inline(always)]
fn gather<I: Isa, E: Element>(
    isa: I,
    engine: &RowEngine<'_, E>,
    term: &Term,
    factors: &[SlotId],
    values: &[E],
    out: &mut [E],
) {
    match (&term.pick, factors) {
        (_, []) => out.fill(E::ZERO),
        (Pick::Same, &[a]) => add_same(isa, engine, [a], values, out),
        (Pick::Same, &[a, b]) => add_same(isa, engine, [a, b], values, out),
        (Pick::Same, &[a, b, c]) => add_same(isa, engine, [a, b, c], values, out),
        (Pick::Same, &[a, b, c, d]) => add_same(isa, engine, [a, b, c, d], values, out),
        (pick, _) => {
            out.fill(E::ZERO);
            for (index, &factor) in factors.iter().enumerate() {
                let values = &values[engine.at(factor)..];
                add_picked(isa, &engine.plan.tables, (pick, index), values, out);
            }
        }
    }
}

/// Element-wise products of a few factors: no intermediate result leaves the registers.
#[inline(always)]
fn add_same<I: Isa, E: Element, const FACTORS: usize>(
    isa: I,
    engine: &RowEngine<'_, E>,
    factors: [SlotId; FACTORS],
    values: &[E],
    out: &mut [E],
) {
    let lanes = LanesOf::<I, E>::N;
    let mut blocks = [&values[..0]; FACTORS];
    for (block, factor) in blocks.iter_mut().zip(factors) {
        *block = &values[engine.at(factor)..][..out.len()];
    }
    let mut chunks = out.chunks_exact_mut(lanes);
    let mut start = 0;
    for out in &mut chunks {
        let mut sum = LanesOf::<I, E>::load(isa, &blocks[0][start..]);
        for block in &blocks[1..] {
            sum = sum.add(LanesOf::<I, E>::load(isa, &block[start..]));
        }
        sum.store(out);
        start += lanes;
    }
    let rest = chunks.into_remainder();
    if !rest.is_empty() {
        let mut sum = LanesOf::<I, E>::load_partial(isa, &blocks[0][start..]);
        for block in &blocks[1..] {
            sum = sum.add(LanesOf::<I, E>::load_partial(isa, &block[start..]));
        }
        sum.store_partial(rest);
    }
}

/// Adds what a term picks of its factor number `index`, whose units `values` begins with.
#[inline(always)]
fn add_picked<I: Isa, E: Element>(
    isa: I,
    tables: &[PickTable],
    (pick, index): (&Pick, usize),
    values: &[E],
    out: &mut [E],
) {
    match pick {
        Pick::Same => add(isa, values, out),
        Pick::Outer { digits } => {
            let (stride, rows) = (digits[index].0 as usize, digits[index].1 as usize);
            if stride == 1 {
                for out in out.chunks_mut(rows) {
                    add(isa, &values[..rows], out);
                }
            } else {
                let repeated = values[..rows].iter().cycle();
                for (&value, out) in repeated.zip(out.chunks_mut(stride)) {
                    add_number(isa, value, out);
                }
            }
        }
        Pick::Table(id) => {
            for (&picked, out) in tables[id.0 as usize].picks[index].iter().zip(out) {
                *out += values[picked as usize];
            }
        }
    }
}

/// `target += source`, as far as `target` goes.
#[inline(always)]
fn add<I: Isa, E: Element>(isa: I, source: &[E], target: &mut [E]) {
    let lanes = LanesOf::<I, E>::N;
    let source = &source[..target.len()];
    for (source, target) in source.chunks(lanes).zip(target.chunks_mut(lanes)) {
        if target.len() == lanes {
            let sum = LanesOf::<I, E>::load(isa, source).add(LanesOf::<I, E>::load(isa, target));
            sum.store(target);
        } else {
            let before = LanesOf::<I, E>::load_partial(isa, target);
            LanesOf::<I, E>::load_partial(isa, source).add(before).store_partial(target);
        }
    }
}

/// `target += value`
#[inline(always)]
fn add_number<I: Isa, E: Element>(isa: I, value: E, target: &mut [E]) {
    let lanes = LanesOf::<I, E>::N;
    let value = LanesOf::<I, E>::splat(isa, value);
    for target in target.chunks_mut(lanes) {
        if target.len() == lanes {
            LanesOf::<I, E>::load(isa, target).add(value).store(target);
        } else {
            LanesOf::<I, E>::load_partial(isa, target).add(value).store_partial(target);
        }
    }
}
