//! The matrix product of all kernels, with samples on the lanes.
//!
//! In: weights, packed once by [`pack`], and `inputs` rows of `tile` samples. Out: `outputs`
//! rows of `tile` samples, `out[o][t] = sum over i of weight(i, o) * values[i][t]`.
//!
//! Packed weights are cut into panels of four output rows, with a panel of two and one of one
//! for what is left; a panel holds the weights of its rows side by side for each input. The
//! format has no padding and is the same on every instruction set. Measured on Zen 4 with 64
//! inputs and a tile of 64, blocks of 4 rows by 2 registers are the best for the baseline (38
//! against 15 GFLOP/s for 6 by 2, which spills), as good as any for AVX-512 (117 against 107 to
//! 118), and 5 % behind 6 by 2 for AVX2 (108 against 113); so one format serves all.

use super::lanes::{Element, Isa, Lanes, LanesOf, Real};

/// Output rows of a full panel.
pub(super) const PANEL: usize = 4;

/// The sizes of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of values that go in; may be zero.
    pub inputs: usize,
    /// Rows that come out.
    pub outputs: usize,
    /// Samples in a row; a multiple of the number of lanes.
    pub tile: usize,
}

/// How many numbers [`pack`] writes.
#[must_use]
pub fn packed_len(inputs: usize, outputs: usize) -> usize {
    inputs * outputs
}

/// Packs the row-major matrix `weights[inputs, outputs]` for [`product`].
///
/// # Panics
///
/// If a slice is not [`packed_len`] long.
pub fn pack<E: Copy>(inputs: usize, outputs: usize, weights: &[E], packed: &mut [E]) {
    assert_eq!(weights.len(), packed_len(inputs, outputs), "weights to pack");
    assert_eq!(packed.len(), weights.len(), "room for packed weights");
    let mut rest = packed;
    for (first, rows) in panels(outputs) {
        let (panel, others) = rest.split_at_mut(rows * inputs);
        rest = others;
        let weights = weights.chunks_exact(outputs).map(|row| &row[first..first + rows]);
        // A copy whose length is not known beforehand would be a call for each four numbers.
        if rows == PANEL {
            let slots = panel.as_chunks_mut::<PANEL>().0.iter_mut();
            for (slots, weights) in slots.zip(weights.flat_map(|row| row.first_chunk())) {
                *slots = *weights;
            }
            continue;
        }
        for (slots, weights) in panel.chunks_exact_mut(rows).zip(weights) {
            slots.copy_from_slice(weights);
        }
    }
}

/// `out = weights * values`; packed `weights` as [`pack`] writes them.
///
/// This function enters the instruction set itself, so it may be called from anywhere.
///
/// # Panics
///
/// If a slice is not as long as `shape` says, or `tile` is not a multiple of the lanes.
pub fn product<I: Isa, E: Element>(
    isa: I,
    shape: Shape,
    weights: &[E],
    values: &[E],
    out: &mut [E],
) {
    isa.vectorize(
        #[inline(always)]
        || product_panels::<LanesOf<I, E>>(isa, shape, weights, values, out),
    );
}

/// The panels of `outputs` rows: the first row and the number of rows of each.
fn panels(outputs: usize) -> impl Iterator<Item = (usize, usize)> {
    let full = outputs - outputs % PANEL;
    let pair = (outputs & 2 != 0).then_some((full, 2));
    let single = (outputs & 1 != 0).then(|| (outputs - 1, 1));
    (0..full).step_by(PANEL).map(|first| (first, PANEL)).chain(pair).chain(single)
}

#[inline(always)]
fn product_panels<L: Lanes>(
    isa: L::Isa,
    shape: Shape,
    weights: &[L::Elem],
    values: &[L::Elem],
    out: &mut [L::Elem],
) {
    let Shape { inputs, outputs, tile } = shape;
    assert!(tile % L::N == 0, "a tile of {tile} samples on {} lanes", L::N);
    assert_eq!(weights.len(), packed_len(inputs, outputs), "packed weights");
    assert_eq!(values.len(), inputs * tile, "values of a product");
    assert_eq!(out.len(), outputs * tile, "results of a product");
    let full = outputs - outputs % PANEL;
    let (weights, rest) = weights.split_at(full * inputs);
    let (out, out_rest) = out.split_at_mut(full * tile);
    let operand = Operand::<L> { isa, values, tile };
    for panel in 0..full / PANEL {
        let weights = &weights[panel * PANEL * inputs..][..PANEL * inputs];
        let out = &mut out[panel * PANEL * tile..][..PANEL * tile];
        operand.panel::<PANEL, 2>(weights, out);
    }
    let pair = outputs & 2;
    let (weights, single) = rest.split_at(pair * inputs);
    let (out, out_single) = out_rest.split_at_mut(pair * tile);
    if pair != 0 {
        operand.panel::<2, 4>(weights, out);
    }
    if outputs & 1 != 0 {
        operand.panel::<1, 4>(single, out_single);
    }
}

/// The right-hand side of a product.
#[derive(Clone, Copy)]
struct Operand<'a, L: Lanes> {
    isa: L::Isa,
    values: &'a [L::Elem],
    tile: usize,
}

impl<L: Lanes> Operand<'_, L> {
    /// `ROWS` rows of results, by blocks of `VECTORS` registers, then of two and of one.
    #[inline(always)]
    fn panel<const ROWS: usize, const VECTORS: usize>(
        self,
        weights: &[L::Elem],
        out: &mut [L::Elem],
    ) {
        let mut first = 0;
        while first + VECTORS * L::N <= self.tile {
            self.block::<ROWS, VECTORS>(weights, first, out);
            first += VECTORS * L::N;
        }
        if VECTORS > 2 && first + 2 * L::N <= self.tile {
            self.block::<ROWS, 2>(weights, first, out);
            first += 2 * L::N;
        }
        if first < self.tile {
            self.block::<ROWS, 1>(weights, first, out);
        }
    }

    /// `ROWS` by `VECTORS` registers of results, for the samples from `first` on.
    #[inline(always)]
    fn block<const ROWS: usize, const VECTORS: usize>(
        self,
        weights: &[L::Elem],
        first: usize,
        out: &mut [L::Elem],
    ) {
        let (isa, tile) = (self.isa, self.tile);
        let samples = first..first + VECTORS * L::N;
        let mut sums = [[L::splat(isa, L::Elem::ZERO); VECTORS]; ROWS];
        for (weights, row) in
            weights.as_chunks::<ROWS>().0.iter().zip(self.values.chunks_exact(tile))
        {
            let row = &row[samples.clone()];
            let values: [L; VECTORS] =
                std::array::from_fn(|vector| L::load(isa, &row[vector * L::N..]));
            for (sums, &weight) in sums.iter_mut().zip(weights) {
                let weight = L::splat(isa, weight);
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = weight.mul_add(value, *sum);
                }
            }
        }
        for (sums, row) in sums.into_iter().zip(out.chunks_exact_mut(tile)) {
            let row = &mut row[samples.clone()];
            for (sum, out) in sums.into_iter().zip(row.chunks_exact_mut(L::N)) {
                sum.store(out);
            }
        }
    }
}
