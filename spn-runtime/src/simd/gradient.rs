//! The matrix product of weight gradients and counts, where samples are summed over.
//!
//! In: `outputs` rows of gradients and `inputs` rows of values, each of `tile` samples. Out: a
//! row-major matrix that grows by `sum over t of gradients[o][t] * values[i][t]`.

use super::gemm::Shape;
use super::lanes::{Element, Isa, Lanes, LanesOf, Real};

/// `counts[o][i] += sum over t of gradients[o][t] * values[i][t]`.
///
/// # Panics
///
/// If a slice is not as long as `shape` says, or `tile` is not a multiple of the lanes.
pub fn gradient_add<I: Isa, E: Element, const HOW: usize>(
    isa: I,
    shape: Shape,
    gradients: &[E],
    values: &[E],
    counts: &mut [E],
) {
    isa.vectorize(
        #[inline(always)]
        || {
            if HOW == 0 {
                transposed::<LanesOf<I, E>>(isa, shape, gradients, values, counts);
            } else {
                match LanesOf::<I, E>::N {
                    16 => summed::<LanesOf<I, E>, 16>(isa, shape, gradients, values, counts),
                    8 => summed::<LanesOf<I, E>, 8>(isa, shape, gradients, values, counts),
                    4 => summed::<LanesOf<I, E>, 4>(isa, shape, gradients, values, counts),
                    _ => summed::<LanesOf<I, E>, 2>(isa, shape, gradients, values, counts),
                }
            }
        },
    );
}

const SCRATCH: usize = 1024;

#[inline(always)]
fn transposed<L: Lanes>(
    isa: L::Isa,
    shape: Shape,
    gradients: &[L::Elem],
    values: &[L::Elem],
    counts: &mut [L::Elem],
) {
    let Shape { inputs, outputs: _, tile } = shape;
    let mut scratch = [L::Elem::ZERO; SCRATCH];
    let width = 2 * L::N;
    let depth = SCRATCH / width;
    let strip = Strip::<L> { isa, tile, inputs };
    for (index, values) in values.chunks(width * tile).enumerate() {
        let column = index * width;
        for sample in (0..tile).step_by(depth) {
            let samples = depth.min(tile - sample);
            if values.len() > L::N * tile {
                strip.fill::<2>(values, sample, samples, &mut scratch);
                strip.rows::<2>(gradients, &scratch, sample, samples, column, counts);
            } else {
                strip.fill::<1>(values, sample, samples, &mut scratch);
                strip.rows::<1>(gradients, &scratch, sample, samples, column, counts);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Strip<L: Lanes> {
    isa: L::Isa,
    tile: usize,
    inputs: usize,
}

impl<L: Lanes> Strip<L> {
    #[inline(always)]
    fn fill<const VECTORS: usize>(
        self,
        values: &[L::Elem],
        sample: usize,
        samples: usize,
        scratch: &mut [L::Elem],
    ) {
        match L::N {
            16 => self.fill_n::<VECTORS, 16>(values, sample, samples, scratch),
            8 => self.fill_n::<VECTORS, 8>(values, sample, samples, scratch),
            4 => self.fill_n::<VECTORS, 4>(values, sample, samples, scratch),
            _ => self.fill_n::<VECTORS, 2>(values, sample, samples, scratch),
        }
    }

    #[inline(always)]
    fn fill_n<const VECTORS: usize, const N: usize>(
        self,
        values: &[L::Elem],
        sample: usize,
        samples: usize,
        scratch: &mut [L::Elem],
    ) {
        for vector in 0..VECTORS {
            let values = &values[vector * N * self.tile..];
            for (s, scratch) in scratch[..samples * VECTORS * N].chunks_exact_mut(VECTORS * N * N).enumerate() {
                let first = sample + s * N;
                let square: [L; N] = if values.len() >= N * self.tile {
                    std::array::from_fn(|i| L::load(self.isa, &values[i * self.tile + first..]))
                } else {
                    std::array::from_fn(|i| match values.get(i * self.tile + first..i * self.tile + first + N) {
                        Some(row) => L::load(self.isa, row),
                        None => L::splat(self.isa, L::Elem::ZERO),
                    })
                };
                let square = transpose(square);
                for (lanes, row) in square.into_iter().zip(scratch.chunks_exact_mut(VECTORS * N)) {
                    lanes.store(&mut row[vector * N..]);
                }
            }
        }
    }

    #[inline(always)]
    fn rows<const VECTORS: usize>(
        self,
        gradients: &[L::Elem],
        scratch: &[L::Elem],
        sample: usize,
        samples: usize,
        column: usize,
        counts: &mut [L::Elem],
    ) {
        let mut grads = gradients.chunks_exact(4 * self.tile);
        let mut cs = counts.chunks_exact_mut(4 * self.inputs);
        for (g, c) in (&mut grads).zip(&mut cs) {
            self.block::<4, VECTORS>(g, scratch, sample, samples, column, c);
        }
        for (g, c) in
            grads.remainder().chunks_exact(self.tile).zip(cs.into_remainder().chunks_exact_mut(self.inputs))
        {
            self.block::<1, VECTORS>(g, scratch, sample, samples, column, c);
        }
    }

    #[inline(always)]
    fn block<const ROWS: usize, const VECTORS: usize>(
        self,
        gradients: &[L::Elem],
        scratch: &[L::Elem],
        sample: usize,
        samples: usize,
        column: usize,
        counts: &mut [L::Elem],
    ) {
        let isa = self.isa;
        let mut sums = [[L::splat(isa, L::Elem::ZERO); VECTORS]; ROWS];
        let gradients: [&[L::Elem]; ROWS] =
            std::array::from_fn(|row| &gradients[row * self.tile + sample..][..samples]);
        for (t, row) in (0..samples).zip(scratch.chunks_exact(VECTORS * L::N)) {
            let values: [L; VECTORS] = std::array::from_fn(|v| L::load(isa, &row[v * L::N..]));
            for (sums, gradients) in sums.iter_mut().zip(gradients) {
                let gradient = L::splat(isa, gradients[t]);
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = gradient.mul_add(value, *sum);
                }
            }
        }
        for (sums, counts) in sums.into_iter().zip(counts.chunks_exact_mut(self.inputs)) {
            let counts = &mut counts[column..];
            for (sum, counts) in sums.into_iter().zip(counts.chunks_mut(L::N)) {
                grow(isa, sum, counts);
            }
        }
    }
}

#[inline(always)]
fn grow<L: Lanes>(isa: L::Isa, sum: L, counts: &mut [L::Elem]) {
    if counts.len() == L::N {
        L::load(isa, counts).add(sum).store(counts);
    } else {
        L::load_partial(isa, counts).add(sum).store_partial(counts);
    }
}

#[inline(always)]
fn transpose<L: Lanes, const N: usize>(mut square: [L; N]) -> [L; N] {
    let mut round = 1;
    while round < N {
        square = std::array::from_fn(|i| {
            let (low, high) = square[i / 2].interleave(square[i / 2 + N / 2]);
            if i % 2 == 0 { low } else { high }
        });
        round *= 2;
    }
    square
}

/// One accumulator for each input, summed at the end.
#[inline(always)]
fn summed<L: Lanes, const N: usize>(
    isa: L::Isa,
    shape: Shape,
    gradients: &[L::Elem],
    values: &[L::Elem],
    counts: &mut [L::Elem],
) {
    let Shape { inputs, outputs: _, tile } = shape;
    for (gradients, counts) in gradients.chunks_exact(tile).zip(counts.chunks_exact_mut(inputs)) {
        for (values, counts) in values.chunks(N * tile).zip(counts.chunks_mut(N)) {
            let mut sums = [L::splat(isa, L::Elem::ZERO); N];
            if values.len() == N * tile {
                for sample in (0..tile).step_by(N) {
                    let g = L::load(isa, &gradients[sample..]);
                    for i in 0..N {
                        let v = L::load(isa, &values[i * tile + sample..]);
                        sums[i] = g.mul_add(v, sums[i]);
                    }
                }
            } else {
                for (sum, values) in sums.iter_mut().zip(values.chunks_exact(tile)) {
                    for (g, v) in gradients.chunks_exact(N).zip(values.chunks_exact(N)) {
                        *sum = L::load(isa, g).mul_add(L::load(isa, v), *sum);
                    }
                }
            }
            let total = fold(sums);
            grow(isa, total, counts);
        }
    }
}

#[inline(always)]
fn fold<L: Lanes, const N: usize>(mut sums: [L; N]) -> L {
    let mut count = N;
    while count > 1 {
        count /= 2;
        for i in 0..count {
            let (low, high) = sums[i].interleave(sums[i + count]);
            sums[i] = low.add(high);
        }
    }
    sums[0]
}
