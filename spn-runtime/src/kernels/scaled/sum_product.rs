//! Sums over products in scaled linear arithmetic: gather, one matrix product, normalise.
//!
//! The reverse step is that of log space: `g = flow_out / s`, two matrix products, a factor `v`. The
//! scales cancel, as long as inputs and outputs have the same; the inputs are gathered again, which
//! costs less than keeping them.

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
    let rows = &mut rows[..block.inputs() * tile];
    let gathered = Gathered { rows: &mut *rows, exponents, bounds, largest, each };
    gather(isa, block, values, scales, gathered);
    let shape = Shape { inputs: block.inputs(), outputs: block.width(), tile };
    let output = &mut values[block.place.at(block.output, 0)..][..block.width() * tile];
    product(isa, shape, block.packed.packed, rows, output);
    let scale = scales.of(block.output);
    scale.exponents.copy_from_slice(exponents);
    sum_bounds(isa, block.packed.largest, bounds, scale.bounds);
    normalise(isa, tile, output, scale);
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

/// Fills the inputs again, and `sums` with the outputs at the exponents of the inputs: what the
/// reverse step reads.
#[inline(always)]
pub(crate) fn recompute<I: Isa, E: Element>(
    isa: I,
    block: &Block<'_, E>,
    values: &[E],
    scales: &Scales<'_, E>,
    inputs: Gathered<'_, E>,
    sums: &mut [E],
) {
    let (tile, lanes) = (block.place.tile, LanesOf::<I, E>::N);
    let Gathered { rows, exponents, bounds, largest, each } = inputs;
    let rows = &mut rows[..block.inputs() * tile];
    gather(isa, block, values, scales, Gathered { rows, exponents, bounds, largest, each });
    let output = &values[block.place.at(block.output, 0)..][..block.width() * tile];
    let own = scales.exponents(block.output);
    for start in (0..tile).step_by(lanes) {
        let load = |row: &[E]| LanesOf::<I, E>::load(isa, &row[start..]);
        let factor = power_of_two::<I, E>(isa, load(own).sub(load(exponents)));
        for (output, sum) in output.chunks_exact(tile).zip(sums.chunks_exact_mut(tile)) {
            load(output).mul(factor).store(&mut sum[start..]);
        }
    }
}
