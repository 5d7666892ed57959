//! The matrix-vector product of single rows, with outputs on the lanes.
//!
//! In: weights `[inputs, outputs]`, row-major and not packed, and `inputs` values for each of a few
//! samples. Out: for each sample `out[o] = sum over i of weights[i, o] * values[i]`.
//!
//! The product of one sample uses each weight once, so its time is that of reading the weights.
//! They are read in the order in which they lie in memory; several samples share one reading.
//! Sums have the same order for any number of samples, so that a result does not depend on them.

use super::lanes::{Element, Isa, Lanes, LanesOf, Real};

/// `out[s][o] = Σ_i weights[i, o] values[s][i]` for each sample `s`.
///
/// This function enters the instruction set itself, so it may be called from anywhere.
///
/// # Panics
///
/// If the values or results of the samples differ in length, or the weights are not
/// `inputs · outputs`.
pub fn matrix_vector<I: Isa, E: Element, const SAMPLES: usize>(
    isa: I,
    weights: &[E],
    values: [&[E]; SAMPLES],
    out: [&mut [E]; SAMPLES],
) {
    isa.vectorize(
        #[inline(always)]
        || sum_columns::<LanesOf<I, E>, SAMPLES>(isa, weights, values, out),
    );
}

/// Inputs of one turn of the loop.
const STEP: usize = 4;

#[inline(always)]
fn sum_columns<L: Lanes, const SAMPLES: usize>(
    isa: L::Isa,
    weights: &[L::Elem],
    values: [&[L::Elem]; SAMPLES],
    mut out: [&mut [L::Elem]; SAMPLES],
) {
    let Some((first, first_out)) = values.first().zip(out.first()) else { return };
    let (inputs, outputs) = (first.len(), first_out.len());
    assert!(values.iter().all(|values| values.len() == inputs), "values of a product");
    assert!(out.iter().all(|out| out.len() == outputs), "results of a product");
    assert_eq!(weights.len(), inputs * outputs, "weights of a product");
    if outputs == 1 {
        for (values, out) in values.into_iter().zip(out) {
            out[0] = dot::<L>(isa, weights, values);
        }
        return;
    }
    let matrix = Matrix::<L> { isa, weights, inputs, outputs };
    let mut first = 0;
    while first < outputs {
        // Four sums are under way at a time, as many as hide the latency of an addition.
        first += match (outputs - first).div_ceil(L::N) {
            1 => matrix.columns::<SAMPLES, 1, 4>(first, values, &mut out),
            2 => matrix.columns::<SAMPLES, 2, 2>(first, values, &mut out),
            3 => matrix.columns::<SAMPLES, 3, 1>(first, values, &mut out),
            _ => matrix.columns::<SAMPLES, 4, 1>(first, values, &mut out),
        };
    }
}

/// `Σ_i weights[i] values[i]`: one output, so inputs lie on the lanes.
#[inline(always)]
fn dot<L: Lanes>(isa: L::Isa, weights: &[L::Elem], values: &[L::Elem]) -> L::Elem {
    let (mut weights, mut values) = (weights.chunks(L::N), values.chunks(L::N));
    let mut sums = [L::splat(isa, L::Elem::ZERO); 4];
    let mut next = 0;
    while let Some((weights, values)) = weights.next().zip(values.next()) {
        let sum = &mut sums[next % 4];
        *sum = if weights.len() == L::N {
            L::load(isa, weights).mul_add(L::load(isa, values), *sum)
        } else {
            L::load_partial(isa, weights).mul_add(L::load_partial(isa, values), *sum)
        };
        next += 1;
    }
    let [a, b, c, d] = sums;
    a.add(b).add(c.add(d)).reduce_add()
}

/// The left-hand side of a product.
#[derive(Clone, Copy)]
struct Matrix<'a, L: Lanes> {
    isa: L::Isa,
    weights: &'a [L::Elem],
    inputs: usize,
    outputs: usize,
}

impl<L: Lanes> Matrix<'_, L> {
    /// `VECTORS` registers of results from column `first` on, each as `TOGETHER` sums; returns how many
    /// columns that are.
    #[inline(always)]
    fn columns<const SAMPLES: usize, const VECTORS: usize, const TOGETHER: usize>(
        self,
        first: usize,
        values: [&[L::Elem]; SAMPLES],
        out: &mut [&mut [L::Elem]; SAMPLES],
    ) -> usize {
        let Self { isa, weights, inputs, outputs } = self;
        let span = VECTORS * L::N;
        // Registers may hold weights of the next input behind the last column: these lanes are
        // never stored. They must not reach beyond the matrix.
        let whole = match weights.len().checked_sub(first + span) {
            Some(last) => (last / outputs + 1).min(inputs),
            None => 0,
        };
        let stepped = whole - whole % STEP;
        let zero = L::splat(isa, L::Elem::ZERO);
        let nothing = [L::Elem::ZERO; STEP];
        let mut sums = [[[zero; VECTORS]; TOGETHER]; SAMPLES];
        for input in (0..stepped).step_by(STEP) {
            let block = &weights[input * outputs + first..][..(STEP - 1) * outputs + span];
            let mut parts = [&nothing; SAMPLES];
            for (part, values) in parts.iter_mut().zip(values) {
                *part = values[input..].first_chunk().unwrap_or(&nothing);
            }
            for part in 0..STEP {
                let row = &block[part * outputs..][..span];
                let mut loaded = [zero; VECTORS];
                for (weight, row) in loaded.iter_mut().zip(row.chunks_exact(L::N)) {
                    *weight = L::load(isa, row);
                }
                for (sums, values) in sums.iter_mut().zip(parts) {
                    let value = L::splat(isa, values[part]);
                    for (sum, weight) in sums[part % TOGETHER].iter_mut().zip(loaded) {
                        *sum = weight.mul_add(value, *sum);
                    }
                }
            }
        }
        for input in stepped..inputs {
            let row = &weights[input * outputs + first..];
            let mut loaded = [zero; VECTORS];
            for (weight, part) in loaded.iter_mut().zip(row.chunks(L::N)) {
                *weight = L::load_partial(isa, part);
            }
            for (sums, values) in sums.iter_mut().zip(values) {
                let value = L::splat(isa, values[input]);
                for (sum, weight) in sums[0].iter_mut().zip(loaded) {
                    *sum = weight.mul_add(value, *sum);
                }
            }
        }
        for (sums, out) in sums.into_iter().zip(out) {
            for vector in 0..VECTORS {
                let column = first + vector * L::N;
                let Some(out) = out.get_mut(column..) else { break };
                let sum = add_up(sums, vector);
                match out.len() {
                    0 => break,
                    length if length < L::N => sum.store_partial(out),
                    _ => sum.store(out),
                }
            }
        }
        span.min(outputs - first)
    }
}

/// The sum of the parts of one register: pairs first.
#[inline(always)]
fn add_up<L: Lanes, const VECTORS: usize, const TOGETHER: usize>(
    sums: [[L; VECTORS]; TOGETHER],
    vector: usize,
) -> L {
    let part = |index: usize| sums[index][vector];
    match TOGETHER {
        1 => part(0),
        2 => part(0).add(part(1)),
        _ => part(0).add(part(1)).add(part(2).add(part(3))),
    }
}
