//! Matrix products against sums in `f64`, for whole blocks and every kind of remainder.

use super::{epsilon, noise, on_every_level, refuses};
use crate::simd::gemm::{Shape, pack, packed_len, product};
use crate::simd::gradient::gradient_add;
use crate::simd::matvec::matrix_vector;
use crate::simd::transposed::product_transposed;
use crate::simd::{Element, Isa, Lanes, LanesOf};

fn numbers<E: Element>(count: usize, seed: usize) -> Vec<E> {
    (0..count).map(|index| E::from_f64(noise(seed * 100_000 + index))).collect()
}

/// Shapes around the block sizes; with tiles of one to four registers and of 64 samples.
fn shapes(lanes: usize) -> impl Iterator<Item = Shape> {
    let inputs = [0, 1, 2, 3, 7, 8, 10, 15, 16, 17, 31, 33, 40];
    let outputs = [1, 2, 3, 4, 5, 6, 7, 8, 10, 13];
    let tiles = [lanes, 2 * lanes, 3 * lanes, 5 * lanes, 7 * lanes, 64];
    inputs.into_iter().flat_map(move |inputs| {
        outputs.into_iter().flat_map(move |outputs| {
            tiles.into_iter().map(move |tile| Shape { inputs, outputs, tile })
        })
    })
}

/// Asserts that `got` is `start` and a sum of `terms` products of numbers up to 1.
fn assert_close<E: Element>(got: E, start: E, products: impl Iterator<Item = f64>, what: Shape) {
    let (count, sum) = products.fold((1, 0.0), |(count, sum), term| (count + 1, sum + term));
    let difference = (got.to_f64() - (start.to_f64() + sum)).abs();
    assert!(difference <= epsilon::<E>() * f64::from(count), "{what:?}: off by {difference}");
}

#[test]
fn products_are_sums_over_inputs() {
    on_every_level!(check_products);
}

fn check_products<I: Isa, E: Element>(isa: I) {
    for shape in shapes(LanesOf::<I, E>::N) {
        let Shape { inputs, outputs, tile } = shape;
        let weights = numbers::<E>(inputs * outputs, 1);
        let values = numbers::<E>(inputs * tile, 2);
        let packed = |inputs, outputs, weights: &[E]| {
            let mut packed = vec![E::NAN; packed_len(inputs, outputs)];
            pack(inputs, outputs, weights, &mut packed);
            packed
        };
        let mut reverse = vec![E::NAN; outputs * tile];
        let transposed = packed(outputs, inputs, &weights);
        product_transposed(isa, shape, &transposed, &values, &mut reverse);
        let transposed = (0..inputs * outputs)
            .map(|index| weights[index % outputs.max(1) * inputs + index / outputs.max(1)]);
        let packed = packed(inputs, outputs, &transposed.collect::<Vec<E>>());
        let mut out = vec![E::NAN; outputs * tile];
        product(isa, shape, &packed, &values, &mut out);
        assert!(out == reverse, "{shape:?}");
        for output in 0..outputs {
            for sample in 0..tile {
                let terms = (0..inputs).map(|input| {
                    weights[output * inputs + input].to_f64()
                        * values[input * tile + sample].to_f64()
                });
                let at = output * tile + sample;
                assert_close(out[at], E::ZERO, terms, shape);
            }
        }
    }
}

#[test]
fn gradients_are_sums_over_samples() {
    on_every_level!(check_gradients);
}

fn check_gradients<I: Isa, E: Element>(isa: I) {
    for shape in shapes(LanesOf::<I, E>::N) {
        let Shape { inputs, outputs, tile } = shape;
        let gradients = numbers::<E>(outputs * tile, 4);
        let values = numbers::<E>(inputs * tile, 5);
        let start = numbers::<E>(outputs * inputs, 6);
        let mut counts = start.clone();
        gradient_add(isa, shape, &gradients, &values, &mut counts, false);
        let mut fresh = vec![E::NAN; outputs * inputs];
        gradient_add(isa, shape, &gradients, &values, &mut fresh, true);
        for output in 0..outputs {
            for input in 0..inputs {
                let terms = (0..tile).map(|sample| {
                    gradients[output * tile + sample].to_f64()
                        * values[input * tile + sample].to_f64()
                });
                let at = output * inputs + input;
                assert_close(counts[at], start[at], terms.clone(), shape);
                assert_close(fresh[at], E::ZERO, terms, shape);
            }
        }
    }
}

#[test]
fn long_tiles_pass_the_buffer_of_gradients_in_parts() {
    on_every_level!(check_long_tiles);
}

fn check_long_tiles<I: Isa, E: Element>(isa: I) {
    let shape = Shape { inputs: 21, outputs: 5, tile: 1024 + 16 };
    let ones = vec![E::ONE; shape.inputs.max(shape.outputs) * shape.tile];
    let mut counts = vec![E::ONE; shape.inputs * shape.outputs];
    let (gradients, values) =
        (&ones[..shape.outputs * shape.tile], &ones[..shape.inputs * shape.tile]);
    gradient_add(isa, shape, gradients, values, &mut counts, false);
    assert!(counts.iter().all(|count| count.to_f64() == 1041.0));
}

#[test]
fn matrix_vector_products_are_sums_over_inputs() {
    on_every_level!(check_matrix_vector);
}

fn check_matrix_vector<I: Isa, E: Element>(isa: I) {
    let n = LanesOf::<I, E>::N;
    let widths = [1, 2, 3, n - 1, n, n + 1, 2 * n, 3 * n - 1, 3 * n, 4 * n, 4 * n + 1, 9 * n + 2];
    for inputs in [1, 2, 3, 4, 5, 7, 8, n, n + 1, 4 * n, 4 * n + 3] {
        for outputs in widths {
            let weights = numbers::<E>(inputs * outputs, 1);
            let values = [numbers::<E>(inputs, 2), numbers::<E>(inputs, 3)];
            let [mut first, mut second, mut alone] = [(); 3].map(|()| vec![E::NAN; outputs]);
            let out = [first.as_mut_slice(), second.as_mut_slice()];
            matrix_vector(isa, &weights, [&values[0], &values[1]], out);
            matrix_vector(isa, &weights, [&values[0]], [alone.as_mut_slice()]);
            assert!(alone == first, "{inputs} x {outputs}: alone is as together");
            for (values, out) in values.iter().zip([first, second]) {
                for (output, result) in out.into_iter().enumerate() {
                    let weight = |input: usize| weights[input * outputs + output].to_f64();
                    let terms = values.iter().enumerate().map(|(i, v)| weight(i) * v.to_f64());
                    let shape = Shape { inputs, outputs, tile: 1 };
                    assert_close(result, E::ZERO, terms, shape);
                }
            }
        }
    }
    let matrix_vector = |weights: usize, values: usize| {
        refuses(|| {
            let (weights, values) = (vec![E::ONE; weights], vec![E::ONE; values]);
            matrix_vector(isa, &weights, [&values], [vec![E::ZERO; 2].as_mut_slice()]);
        })
    };
    assert!(!matrix_vector(6, 3));
    assert!(matrix_vector(6, 4) && matrix_vector(7, 3));
}

#[test]
fn slices_of_the_wrong_length_are_refused() {
    on_every_level!(check_wrong_lengths);
}

fn check_wrong_lengths<I: Isa, E: Element>(isa: I) {
    let n = LanesOf::<I, E>::N;
    let refused = |tile: usize, weights: usize, values: usize, out: usize| {
        refuses(|| {
            let shape = Shape { inputs: 3, outputs: 2, tile };
            let numbers = |count| vec![E::ZERO; count];
            product(isa, shape, &numbers(weights), &numbers(values), &mut numbers(out));
        })
    };
    assert!(!refused(n, 6, 3 * n, 2 * n));
    assert!(refused(n, 5, 3 * n, 2 * n));
    assert!(refused(n, 6, 3 * n - 1, 2 * n));
    assert!(refused(n, 6, 3 * n, 2 * n + 1));
    assert!(refused(n + 1, 6, 3 * (n + 1), 2 * (n + 1)));
}
