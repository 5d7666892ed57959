//! The matrix product of weight gradients and counts, where samples are summed over.
//!
//! In: `outputs` rows of gradients and `inputs` rows of values, each of `tile` samples. Out: a
//! row-major matrix that grows by `sum over t of gradients[o][t] * values[i][t]`.
//!
//! Samples lie on the lanes, so a sum over them is a sum across a register, which is slow.
//! There are two ways around it. With four outputs or more, values are transposed through a
//! small buffer until inputs lie on the lanes; the product is then the one of [`super::gemm`].
//! With fewer, a transposition is not paid back: as many sums as there are lanes are kept in
//! registers and folded together at the end. Measured on Zen 4 (AVX-512, `f32`, 64 inputs, tile
//! of 64): transposed 101, 39 and 12 GFLOP/s for 64, 4 and 1 outputs; folded 43, 37 and 35.

use std::ops::Range;

use super::gemm::Shape;
use super::lanes::{Element, Isa, Lanes, LanesOf, Real};

/// `counts[o][i] += sum over t of gradients[o][t] * values[i][t]`, where `shape` has the
/// numbers of values, gradients and samples. `fresh` counts have no value yet: they are set.
///
/// The order of the sum depends on `shape` and on the instruction set, on nothing else. This
/// function enters the instruction set itself, so it may be called from anywhere.
///
/// # Panics
///
/// If a slice is not as long as `shape` says, or `tile` is not a multiple of the lanes.
pub fn gradient_add<I: Isa, E: Element>(
    isa: I,
    shape: Shape,
    gradients: &[E],
    values: &[E],
    counts: &mut [E],
    fresh: bool,
) {
    isa.vectorize(
        #[inline(always)]
        || {
            let operands = Operands::<LanesOf<I, E>>::new(isa, shape, gradients, values);
            // Where nothing is added, nothing would be set either.
            let empty = shape.tile == 0 || shape.inputs == 0;
            if fresh && (empty || shape.outputs < TRANSPOSE_FROM) {
                counts.fill(E::ZERO);
            }
            operands.add_to(counts, fresh);
        },
    );
}

/// From how many outputs on a transposition is paid back.
const TRANSPOSE_FROM: usize = 4;

/// Numbers in the buffer of transposed values: 4 or 8 KiB, which is well inside the first
/// cache, and deep enough that adding to the counts is rare.
const BUFFER: usize = 1024;

/// Where results go, and whether they are set instead of added.
struct Counts<'a, E> {
    all: &'a mut [E],
    fresh: bool,
}

/// What is multiplied, and on which lanes.
#[derive(Clone, Copy)]
struct Operands<'a, L: Lanes> {
    isa: L::Isa,
    shape: Shape,
    gradients: &'a [L::Elem],
    values: &'a [L::Elem],
}

impl<'a, L: Lanes> Operands<'a, L> {
    #[inline(always)]
    fn new(isa: L::Isa, shape: Shape, gradients: &'a [L::Elem], values: &'a [L::Elem]) -> Self {
        let Shape { inputs, outputs, tile } = shape;
        assert!(tile % L::N == 0, "a tile of {tile} samples on {} lanes", L::N);
        assert_eq!(gradients.len(), outputs * tile, "gradients of a product");
        assert_eq!(values.len(), inputs * tile, "values of a product");
        Self { isa, shape, gradients, values }
    }

    /// The number of lanes as a constant that sizes arrays, which the trait cannot give.
    #[inline(always)]
    fn add_to(self, counts: &mut [L::Elem], fresh: bool) {
        assert_eq!(counts.len(), self.shape.inputs * self.shape.outputs, "counts of a product");
        match L::N {
            16 => self.add_with::<16>(counts, fresh),
            8 => self.add_with::<8>(counts, fresh),
            4 => self.add_with::<4>(counts, fresh),
            2 => self.add_with::<2>(counts, fresh),
            lanes => unreachable!("no instruction set has {lanes} lanes"),
        }
    }

    #[inline(always)]
    fn add_with<const N: usize>(self, counts: &mut [L::Elem], fresh: bool) {
        if self.shape.outputs < TRANSPOSE_FROM {
            self.add_folded::<N>(counts);
        } else {
            self.add_transposed::<N>(counts, fresh);
        }
    }

    /// Transposes strips of two registers of inputs, by as many samples as the buffer takes.
    #[inline(always)]
    fn add_transposed<const N: usize>(self, counts: &mut [L::Elem], fresh: bool) {
        let Shape { inputs, tile, .. } = self.shape;
        let mut buffer = [L::Elem::ZERO; BUFFER];
        let depth = BUFFER / (2 * N);
        for input in (0..inputs).step_by(2 * N) {
            for sample in (0..tile).step_by(depth) {
                let samples = sample..tile.min(sample + depth);
                let counts = Counts { all: &mut *counts, fresh: fresh && sample == 0 };
                if inputs - input > N {
                    self.add_strip::<N, 2>(input, samples, &mut buffer, counts);
                } else {
                    self.add_strip::<N, 1>(input, samples, &mut buffer, counts);
                }
            }
        }
    }

    /// The counts of `VECTORS` registers of inputs from `input` on, for some `samples`.
    #[inline(always)]
    fn add_strip<const N: usize, const VECTORS: usize>(
        self,
        input: usize,
        samples: Range<usize>,
        buffer: &mut [L::Elem],
        mut counts: Counts<'_, L::Elem>,
    ) {
        let buffer = &mut buffer[..samples.len() * VECTORS * N];
        self.transpose::<N, VECTORS>(input, samples.start, buffer);
        let outputs = self.shape.outputs;
        for output in (0..outputs - outputs % 4).step_by(4) {
            self.add_block::<4, VECTORS>(output, input, samples.clone(), buffer, &mut counts);
        }
        if outputs & 2 != 0 {
            let output = outputs - outputs % 4;
            self.add_block::<2, VECTORS>(output, input, samples.clone(), buffer, &mut counts);
        }
        if outputs & 1 != 0 {
            self.add_block::<1, VECTORS>(outputs - 1, input, samples, buffer, &mut counts);
        }
    }

    /// Fills the buffer with rows of inputs, one row for each sample; zeros behind the last.
    #[inline(always)]
    fn transpose<const N: usize, const VECTORS: usize>(
        self,
        input: usize,
        sample: usize,
        buffer: &mut [L::Elem],
    ) {
        let Shape { inputs, tile, .. } = self.shape;
        for vector in 0..VECTORS {
            let input = input + vector * N;
            for (block, rows) in buffer.chunks_exact_mut(N * VECTORS * N).enumerate() {
                let sample = sample + block * N;
                let square: [L; N] = std::array::from_fn(|row| {
                    if input + row < inputs {
                        L::load(self.isa, &self.values[(input + row) * tile + sample..])
                    } else {
                        L::splat(self.isa, L::Elem::ZERO)
                    }
                });
                let rows = rows.chunks_exact_mut(VECTORS * N);
                for (lanes, row) in transpose_square(square).into_iter().zip(rows) {
                    lanes.store(&mut row[vector * N..]);
                }
            }
        }
    }

    /// `ROWS` outputs by `VECTORS` registers of inputs.
    #[inline(always)]
    fn add_block<const ROWS: usize, const VECTORS: usize>(
        self,
        output: usize,
        input: usize,
        samples: Range<usize>,
        buffer: &[L::Elem],
        Counts { all, fresh }: &mut Counts<'_, L::Elem>,
    ) {
        let Self { isa, shape: Shape { inputs, tile, .. }, gradients, .. } = self;
        let gradients: [&[L::Elem]; ROWS] =
            std::array::from_fn(|row| &gradients[(output + row) * tile..][samples.clone()]);
        let mut sums = [[L::splat(isa, L::Elem::ZERO); VECTORS]; ROWS];
        for (sample, row) in (0..samples.len()).zip(buffer.chunks_exact(VECTORS * L::N)) {
            let values: [L; VECTORS] =
                std::array::from_fn(|vector| L::load(isa, &row[vector * L::N..]));
            for (sums, gradients) in sums.iter_mut().zip(gradients) {
                let gradient = L::splat(isa, gradients[sample]);
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = gradient.mul_add(value, *sum);
                }
            }
        }
        let rows = all[output * inputs..].chunks_exact_mut(inputs);
        for (sums, row) in sums.into_iter().zip(rows) {
            for (sum, counts) in sums.into_iter().zip(row[input..].chunks_mut(L::N)) {
                if !*fresh {
                    add_to_slice(isa, sum, counts);
                } else if counts.len() == L::N {
                    sum.store(counts);
                } else {
                    sum.store_partial(counts);
                }
            }
        }
    }

    /// One register of sums for each input, as many inputs at once as there are lanes.
    #[inline(always)]
    fn add_folded<const N: usize>(self, counts: &mut [L::Elem]) {
        let Self { isa, shape: Shape { inputs, tile, .. }, gradients, values } = self;
        if tile == 0 || inputs == 0 {
            return;
        }
        let rows = gradients.chunks_exact(tile).zip(counts.chunks_exact_mut(inputs));
        for (gradients, counts) in rows {
            for (values, counts) in values.chunks(N * tile).zip(counts.chunks_mut(N)) {
                if counts.len() == N {
                    add_to_slice(isa, fold(self.sums::<N>(gradients, values)), counts);
                } else {
                    self.add_few(gradients, values, counts);
                }
            }
        }
    }

    /// The products of one output and `N` inputs, not yet summed across lanes.
    #[inline(always)]
    fn sums<const N: usize>(self, gradients: &[L::Elem], values: &[L::Elem]) -> [L; N] {
        let Self { isa, shape: Shape { tile, .. }, .. } = self;
        let mut sums = [L::splat(isa, L::Elem::ZERO); N];
        for (sample, gradients) in gradients.chunks_exact(N).enumerate() {
            let gradient = L::load(isa, gradients);
            for (row, sum) in sums.iter_mut().enumerate() {
                let value = L::load(isa, &values[row * tile + sample * N..]);
                *sum = gradient.mul_add(value, *sum);
            }
        }
        sums
    }

    /// Fewer inputs than lanes, each summed by itself.
    #[inline(always)]
    fn add_few(self, gradients: &[L::Elem], values: &[L::Elem], counts: &mut [L::Elem]) {
        for (values, count) in values.chunks_exact(self.shape.tile).zip(counts) {
            let mut sum = L::splat(self.isa, L::Elem::ZERO);
            for (gradient, value) in gradients.chunks_exact(L::N).zip(values.chunks_exact(L::N)) {
                sum = L::load(self.isa, gradient).mul_add(L::load(self.isa, value), sum);
            }
            *count += sum.reduce_add();
        }
    }
}

/// Adds the first lanes to a slice of at most as many numbers.
#[inline(always)]
fn add_to_slice<L: Lanes>(isa: L::Isa, sum: L, counts: &mut [L::Elem]) {
    // Masked stores are many times slower than whole ones on AVX2.
    if counts.len() == L::N {
        L::load(isa, counts).add(sum).store(counts);
    } else {
        L::load_partial(isa, counts).add(sum).store_partial(counts);
    }
}

/// Transposes a square: interleaving its halves doubles the distance of neighbours, and so
/// after as many rounds as N has bits, rows are columns.
#[inline(always)]
fn transpose_square<L: Lanes, const N: usize>(mut square: [L; N]) -> [L; N] {
    for _ in 0..N.trailing_zeros() {
        square = std::array::from_fn(|row| {
            let (low, high) = square[row / 2].interleave(square[row / 2 + N / 2]);
            if row % 2 == 0 { low } else { high }
        });
    }
    square
}

/// The sums across `N` registers, one on each lane.
#[inline(always)]
fn fold<L: Lanes, const N: usize>(mut sums: [L; N]) -> L {
    let mut count = N;
    while count > 1 {
        count /= 2;
        for index in 0..count {
            let (low, high) = sums[index].interleave(sums[index + count]);
            sums[index] = low.add(high);
        }
    }
    sums[0]
}
