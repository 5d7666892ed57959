//! Every lane operation against its scalar meaning.

use super::{epsilon, noise, on_every_level, refuses};
use crate::simd::{Element, Isa, Lanes, LanesOf, MAX_LANES};

/// The scalar meaning of an operation, and what the lanes gave.
type Case<E> = (&'static str, fn(E, E, E) -> E, Vec<E>);

fn numbers<E: Element>(seed: usize) -> Vec<E> {
    (0..MAX_LANES).map(|index| E::from_f64(noise(seed * MAX_LANES + index) * 9.0)).collect()
}

fn stored<L: Lanes>(lanes: L) -> Vec<L::Elem> {
    let mut out = vec![L::Elem::default(); L::N];
    lanes.store(&mut out);
    out
}

#[test]
fn arithmetic_is_that_of_scalars() {
    on_every_level!(check_arithmetic);
}

#[inline(always)]
fn check_arithmetic<I: Isa, E: Element>(isa: I) {
    let (a, b, c) = (numbers::<E>(1), numbers::<E>(2), numbers::<E>(3));
    let load = |values: &[E]| LanesOf::<I, E>::load(isa, values);
    let (x, y, z) = (load(&a), load(&b), load(&c));
    let cases: [Case<E>; 8] = [
        ("add", |a, b, _| a + b, stored(x.add(y))),
        ("sub", |a, b, _| a - b, stored(x.sub(y))),
        ("mul", |a, b, _| a * b, stored(x.mul(y))),
        ("div", |a, b, _| a / b, stored(x.div(y))),
        ("max", |a, b, _| if a > b { a } else { b }, stored(x.max(y))),
        ("min", |a, b, _| if a < b { a } else { b }, stored(x.min(y))),
        ("select_lt", |a, b, c| if a < b { c } else { a }, stored(x.select_lt(y, z, x))),
        (
            "splat",
            |_, _, _| E::from_f64(0.1),
            stored(LanesOf::<I, E>::splat(isa, E::from_f64(0.1))),
        ),
    ];
    for (name, scalar, got) in cases {
        let expected: Vec<E> =
            (0..got.len()).map(|lane| scalar(a[lane], b[lane], c[lane])).collect();
        assert_eq!(got, expected, "{name}");
    }
    for (lane, got) in stored(x.mul_add(y, z)).into_iter().enumerate() {
        let (a, b, c) = (a[lane].to_f64(), b[lane].to_f64(), c[lane].to_f64());
        let tolerance = 2.0 * epsilon::<E>() * ((a * b).abs() + c.abs());
        assert!((got.to_f64() - (a * b + c)).abs() <= tolerance, "mul_add in lane {lane}");
    }
}

#[test]
fn comparisons_see_every_lane_and_treat_nan_as_not_less() {
    on_every_level!(check_comparisons);
}

#[inline(always)]
fn check_comparisons<I: Isa, E: Element>(isa: I) {
    let splat = |value: f64| LanesOf::<I, E>::splat(isa, E::from_f64(value));
    let (one, two, nan) = (splat(1.0), splat(2.0), splat(f64::NAN));
    for lane in 0..LanesOf::<I, E>::N {
        let mut values = [E::ONE; MAX_LANES];
        values[lane] = E::from_f64(0.5);
        assert!(LanesOf::<I, E>::load(isa, &values).any_lt(one), "lane {lane}");
        values[lane] = E::NAN;
        let with_nan = LanesOf::<I, E>::load(isa, &values);
        assert!(!with_nan.any_lt(one));
        for (index, got) in stored(with_nan.select_nan(two, with_nan)).into_iter().enumerate() {
            assert_eq!(got.to_f64(), if index == lane { 2.0 } else { 1.0 });
        }
    }
    assert!(!one.any_lt(one) && !two.any_lt(one) && one.any_lt(two));
    assert_eq!(stored(nan.select_lt(one, one, two))[0].to_f64(), 2.0);
    assert_eq!(stored(one.select_lt(nan, one, two))[0].to_f64(), 2.0);
    assert_eq!(stored(one.select_lt(one, one, two))[0].to_f64(), 2.0);
}

#[test]
fn partial_access_touches_as_many_numbers_as_the_slice_has() {
    on_every_level!(check_partial_access);
}

#[inline(always)]
fn check_partial_access<I: Isa, E: Element>(isa: I) {
    let values = numbers::<E>(4);
    let n = LanesOf::<I, E>::N;
    for length in 0..=MAX_LANES {
        let lanes = LanesOf::<I, E>::load_partial(isa, &values[..length]);
        let kept = length.min(n);
        let mut expected = values[..kept].to_vec();
        expected.resize(n, E::ZERO);
        assert_eq!(stored(lanes), expected, "load of {length}");

        let mut target = [E::ONE; MAX_LANES];
        LanesOf::<I, E>::load(isa, &values).store_partial(&mut target[..length]);
        let mut expected = values[..kept].to_vec();
        expected.resize(MAX_LANES, E::ONE);
        assert_eq!(target.to_vec(), expected, "store of {length}");
    }
}

#[test]
fn short_slices_are_refused() {
    on_every_level!(check_short_slices);
}

#[inline(always)]
fn check_short_slices<I: Isa, E: Element>(isa: I) {
    let mut short = vec![E::ONE; LanesOf::<I, E>::N - 1];
    assert!(refuses(|| drop(stored(LanesOf::<I, E>::load(isa, &short)))));
    assert!(refuses(|| LanesOf::<I, E>::splat(isa, E::ZERO).store(&mut short)));
    assert!(short.iter().all(|&value| value == E::ONE), "a refused store writes nothing");
}

#[test]
fn powers_of_two_are_exact_over_the_whole_range() {
    on_every_level!(check_powers);
}

#[inline(always)]
fn check_powers<I: Isa, E: Element>(isa: I) {
    let range: i32 = if size_of::<E>() == 4 { 127 } else { 1023 };
    for exponent in 1 - range..=range {
        let power = E::from_f64(2_f64.powi(exponent));
        let n = E::from_f64(f64::from(exponent));
        assert_eq!(stored(LanesOf::<I, E>::splat(isa, n).pow2())[0], power);
        for mantissa in [0.708, 0.75, 1.0, 1.1, 1.414] {
            let value = power * E::from_f64(mantissa);
            if value < E::MIN_NORMAL {
                continue;
            }
            let (m, e) = LanesOf::<I, E>::splat(isa, value).split_exponent();
            assert_eq!((stored(m)[0], stored(e)[0]), (E::from_f64(mantissa), n));
        }
    }
    let beyond =
        |n: i32| stored(LanesOf::<I, E>::splat(isa, E::from_f64(f64::from(n))).pow2())[0].to_f64();
    assert_eq!((beyond(range + 1), beyond(-range)), (f64::INFINITY, 0.0));
}

#[test]
fn mantissas_lie_around_one() {
    on_every_level!(check_mantissas);
}

#[inline(always)]
fn check_mantissas<I: Isa, E: Element>(isa: I) {
    let root = E::from_f64(std::f64::consts::FRAC_1_SQRT_2);
    for index in 0..4000 {
        let value = E::from_f64((noise(index) * 80.0).exp());
        let (m, e) = LanesOf::<I, E>::splat(isa, value).split_exponent();
        let (m, e) = (stored(m)[0], stored(e)[0].to_f64());
        assert!(m >= root && m.to_f64() < std::f64::consts::SQRT_2 + 1e-7, "{value:?}: {m:?}");
        assert_eq!(m.to_f64() * 2_f64.powf(e), value.to_f64());
    }
}

#[test]
fn reductions_and_interleaving_see_every_lane() {
    on_every_level!(check_across_lanes);
}

#[inline(always)]
fn check_across_lanes<I: Isa, E: Element>(isa: I) {
    let n = LanesOf::<I, E>::N;
    // Whole numbers: sums are exact in any order.
    let numbers = |first: usize| -> Vec<E> {
        (0..n).map(|lane| E::from_f64((first + lane * lane) as f64)).collect()
    };
    let (a, b) = (numbers(3), numbers(500));
    let (x, y) = (LanesOf::<I, E>::load(isa, &a), LanesOf::<I, E>::load(isa, &b));
    assert_eq!(x.reduce_add(), a.iter().copied().sum());
    for lane in 0..n {
        let mut values = a.clone();
        values[lane] = E::from_f64(1000.0);
        assert_eq!(LanesOf::<I, E>::load(isa, &values).reduce_max().to_f64(), 1000.0);
        values.fill(E::NEG_INFINITY);
        values[lane] = -E::ONE;
        assert_eq!(LanesOf::<I, E>::load(isa, &values).reduce_max(), -E::ONE);
    }
    let (low, high) = x.interleave(y);
    let both: Vec<E> = a.iter().zip(&b).flat_map(|(&a, &b)| [a, b]).collect();
    assert_eq!([stored(low), stored(high)].concat(), both);
}

#[test]
fn lookups_choose_by_the_codes_of_each_lane() {
    on_every_level!(check_lookups);
}

#[inline(always)]
fn check_lookups<I: Isa, E: Element>(isa: I) {
    let count = LanesOf::<I, E>::CODES;
    let each = count / LanesOf::<I, E>::N;
    assert_eq!(each, size_of::<E>());
    let table: Vec<E> = (0..16).map(|index| E::from_f64(f64::from(index) + 0.5)).collect();
    let table = LanesOf::<I, E>::table(isa, &table);
    // Codes of three and of one bit.
    let lower: Vec<u8> = (0..count).map(|index| (index * 5 % 8) as u8).collect();
    let upper: Vec<u8> = (0..count).map(|index| (index / 3 % 2) as u8).collect();
    let load = |bytes: &[u8]| LanesOf::<I, E>::load_codes(isa, bytes);
    let mut codes = load(&upper);
    for _ in 0..2 {
        codes = LanesOf::<I, E>::push_codes(codes, load(&vec![0; count]));
    }
    codes = LanesOf::<I, E>::push_codes(codes, load(&lower));
    let zero = load(&vec![0; count]);
    let mut bytes = vec![0; count];
    LanesOf::<I, E>::store_codes(LanesOf::<I, E>::merge_codes(codes, zero), &mut bytes);
    let expected: Vec<u8> = lower.iter().zip(&upper).map(|(low, up)| low + 8 * up).collect();
    assert_eq!(bytes, expected);
    for part in 0..each {
        let got = stored(LanesOf::<I, E>::lookup(codes, table));
        for (lane, got) in got.into_iter().enumerate() {
            let code = lower[lane * each + part] + 8 * upper[lane * each + part];
            assert_eq!(got.to_f64(), f64::from(code) + 0.5, "lane {lane}, part {part}");
        }
        codes = LanesOf::<I, E>::next_codes(codes);
    }
}
