//! Exponential and logarithm on lanes.
//!
//! In: a register of numbers. Out: a register of results, the same on each call, within the
//! error bounds stated at each function (and tested, densely, on every level).

use super::coefficients::Coefficients;
use super::lanes::{Lanes, Real};

/// e to the power of `x`.
///
/// * Results below the smallest normal number are zero; minus infinity gives zero.
/// * `exp(0)` is exactly 1.
/// * Results are infinite from 88.37 (`f32`) or 709.43 (`f64`) on, a little too early.
/// * NaN gives NaN on x86 and an arbitrary number elsewhere.
///
/// Measured worst error: 1.04 ulp for `f32` (every seventh number against `f64`), and 1 ulp
/// from the standard library's result for `f64` (41 million random numbers).
#[inline(always)]
pub fn exp<L: Lanes>(isa: L::Isa, x: L) -> L {
    let constant = |value| L::splat(isa, value);
    // In this order NaN survives on x86.
    let x = constant(L::Elem::EXP_OVERFLOW).min(x);
    let (power, n) = exp_parts(isa, x);
    let lowest = constant(L::Elem::EXP_LOWEST);
    x.select_lt(lowest, constant(L::Elem::ZERO), power.mul(n.pow2()))
}

/// `exp(x) · 2^-exponent` for a whole `exponent` between -1.5e6 and 1.5e6; as exact as [`exp`],
/// however large or small the exponential alone would be.
///
/// Results below half the smallest normal number are zero, minus infinity gives zero; results that
/// are too large are infinite. NaN gives NaN on x86 and an arbitrary number elsewhere.
#[inline(always)]
pub fn exp_scaled<L: Lanes>(isa: L::Isa, x: L, exponent: L) -> L {
    let constant = |value: f64| L::splat(isa, L::Elem::from_f64(value));
    // In this order NaN survives on x86. Further out results are zero or infinite for every
    // exponent.
    let (power, n) = exp_parts(isa, constant(2e6).min(constant(-2e6).max(x)));
    let most = constant(f64::from(L::Elem::LARGEST_EXPONENT));
    let n = most.add(constant(1.0)).min(constant(0.0).sub(most).max(n.sub(exponent)));
    power.mul(n.pow2())
}

/// `(exp r, n)` with `x = n ln 2 + r` and |r| <= ln 2 / 2.
#[inline(always)]
fn exp_parts<L: Lanes>(isa: L::Isa, x: L) -> (L, L) {
    let constant = |value| L::splat(isa, value);
    let round = constant(L::Elem::ROUND);
    // ln 2 is taken in two parts, so that r is exact enough without fused operations too.
    let n = x.mul_add(constant(L::Elem::LOG2_E), round).sub(round);
    let r = n.mul_add(constant(-L::Elem::LN_2_HIGH), x);
    let r = n.mul_add(constant(-L::Elem::LN_2_LOW), r);
    let square = r.mul(r);
    let tail = polynomial(isa, L::Elem::EXP_POLYNOMIAL, r, square);
    // 1 is added last: its rounding is then the only one that counts.
    (tail.mul_add(square, r).add(constant(L::Elem::ONE)), n)
}

/// The natural logarithm of `x`.
///
/// * Zero (and any negative number) gives minus infinity, infinity gives infinity, NaN gives
///   NaN.
/// * Subnormal numbers give their true logarithm.
/// * `ln(1)` is exactly 0.
///
/// Measured worst error: 0.84 ulp for `f32` (every seventh number against `f64`), and 1 ulp
/// from the standard library's result for `f64` (41 million random numbers).
#[inline(always)]
pub fn ln<L: Lanes>(isa: L::Isa, x: L) -> L {
    let constant = |value| L::splat(isa, value);
    let zero = constant(L::Elem::ZERO);
    let min_normal = constant(L::Elem::MIN_NORMAL);
    let result = if x.any_lt(min_normal) {
        // Rare enough to branch: subnormal numbers are scaled up, zero has its own answer.
        let scaled = x.mul(constant(L::Elem::SUBNORMAL_SCALE));
        let subnormal = ln_normal(isa, scaled).sub(constant(L::Elem::SUBNORMAL_LN));
        let positive = x.select_lt(min_normal, subnormal, ln_normal(isa, x));
        zero.select_lt(x, positive, constant(L::Elem::NEG_INFINITY))
    } else {
        ln_normal(isa, x)
    };
    // Infinity and NaN stand for themselves.
    x.select_lt(constant(L::Elem::INFINITY), result, x)
}

/// The logarithm of positive normal numbers.
///
/// With `x = m 2^e` and `f = m - 1`, `s = f / (2 + f)`, the logarithm of `m` is
/// `f - f^2 / 2 + s (f^2 / 2 + s^2 P(s^2))`: `f` is exact, and what is added to it is small.
#[inline(always)]
fn ln_normal<L: Lanes>(isa: L::Isa, x: L) -> L {
    let constant = |value| L::splat(isa, value);
    let (mantissa, exponent) = x.split_exponent();
    let f = mantissa.sub(constant(L::Elem::ONE));
    let s = f.div(f.add(constant(L::Elem::TWO)));
    let square = s.mul(s);
    let half_square = f.mul(f).mul(constant(L::Elem::HALF));
    let inner = polynomial(isa, L::Elem::LN_POLYNOMIAL, square, square.mul(square))
        .mul_add(square, half_square);
    let low = s.mul_add(inner, exponent.mul(constant(L::Elem::LN_2_LOW)));
    let mantissa_part = f.sub(half_square.sub(low));
    exponent.mul_add(constant(L::Elem::LN_2_HIGH), mantissa_part)
}

/// The polynomial of at least two coefficients, highest power first, at `x`. Even and odd
/// powers are summed apart: two short chains are ready sooner than a long one.
#[inline(always)]
fn polynomial<L: Lanes>(isa: L::Isa, coefficients: &[L::Elem], x: L, square: L) -> L {
    let first = horner(isa, coefficients, square);
    let second = horner(isa, &coefficients[1..], square);
    if coefficients.len() % 2 == 0 { first.mul_add(x, second) } else { second.mul_add(x, first) }
}

/// Horner's scheme over every second coefficient.
#[inline(always)]
fn horner<L: Lanes>(isa: L::Isa, coefficients: &[L::Elem], square: L) -> L {
    let mut sum = L::splat(isa, coefficients[0]);
    for &coefficient in coefficients[1..].iter().skip(1).step_by(2) {
        sum = sum.mul_add(square, L::splat(isa, coefficient));
    }
    sum
}
