//! Products of scaled blocks: picked rows are multiplied.
//!
//! Values of a factor are below `2^(B+1)`. A constant `2^-B` for each factor but one keeps the
//! product as small: products and blocks have the same range. It comes last: before, it could
//! flush a value to zero that the other factors would have brought back.

use spn_ir::plan::{Pick, SlotId, Term};

use super::normalise::normalise;
use super::terms::{FEW, RunningScale};
use super::{Scale, Scales, constant_power};
use crate::kernels::Place;
use crate::simd::{Element, Isa, Lanes, LanesOf};

/// The factors of one term.
#[derive(Clone, Copy)]
pub(super) struct Factors<'a, E> {
    pub(super) place: Place<'a>,
    pub(super) term: &'a Term,
    pub(super) factors: &'a [SlotId],
    pub(super) values: &'a [E],
}

impl<'a, E> Factors<'a, E> {
    /// The row of factor `index` that row `row` of the product multiplies.
    #[inline(always)]
    fn row(&self, index: usize, row: usize) -> &'a [E] {
        let picked = self.term.pick.row(self.place.tables, index, row);
        &self.values[self.place.at(self.factors[index], picked)..][..self.place.tile]
    }
}

/// `2^-B` for each factor but one.
fn constant<E: Element>(factors: usize) -> E {
    constant_power(-E::BLOCK_EXPONENT * (factors as i32 - 1))
}

/// `rows[r] = constant · align · Π_f factor_f[pick_f(r)]` of at most [`FEW`] factors; `align` is one
/// number for each sample, 1 if it is left out.
#[inline(always)]
pub(super) fn multiply_few<I: Isa, E: Element>(
    isa: I,
    source: Factors<'_, E>,
    align: Option<&[E]>,
    rows: &mut [E],
) {
    match (&source.term.pick, source.factors) {
        (Pick::Same, &[a]) => multiply_same(isa, source, [a], align, rows),
        (Pick::Same, &[a, b]) => multiply_same(isa, source, [a, b], align, rows),
        (Pick::Same, &[a, b, c]) => multiply_same(isa, source, [a, b, c], align, rows),
        (Pick::Same, &[a, b, c, d]) => multiply_same(isa, source, [a, b, c, d], align, rows),
        (Pick::Outer { digits }, &[a, b]) if digits[0].0 == digits[1].1 && digits[1].0 == 1 => {
            multiply_outer(isa, source, [(a, digits[0].1), (b, digits[1].1)], align, rows);
        }
        _ => multiply_picked(isa, source, 0..source.factors.len(), align, rows),
    }
}

/// Element-wise products: no intermediate result leaves the registers.
#[inline(always)]
fn multiply_same<I: Isa, E: Element, const FACTORS: usize>(
    isa: I,
    source: Factors<'_, E>,
    factors: [SlotId; FACTORS],
    align: Option<&[E]>,
    rows: &mut [E],
) {
    let (lanes, tile) = (LanesOf::<I, E>::N, source.place.tile);
    let constant = LanesOf::<I, E>::splat(isa, constant::<E>(FACTORS));
    let blocks = factors.map(|factor| &source.values[source.place.at(factor, 0)..][..rows.len()]);
    match align {
        None if FACTORS == 1 => rows.copy_from_slice(blocks[0]),
        None => {
            for (index, out) in rows.chunks_exact_mut(lanes).enumerate() {
                let start = index * lanes;
                let mut product = LanesOf::<I, E>::load(isa, &blocks[0][start..]);
                for block in &blocks[1..] {
                    product = product.mul(LanesOf::<I, E>::load(isa, &block[start..]));
                }
                product.mul(constant).store(out);
            }
        }
        Some(align) => {
            for (row, out) in rows.chunks_exact_mut(tile).enumerate() {
                for start in (0..tile).step_by(lanes) {
                    let at = row * tile + start;
                    let mut product = LanesOf::<I, E>::load(isa, &blocks[0][at..]);
                    for block in &blocks[1..] {
                        product = product.mul(LanesOf::<I, E>::load(isa, &block[at..]));
                    }
                    let align = LanesOf::<I, E>::load(isa, &align[start..]);
                    product.mul(constant).mul(align).store(&mut out[start..]);
                }
            }
        }
    }
}

/// All combinations of two blocks: each row of the first is loaded once.
#[inline(always)]
fn multiply_outer<I: Isa, E: Element>(
    isa: I,
    source: Factors<'_, E>,
    [(a, a_rows), (b, b_rows)]: [(SlotId, u32); 2],
    align: Option<&[E]>,
    rows: &mut [E],
) {
    let (lanes, tile) = (LanesOf::<I, E>::N, source.place.tile);
    let block =
        |slot, rows: u32| &source.values[source.place.at(slot, 0)..][..rows as usize * tile];
    let (a, b) = (block(a, a_rows), block(b, b_rows));
    let constant = LanesOf::<I, E>::splat(isa, constant::<E>(2));
    for (a, out) in a.chunks_exact(tile).zip(rows.chunks_exact_mut(b.len())) {
        for start in (0..tile).step_by(lanes) {
            let a = LanesOf::<I, E>::load(isa, &a[start..]);
            let align = aligning(isa, align, start);
            for (b, out) in b.chunks_exact(tile).zip(out.chunks_exact_mut(tile)) {
                let product = LanesOf::<I, E>::load(isa, &b[start..]).mul(a);
                product.mul(constant).mul(align).store(&mut out[start..]);
            }
        }
    }
}

/// What aligns the samples from `start` on.
#[inline(always)]
fn aligning<I: Isa, E: Element>(isa: I, align: Option<&[E]>, start: usize) -> LanesOf<I, E> {
    match align {
        None => LanesOf::<I, E>::splat(isa, E::ONE),
        Some(align) => LanesOf::<I, E>::load(isa, &align[start..]),
    }
}

/// Any pick, row by row, of the factors in `range`; the constant counts those in it.
#[inline(always)]
fn multiply_picked<I: Isa, E: Element>(
    isa: I,
    source: Factors<'_, E>,
    range: std::ops::Range<usize>,
    align: Option<&[E]>,
    rows: &mut [E],
) {
    let (lanes, tile) = (LanesOf::<I, E>::N, source.place.tile);
    let constant = LanesOf::<I, E>::splat(isa, constant::<E>(range.len()));
    for (row, out) in rows.chunks_exact_mut(tile).enumerate() {
        for start in (0..tile).step_by(lanes) {
            let mut product = LanesOf::<I, E>::splat(isa, E::ONE);
            for factor in range.clone() {
                let value = LanesOf::<I, E>::load(isa, &source.row(factor, row)[start..]);
                product = product.mul(value);
            }
            product.mul(constant).mul(aligning(isa, align, start)).store(&mut out[start..]);
        }
    }
}

/// The product of any number of factors, normalised after each few, with its exponents and bounds.
#[inline(always)]
pub(super) fn multiply_many<I: Isa, E: Element>(
    isa: I,
    source: Factors<'_, E>,
    scales: &Scales<'_, E>,
    rows: &mut [E],
    (exponents, bounds, largest): (&mut [E], &mut [E], &mut [E]),
) {
    let (lanes, tile) = (LanesOf::<I, E>::N, source.place.tile);
    let constant = LanesOf::<I, E>::splat(isa, constant::<E>(2));
    let Some((first, others)) = source.factors.split_first() else { return };
    multiply_picked(isa, source, 0..1, None, rows);
    exponents.copy_from_slice(scales.exponents(*first));
    bounds.copy_from_slice(scales.bounds(*first));
    largest.copy_from_slice(scales.largest(*first));
    for (index, &factor) in others.iter().enumerate() {
        for (row, out) in rows.chunks_exact_mut(tile).enumerate() {
            let values = source.row(index + 1, row);
            for (out, value) in out.chunks_exact_mut(lanes).zip(values.chunks_exact(lanes)) {
                let value = LanesOf::<I, E>::load(isa, value);
                LanesOf::<I, E>::load(isa, out).mul(value).mul(constant).store(out);
            }
        }
        for start in (0..tile).step_by(lanes) {
            let load = |row: &[E]| LanesOf::<I, E>::load(isa, &row[start..]);
            let product = RunningScale {
                exponent: load(exponents),
                bound: load(bounds),
                largest: load(largest),
            };
            let product = product.times(isa, scales, factor, start);
            product.exponent.store(&mut exponents[start..]);
            product.bound.store(&mut bounds[start..]);
            product.largest.store(&mut largest[start..]);
        }
        if (index + 1) % FEW == 0 || index + 1 == others.len() {
            let (exponents, bounds) = (&mut *exponents, &mut *bounds);
            normalise(isa, tile, rows, Scale { exponents, bounds, largest: &mut *largest });
        }
    }
}
