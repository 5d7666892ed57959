//! Scaled linear arithmetic: values without logarithms, with a certificate.
//!
//! A block's values are `v · 2^k`: linear numbers `v`, whose largest lies near `2^B`
//! ([`Real::BLOCK_EXPONENT`]), and one whole exponent `k` for each sample. A product multiplies
//! the `v` and adds the `k`, a sum is a plain matrix product, and a block is normalised by a power
//! of two, which rounds nothing. One logarithm for each sample remains, at the root.
//!
//! **The certificate.** The only risk is a number below the smallest normal one that is flushed to
//! zero although it still matters. Beside `k`, each block carries a bound `b` for each sample on the
//! error that flushing can have made in any `v` of the block:
//!
//! | operation | bound |
//! |---|---|
//! | leaf, in relation to the largest `v` | the smallest normal number `t` |
//! | product with one more factor | `(b · (m' + b') + b' · m) / 2^B + t`, where `m` is the largest `v` |
//! | term at another exponent, by `2^d` | `2^d · b + t`, and all of `2^d · v` where `2^d` is too small |
//! | sum with weights `w` | `max_o Σ_i w[i, o] · b` `+ t` |
//! | normalisation by `2^s` | `2^s · b + t`, and all of `v` where `k` leaves its range |
//!
//! At the root the bound is compared with the results. Where it is not far below them, the tile
//! runs again in log space. Overflow shows as infinity or NaN at the root and fails the comparison,
//! too.
//!
//! Slots of leaves may hold logarithms instead ([`Numbers::Log`]): then the sum that reads them
//! takes one exponential for each row of the product.

mod multiply;
pub(crate) mod normalise;
pub(crate) mod product;
pub(crate) mod root;
pub(crate) mod sum_product;
pub(crate) mod terms;

use std::f64::consts::LN_2;

use spn_ir::plan::{Numbers, SlotId};

use super::Place;
use crate::simd::{Element, Isa, Lanes, LanesOf};

/// Rows of scales for each slot: exponents, bounds and the largest values.
pub(crate) const SCALE_ROWS: usize = 3;

/// Exponents, bounds and largest values of the slots: three rows of a tile for each.
pub(crate) struct Scales<'a, E> {
    pub(crate) rows: &'a mut [E],
    pub(crate) numbers: &'a [Numbers],
    pub(crate) tile: usize,
}

impl<E: Element> Scales<'_, E> {
    /// Whether the slot holds logarithms.
    #[inline(always)]
    pub(crate) fn is_log(&self, slot: SlotId) -> bool {
        self.numbers[slot.index()] == Numbers::Log
    }

    /// The exponents of a slot, one for each sample.
    #[inline(always)]
    pub(crate) fn exponents(&self, slot: SlotId) -> &[E] {
        self.row(slot, 0)
    }

    /// The bounds of a slot, one for each sample.
    #[inline(always)]
    pub(crate) fn bounds(&self, slot: SlotId) -> &[E] {
        self.row(slot, 1)
    }

    /// The largest values of a slot, one for each sample.
    #[inline(always)]
    pub(crate) fn largest(&self, slot: SlotId) -> &[E] {
        self.row(slot, 2)
    }

    #[inline(always)]
    fn row(&self, slot: SlotId, row: usize) -> &[E] {
        &self.rows[(SCALE_ROWS * slot.index() + row) * self.tile..][..self.tile]
    }

    /// The scale of a slot, to be written.
    #[inline(always)]
    pub(crate) fn of(&mut self, slot: SlotId) -> Scale<'_, E> {
        let all = &mut self.rows[SCALE_ROWS * slot.index() * self.tile..][..SCALE_ROWS * self.tile];
        let (exponents, others) = all.split_at_mut(self.tile);
        let (bounds, largest) = others.split_at_mut(self.tile);
        Scale { exponents, bounds, largest }
    }
}

/// The scale of one block: a row of each.
pub(crate) struct Scale<'a, E> {
    pub(crate) exponents: &'a mut [E],
    pub(crate) bounds: &'a mut [E],
    /// The largest values.
    pub(crate) largest: &'a mut [E],
}

/// Values of the slots of a tile, whatever their representation.
#[derive(Clone, Copy)]
pub(crate) struct SlotValues<'a, E> {
    pub(crate) values: &'a [E],
    /// Exponents and bounds with the representation of each slot; `None` in log space.
    pub(crate) scales: Option<(&'a [E], &'a [Numbers])>,
}

impl<E: Element> SlotValues<'_, E> {
    /// The logarithm of one value.
    pub(crate) fn log(self, place: Place<'_>, slot: SlotId, row: usize, sample: usize) -> f64 {
        let value = self.values[place.at(slot, row) + sample].to_f64();
        match self.scales {
            Some((scales, numbers)) if numbers[slot.index()] == Numbers::Scaled => {
                let exponent = scales[SCALE_ROWS * slot.index() * place.tile + sample].to_f64();
                value.ln() + exponent * LN_2
            }
            _ => value,
        }
    }
}

/// `2^x` for whole `x`, 0 below the range of exponents; `x` must not be above it.
#[inline(always)]
fn power_of_two<I: Isa, E: Element>(isa: I, x: LanesOf<I, E>) -> LanesOf<I, E> {
    x.max(LanesOf::<I, E>::splat(isa, E::from_f64(f64::from(-E::LARGEST_EXPONENT)))).pow2()
}

/// A constant `2^x`, 0 below the range of exponents.
#[inline(always)]
fn constant_power<E: Element>(exponent: i32) -> E {
    if exponent < 1 - E::LARGEST_EXPONENT {
        E::ZERO
    } else {
        E::from_f64(f64::from(exponent).exp2())
    }
}

/// Exponent of a block that is zero everywhere: so low that it is never the largest.
fn nothing<E: Element>() -> E {
    E::from_f64(-4_194_304.0)
}
