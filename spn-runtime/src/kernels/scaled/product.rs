//! Products that several parents read: gathered, normalised and written to their slot.

use spn_ir::plan::{ProductStep, SlotId};

use super::Scales;
use super::normalise::normalise;
use super::terms::{Gathered, Terms};
use crate::kernels::Place;
use crate::simd::{Element, Isa};

/// Computes the product of `factors`.
#[inline(always)]
pub(crate) fn forward<I: Isa, E: Element>(
    isa: I,
    place: Place<'_>,
    step: &ProductStep,
    (factors, output): (&[SlotId], SlotId),
    values: &mut [E],
    scales: &mut Scales<'_, E>,
    scratch: Gathered<'_, E>,
) {
    let Gathered { rows, exponents, bounds, largest, each } = scratch;
    let rows = &mut rows[..step.term.rows as usize * place.tile];
    let terms = Terms { place, terms: std::slice::from_ref(&step.term), factors };
    let out = Gathered { rows: &mut *rows, exponents, bounds, largest, each };
    terms.gather(isa, values, scales, out);
    let scale = scales.of(output);
    scale.exponents.copy_from_slice(exponents);
    scale.bounds.copy_from_slice(bounds);
    normalise(isa, place.tile, rows, scale);
    values[place.at(output, 0)..][..rows.len()].copy_from_slice(rows);
}
