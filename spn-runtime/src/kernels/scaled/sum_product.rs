//! Sums over products in scaled linear arithmetic: gather, one matrix product, normalise.
//!
//! The reverse step is that of log space: `g = flow_out / s`, two matrix products, a factor `v`. The
//! scales cancel, as long as inputs and outputs have the same; the inputs are gathered again, which
//! costs less than keeping them.

use spn_ir::plan::{Pick, SlotId};

use super::normalise::normalise;
use super::terms::{Gathered, Terms};
use super::{Scales, power_of_two};
use crate::kernels::sum_product::Block;
use crate::simd::gemm::{Shape, product};
use crate::simd::{Element, Isa, Lanes, LanesOf};

/// Computes one block.
#[inline(always)]
pub(crate) fn forward<I: Isa, E: Element>(
    isa: I,
    block: &Block<'_, E>,
    values: &mut [E],
    scales: &mut Scales<'_, E>,
    scratch: Gathered<'_, E>,
) {
    let tile = block.place.tile;
    let Gathered { rows, exponents, bounds, largest, each } = scratch;
    let shape = Shape { inputs: block.inputs(), outputs: block.width(), tile };
    let start = block.place.at(block.output, 0);
    if let Some(slot) = unchanged(block, scales) {
        exponents.copy_from_slice(scales.exponents(slot));
        bounds.copy_from_slice(scales.bounds(slot));
        let (before, output) = values.split_at_mut(start);
        let (output, behind) = output.split_at_mut(block.width() * tile);
        let first = block.place.at(slot, 0);
        // Both are in use, so they do not overlap.
        let input =
            if first < start { &before[first..] } else { &behind[first - start - output.len()..] };
        product(isa, shape, block.packed.packed, &input[..block.inputs() * tile], output);
    } else {
        let rows = &mut rows[..block.inputs() * tile];
        let gathered = Gathered { rows: &mut *rows, exponents, bounds, largest, each };
        gather(isa, block, values, scales, gathered);
        let output = &mut values[start..][..block.width() * tile];
        product(isa, shape, block.packed.packed, rows, output);
    }
    let output = &mut values[start..][..block.width() * tile];
    let scale = scales.of(block.output);
    scale.exponents.copy_from_slice(exponents);
    sum_bounds(isa, block.packed.largest, bounds, scale.bounds);
    normalise(isa, tile, output, scale);
}

/// The slot whose rows are the inputs just as they are: nothing has to be gathered.
#[inline(always)]
fn unchanged<E: Element>(block: &Block<'_, E>, scales: &Scales<'_, E>) -> Option<SlotId> {
    match (&*block.step.terms, block.factors) {
        ([term], [slot]) if matches!(term.pick, Pick::Same) && !scales.is_log(*slot) => Some(*slot),
        _ => None,
    }
}

/// The bounds of sums whose weights sum to at most `largest`.
#[inline(always)]
fn sum_bounds<I: Isa, E: Element>(isa: I, largest: E, inputs: &[E], bounds: &mut [E]) {
    let lanes = LanesOf::<I, E>::N;
    let least = LanesOf::<I, E>::splat(isa, E::SMALLEST_NORMAL);
    let largest = LanesOf::<I, E>::splat(isa, largest);
    for (input, bound) in inputs.chunks_exact(lanes).zip(bounds.chunks_exact_mut(lanes)) {
        LanesOf::<I, E>::load(isa, input).mul_add(largest, least).store(bound);
    }
}

/// The linear inputs of a block.
#[inline(always)]
fn gather<I: Isa, E: Element>(
    isa: I,
    block: &Block<'_, E>,
    values: &[E],
    scales: &Scales<'_, E>,
    out: Gathered<'_, E>,
) {
    let (place, terms, factors) = (block.place, &*block.step.terms, block.factors);
    Terms { place, terms, factors }.gather(isa, values, scales, out);
}

/// Gives the inputs again, in `inputs` or where they are, and leaves in the scratch's exponents the
/// factors that bring outputs to the exponents of the inputs: what the reverse step reads.
#[inline(always)]
pub(crate) fn recompute<'a, I: Isa, E: Element>(
    isa: I,
    block: &Block<'_, E>,
    values: &'a [E],
    scales: &Scales<'_, E>,
    inputs: &'a mut [E],
    scratch: Gathered<'_, E>,
) -> &'a [E] {
    let (tile, lanes) = (block.place.tile, LanesOf::<I, E>::N);
    let Gathered { exponents, bounds, largest, each, .. } = scratch;
    let rows = if let Some(slot) = unchanged(block, scales) {
        exponents.copy_from_slice(scales.exponents(slot));
        &values[block.place.at(slot, 0)..][..block.inputs() * tile]
    } else {
        let rows = &mut inputs[..block.inputs() * tile];
        let gathered =
            Gathered { rows: &mut *rows, exponents: &mut *exponents, bounds, largest, each };
        gather(isa, block, values, scales, gathered);
        &*rows
    };
    let own = scales.exponents(block.output).chunks_exact(lanes);
    for (own, factor) in own.zip(exponents.chunks_exact_mut(lanes)) {
        let own = LanesOf::<I, E>::load(isa, own);
        power_of_two::<I, E>(isa, own.sub(LanesOf::<I, E>::load(isa, factor))).store(factor);
    }
    rows
}
