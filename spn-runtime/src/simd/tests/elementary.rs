//! Accuracy and special values of `exp` and `ln`.

use super::{noise, on_every_level};
use crate::simd::math::{exp, ln};
use crate::simd::{Element, Isa, Lanes, LanesOf};

#[inline(always)]
fn one_exp<I: Isa, E: Element>(isa: I, x: E) -> E {
    exp(isa, LanesOf::<I, E>::splat(isa, x)).reduce_max()
}

#[inline(always)]
fn one_ln<I: Isa, E: Element>(isa: I, x: E) -> E {
    ln(isa, LanesOf::<I, E>::splat(isa, x)).reduce_max()
}

/// The distance of `got` from the truth in units of its last place as a normal number of `E`.
fn ulps<E: Element>(got: E, truth: f64) -> f64 {
    let bits: i32 = if size_of::<E>() == 4 { 24 } else { 53 };
    let exponent = truth.abs().log2().floor() as i32;
    // In two steps: the unit of a small f64 is subnormal, and its reciprocal overflows.
    (got.to_f64() - truth) / 2_f64.powi(exponent) * 2_f64.powi(bits - 1)
}

/// The worst error in ulps and where it is, over `points`, of which a lane takes one each.
fn worst<E: Element>(
    points: impl Iterator<Item = E>,
    compute: impl Fn(E) -> E,
    truth: impl Fn(f64) -> f64,
) -> (f64, f64) {
    points
        .map(|x| (ulps(compute(x), truth(x.to_f64())).abs(), x.to_f64()))
        .fold((0.0, 0.0), |worst, point| if point.0 > worst.0 { point } else { worst })
}

#[test]
fn exp_is_accurate_over_its_domain() {
    on_every_level!(check_exp_accuracy);
}

#[inline(always)]
fn check_exp_accuracy<I: Isa, E: Element>(isa: I) {
    let (low, high) = if size_of::<E>() == 4 { (87.33, 88.3) } else { (708.3, 709.3) };
    let even = (0..200_000).map(|index| (f64::from(index) / 2e5) * (low + high) - low);
    let near_zero = (0..50_000).map(|index| noise(index) * 2_f64.powi(-(index as i32 % 60)));
    let points = even.chain(near_zero).map(E::from_f64);
    let (error, at) = worst(points, |x| one_exp(isa, x), f64::exp);
    assert!(error <= 1.5, "{error} ulp at {at}");
}

#[test]
fn ln_is_accurate_over_its_domain() {
    on_every_level!(check_ln_accuracy);
}

#[inline(always)]
fn check_ln_accuracy<I: Isa, E: Element>(isa: I) {
    // Down into the subnormal numbers, and densely around 1, where the result vanishes.
    let (low, high) = if size_of::<E>() == 4 { (-149.0, 127.9) } else { (-1074.0, 1023.9) };
    let wide = (0..200_000).map(|index| 2_f64.powf(f64::from(index) / 2e5 * (high - low) + low));
    let around_one =
        (0..100_000).map(|index| 1.0 + noise(index) * 2_f64.powi(-1 - index as i32 % 50));
    let points = wide.chain(around_one).map(E::from_f64);
    let points = points.filter(|&x| x != E::ONE && x.to_f64().is_finite() && x > E::ZERO);
    let (error, at) = worst(points, |x| one_ln(isa, x), f64::ln);
    assert!(error <= 1.5, "{error} ulp at {at}");
}

#[test]
fn special_values_are_exact() {
    on_every_level!(check_special_values);
}

#[inline(always)]
fn check_special_values<I: Isa, E: Element>(isa: I) {
    let exp = |x: f64| one_exp(isa, E::from_f64(x)).to_f64();
    assert_eq!(exp(0.0), 1.0);
    assert_eq!(exp(-0.0), 1.0);
    assert_eq!(exp(f64::NEG_INFINITY), 0.0);
    assert_eq!(exp(-1e30), 0.0);
    assert_eq!(exp(f64::INFINITY), f64::INFINITY);
    assert_eq!(exp(1e30), f64::INFINITY);
    let lowest = one_exp(isa, E::EXP_LOWEST);
    assert!(lowest >= E::MIN_NORMAL && lowest.to_f64() < E::MIN_NORMAL.to_f64() * 1.0001);
    assert_eq!(exp(E::EXP_LOWEST.to_f64() * 1.000_001), 0.0);

    let ln = |x: f64| one_ln(isa, E::from_f64(x)).to_f64();
    assert_eq!(ln(1.0).to_bits(), 0.0_f64.to_bits());
    assert_eq!(ln(0.0), f64::NEG_INFINITY);
    assert_eq!(ln(-0.0), f64::NEG_INFINITY);
    assert_eq!(ln(-3.0), f64::NEG_INFINITY);
    assert_eq!(ln(f64::INFINITY), f64::INFINITY);
}

#[test]
fn lanes_do_not_disturb_each_other() {
    on_every_level!(check_mixed_lanes);
}

#[inline(always)]
fn check_mixed_lanes<I: Isa, E: Element>(isa: I) {
    let specials = [f64::NAN, 0.0, f64::NEG_INFINITY, f64::INFINITY, 1e-310, 1e-40, -1e9];
    let n = LanesOf::<I, E>::N;
    for special in specials {
        for lane in 0..n {
            let mut values = vec![E::from_f64(0.3); n];
            values[lane] = E::from_f64(special);
            let x = LanesOf::<I, E>::load(isa, &values);
            let (mut powers, mut logarithms) = (values.clone(), values.clone());
            exp(isa, x).store(&mut powers);
            ln(isa, x).store(&mut logarithms);
            for other in (0..n).filter(|&other| other != lane) {
                assert!(ulps(powers[other], values[other].to_f64().exp()).abs() < 2.0);
                assert!(ulps(logarithms[other], values[other].to_f64().ln()).abs() < 2.0);
            }
            if special.is_nan() {
                assert!(logarithms[lane].is_nan());
                assert!(powers[lane].is_nan() || cfg!(not(target_arch = "x86_64")));
            }
        }
    }
}
