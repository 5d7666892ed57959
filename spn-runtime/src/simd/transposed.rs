//! The matrix product with the transpose of packed weights: the reverse step of sums.
//!
//! In: weights as [`pack`](super::gemm::pack) packs them and one row of `tile` samples for each of
//! their outputs. Out: one row for each of their inputs, `out[i][t] = sum over o of weight(i, o) *
//! values[o][t]`.
//!
//! A panel holds the weights of up to four outputs side by side for each input, so a block of four
//! inputs reads sixteen neighbours of each panel: one cache line, as dense as in the forward
//! product. A second copy of the weights, transposed, is as fast to multiply, but has to be written
//! after every step of training.

use super::gemm::{PANEL, Shape, packed_len};
use super::lanes::{Element, Isa, Lanes, LanesOf, Real};

/// `out = transposed weights * values`; `shape.inputs` counts the rows of values, which are outputs
/// of the packed weights, `shape.outputs` the rows that come out.
///
/// This function enters the instruction set itself, so it may be called from anywhere.
///
/// # Panics
///
/// If a slice is not as long as `shape` says, or `tile` is not a multiple of the lanes.
pub fn product_transposed<I: Isa, E: Element>(
    isa: I,
    shape: Shape,
    weights: &[E],
    values: &[E],
    out: &mut [E],
) {
    isa.vectorize(
        #[inline(always)]
        || {
            if let Some(operands) = Operands::<LanesOf<I, E>>::new(isa, shape, weights, values) {
                operands.multiply(out);
            }
        },
    );
}

/// What is multiplied: panels of four, two and one outputs of the weights, and the values.
#[derive(Clone, Copy)]
struct Operands<'a, L: Lanes> {
    isa: L::Isa,
    shape: Shape,
    full: &'a [L::Elem],
    pair: &'a [L::Elem],
    single: &'a [L::Elem],
    values: &'a [L::Elem],
}

impl<'a, L: Lanes> Operands<'a, L> {
    /// `None` if nothing comes out.
    #[inline(always)]
    fn new(
        isa: L::Isa,
        shape: Shape,
        weights: &'a [L::Elem],
        values: &'a [L::Elem],
    ) -> Option<Self> {
        let Shape { inputs, outputs, tile } = shape;
        assert!(tile % L::N == 0, "a tile of {tile} samples on {} lanes", L::N);
        assert_eq!(weights.len(), packed_len(inputs, outputs), "packed weights");
        assert_eq!(values.len(), inputs * tile, "values of a product");
        let (full, rest) = weights.split_at((inputs - inputs % PANEL) * outputs);
        let (pair, single) = rest.split_at((inputs & 2) * outputs);
        (outputs > 0).then_some(Self { isa, shape, full, pair, single, values })
    }

    #[inline(always)]
    fn multiply(self, out: &mut [L::Elem]) {
        let Shape { outputs, tile, .. } = self.shape;
        assert_eq!(out.len(), outputs * tile, "results of a product");
        let full = outputs - outputs % PANEL;
        for row in (0..full).step_by(PANEL) {
            self.rows::<PANEL, 2>(row, out);
        }
        if outputs & 2 != 0 {
            self.rows::<2, 4>(full, out);
        }
        if outputs & 1 != 0 {
            self.rows::<1, 4>(outputs - 1, out);
        }
    }

    /// `ROWS` rows of results, by blocks of `VECTORS` registers, then of two and of one.
    #[inline(always)]
    fn rows<const ROWS: usize, const VECTORS: usize>(self, row: usize, out: &mut [L::Elem]) {
        let tile = self.shape.tile;
        let out = &mut out[row * tile..][..ROWS * tile];
        let mut first = 0;
        while first + VECTORS * L::N <= tile {
            self.block::<ROWS, VECTORS>(row, first, out);
            first += VECTORS * L::N;
        }
        if VECTORS > 2 && first + 2 * L::N <= tile {
            self.block::<ROWS, 2>(row, first, out);
            first += 2 * L::N;
        }
        if first < tile {
            self.block::<ROWS, 1>(row, first, out);
        }
    }

    /// `ROWS` by `VECTORS` registers of results, for the samples from `first` on.
    #[inline(always)]
    fn block<const ROWS: usize, const VECTORS: usize>(
        self,
        row: usize,
        first: usize,
        out: &mut [L::Elem],
    ) {
        let Self { isa, shape: Shape { inputs, outputs, tile }, full, pair, single, values } = self;
        let mut sums = [[L::splat(isa, L::Elem::ZERO); VECTORS]; ROWS];
        let samples = first..first + VECTORS * L::N;
        let (values, rest) = values.split_at((inputs - inputs % PANEL) * tile);
        let panels = full.chunks_exact(PANEL * outputs).zip(values.chunks_exact(PANEL * tile));
        for (panel, values) in panels {
            let values = std::array::from_fn(|row| &values[row * tile..][samples.clone()]);
            sums = add::<L, PANEL, ROWS, VECTORS>(isa, &panel[PANEL * row..], values, sums);
        }
        let (values, last) = rest.split_at((inputs & 2) * tile);
        if inputs & 2 != 0 {
            let values = std::array::from_fn(|row| &values[row * tile..][samples.clone()]);
            sums = add::<L, 2, ROWS, VECTORS>(isa, &pair[2 * row..], values, sums);
        }
        if inputs & 1 != 0 {
            sums = add::<L, 1, ROWS, VECTORS>(isa, &single[row..], [&last[samples]], sums);
        }
        for (sums, row) in sums.into_iter().zip(out.chunks_exact_mut(tile)) {
            for (sum, out) in sums.into_iter().zip(row[first..].chunks_exact_mut(L::N)) {
                sum.store(out);
            }
        }
    }
}

/// Adds what one panel of `WIDTH` outputs gives to the sums, from the panel's first row on.
#[inline(always)]
fn add<L: Lanes, const WIDTH: usize, const ROWS: usize, const VECTORS: usize>(
    isa: L::Isa,
    weights: &[L::Elem],
    values: [&[L::Elem]; WIDTH],
    mut sums: [[L; VECTORS]; ROWS],
) -> [[L; VECTORS]; ROWS] {
    let weights = &weights.as_chunks::<WIDTH>().0[..ROWS];
    for output in 0..WIDTH {
        let values: [L; VECTORS] =
            std::array::from_fn(|vector| L::load(isa, &values[output][vector * L::N..]));
        for (sums, weights) in sums.iter_mut().zip(weights) {
            let weight = L::splat(isa, weights[output]);
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = weight.mul_add(value, *sum);
            }
        }
    }
    sums
}
