//! Gathering: the rows of all terms of a sum, linear, with one common exponent for each sample.
//!
//! In: factors, scaled or logarithms. Out: rows of products, the common exponents and bounds.
//! Terms have exponents of their own first; then all are brought to the largest.

use spn_ir::plan::{SlotId, Term};

use super::multiply::{Factors, multiply_few, multiply_many};
use super::normalise::{exponentiate, exponents_of_logs};
use super::{Scales, constant_power, nothing, power_of_two};
use crate::kernels::{Place, product};
use crate::simd::{Element, Isa, Lanes, LanesOf};

/// How many factors are multiplied at once: their largest values together do not overflow.
pub(super) const FEW: usize = 4;

/// What is gathered.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) terms: &'a [Term],
    /// Those of all terms in order.
    pub(crate) factors: &'a [SlotId],
}

/// Where it goes.
pub(crate) struct Gathered<'a, E> {
    /// The rows of all terms.
    pub(crate) rows: &'a mut [E],
    /// The common exponents.
    pub(crate) exponents: &'a mut [E],
    /// The largest bounds.
    pub(crate) bounds: &'a mut [E],
    /// Scratch: one row.
    pub(crate) largest: &'a mut [E],
    /// Scratch: two rows for each term.
    pub(crate) each: &'a mut [E],
}

/// How the rows of a term are made.
enum Kind {
    /// Logarithms are added, then exponentiated.
    Logs,
    /// Few scaled factors are multiplied once all exponents are known.
    Few,
    /// Many are multiplied at once with normalisations in between.
    Many,
}

fn kind<E: Element>(factors: &[SlotId], scales: &Scales<'_, E>) -> Kind {
    match factors {
        [] => Kind::Logs,
        [first, ..] if scales.is_log(*first) => Kind::Logs,
        factors if factors.len() <= FEW => Kind::Few,
        _ => Kind::Many,
    }
}

impl<'a> Terms<'a> {
    /// The terms with their factors and their rows.
    #[inline(always)]
    fn iter(self) -> impl Iterator<Item = (&'a Term, &'a [SlotId], std::ops::Range<usize>)> {
        let (mut factors, mut first) = (self.factors, 0);
        self.terms.iter().map(move |term| {
            let (own, others) = factors.split_at(term.factors as usize);
            let rows = first..first + term.rows as usize * self.place.tile;
            factors = others;
            first = rows.end;
            (term, own, rows)
        })
    }

    /// Gathers everything.
    #[inline(always)]
    pub(crate) fn gather<I: Isa, E: Element>(
        self,
        isa: I,
        values: &[E],
        scales: &Scales<'_, E>,
        out: Gathered<'_, E>,
    ) {
        let (place, tile) = (self.place, self.place.tile);
        let Gathered { rows, exponents, bounds, largest, each } = out;
        if let [term] = self.terms {
            let source = Factors { place, term, factors: self.factors, values };
            prepare(isa, source, scales, rows, (exponents, bounds, largest));
            match kind(self.factors, scales) {
                Kind::Logs => exponentiate(isa, tile, rows, exponents),
                Kind::Few => multiply_few(isa, source, None, rows),
                Kind::Many => {}
            }
            return;
        }
        exponents.fill(nothing());
        for ((term, factors, range), each) in self.iter().zip(each.chunks_exact_mut(2 * tile)) {
            let source = Factors { place, term, factors, values };
            let (own, bounds) = each.split_at_mut(tile);
            prepare(isa, source, scales, &mut rows[range], (own, bounds, &mut *largest));
            raise(isa, own, exponents);
        }
        bounds.fill(E::SMALLEST_NORMAL);
        for ((term, factors, range), each) in self.iter().zip(each.chunks_exact_mut(2 * tile)) {
            let source = Factors { place, term, factors, values };
            let (own, bound) = each.split_at_mut(tile);
            let rows = &mut rows[range];
            // From here on the scratch has the factors that bring the term to the common exponents.
            align(isa, own, exponents, bound);
            raise(isa, bound, bounds);
            match kind(factors, scales) {
                Kind::Logs => exponentiate(isa, tile, rows, exponents),
                Kind::Few => multiply_few(isa, source, Some(own), rows),
                Kind::Many => rows.chunks_exact_mut(tile).for_each(|row| {
                    multiply_row(isa, own, row);
                }),
            }
        }
    }
}

/// Exponents and bounds of one term, and its rows unless they wait for the common exponents.
#[inline(always)]
fn prepare<I: Isa, E: Element>(
    isa: I,
    source: Factors<'_, E>,
    scales: &Scales<'_, E>,
    rows: &mut [E],
    (exponents, bounds, largest): (&mut [E], &mut [E], &mut [E]),
) {
    let Factors { place, term, factors, values } = source;
    match kind(factors, scales) {
        Kind::Logs => {
            product::gather(isa, place, term, factors, values, rows);
            exponents_of_logs(isa, place.tile, rows, exponents);
            bounds.fill(E::SMALLEST_NORMAL);
        }
        Kind::Few => add_scales(isa, factors, scales, exponents, bounds),
        Kind::Many => multiply_many(isa, source, scales, rows, (exponents, bounds, largest)),
    }
}

/// Exponents and bounds of the product of a few factors, after the constant of
/// [`multiply_few`].
#[inline(always)]
fn add_scales<I: Isa, E: Element>(
    isa: I,
    factors: &[SlotId],
    scales: &Scales<'_, E>,
    exponents: &mut [E],
    bounds: &mut [E],
) {
    let lanes = LanesOf::<I, E>::N;
    let Some((first, others)) = factors.split_first() else { return };
    for start in (0..exponents.len()).step_by(lanes) {
        let load = |row: &[E]| LanesOf::<I, E>::load(isa, &row[start..]);
        let mut product = RunningScale {
            exponent: load(scales.exponents(*first)),
            bound: load(scales.bounds(*first)),
            largest: load(scales.largest(*first)),
        };
        for factor in others {
            product = product.times(isa, scales, *factor, start);
        }
        product.exponent.store(&mut exponents[start..]);
        product.bound.store(&mut bounds[start..]);
    }
}

/// The scale of a product of several factors, for one register of samples.
#[derive(Clone, Copy)]
pub(super) struct RunningScale<L> {
    pub(super) exponent: L,
    pub(super) bound: L,
    /// At least the largest value.
    pub(super) largest: L,
}

impl<L: Lanes> RunningScale<L> {
    /// After one more factor and a factor `2^-B`.
    #[inline(always)]
    pub(super) fn times<E: Element>(
        self,
        isa: L::Isa,
        scales: &Scales<'_, E>,
        factor: SlotId,
        start: usize,
    ) -> Self
    where
        L: Lanes<Elem = E>,
    {
        let load = |row: &[E]| L::load(isa, &row[start..]);
        let shift = L::splat(isa, E::from_f64(f64::from(E::BLOCK_EXPONENT)));
        let constant = L::splat(isa, constant_power(-E::BLOCK_EXPONENT));
        let (bound, largest) = (load(scales.bounds(factor)), load(scales.largest(factor)));
        // Products of a few factors may round below the smallest normal number in between, too.
        let least = L::splat(isa, E::from_f64(4.0 * E::SMALLEST_NORMAL.to_f64()));
        let errors = self.bound.mul(largest.add(bound)).add(bound.mul(self.largest));
        Self {
            exponent: self.exponent.add(load(scales.exponents(factor))).add(shift),
            bound: errors.mul_add(constant, least),
            largest: self.largest.mul(largest).mul(constant),
        }
    }
}

/// `largest = max(largest, row)`
#[inline(always)]
fn raise<I: Isa, E: Element>(isa: I, row: &[E], largest: &mut [E]) {
    let lanes = LanesOf::<I, E>::N;
    for (row, largest) in row.chunks_exact(lanes).zip(largest.chunks_exact_mut(lanes)) {
        let row = LanesOf::<I, E>::load(isa, row);
        row.max(LanesOf::<I, E>::load(isa, largest)).store(largest);
    }
}

/// `own ← 2^(own - common)`, and the bound at the common exponents. A factor too small for the type
/// is zero: then all values of the term are lost, which are below `16 · 2^B`.
#[inline(always)]
fn align<I: Isa, E: Element>(isa: I, own: &mut [E], common: &[E], bound: &mut [E]) {
    let lanes = LanesOf::<I, E>::N;
    let constant = |value: i32| LanesOf::<I, E>::splat(isa, E::from_f64(f64::from(value)));
    let (smallest, values) = (constant(1 - E::LARGEST_EXPONENT), constant(E::BLOCK_EXPONENT + 4));
    let least = LanesOf::<I, E>::splat(isa, E::SMALLEST_NORMAL);
    let rows = own.chunks_exact_mut(lanes).zip(common.chunks_exact(lanes));
    for ((own, common), bound) in rows.zip(bound.chunks_exact_mut(lanes)) {
        let difference = LanesOf::<I, E>::load(isa, own).sub(LanesOf::<I, E>::load(isa, common));
        let factor = power_of_two::<I, E>(isa, difference);
        let lost = power_of_two::<I, E>(isa, difference.min(smallest).add(values));
        let lost = difference.select_lt(smallest, lost.add(least), least);
        LanesOf::<I, E>::load(isa, bound).mul_add(factor, lost).store(bound);
        factor.store(own);
    }
}

/// `row ← row · factors`
#[inline(always)]
fn multiply_row<I: Isa, E: Element>(isa: I, factors: &[E], row: &mut [E]) {
    let lanes = LanesOf::<I, E>::N;
    for (factor, row) in factors.chunks_exact(lanes).zip(row.chunks_exact_mut(lanes)) {
        LanesOf::<I, E>::load(isa, factor).mul(LanesOf::<I, E>::load(isa, row)).store(row);
    }
}
