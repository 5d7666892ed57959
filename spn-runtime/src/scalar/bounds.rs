//! Bounds of what a scalar program computes: the largest value, and the largest absolute error
//! that numbers flushed to zero can cause. Both are kept as logarithms to base 2, since neither
//! densities nor errors stay inside the range of any number type.
//!
//! Errors of rounding are relative and small; they are no concern here.

use crate::simd::Real;

/// `log2(2^a + 2^b)`
pub(super) fn add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY {
        high
    } else {
        high + (low - high).exp2().ln_1p() * std::f64::consts::LOG2_E
    }
}

/// What a number type can hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    /// The logarithm of the smallest normal number: what is below may become zero.
    pub(super) flush: f64,
    /// Products and sums are kept below this power of two.
    pub(super) top: f64,
}

impl Range {
    pub(super) fn of<E: Real>() -> Self {
        if size_of::<E>() == 4 {
            Self { flush: -126.0, top: 120.0 }
        } else {
            Self { flush: -1022.0, top: 1000.0 }
        }
    }
}

/// The bounds of a number that is computed, as logarithms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    /// The largest value.
    pub(super) value: f64,
    /// The largest absolute error.
    pub(super) error: f64,
}

impl Bound {
    /// A constant; `flushed` says whether some part of it was too small for the type.
    pub(super) fn constant(value: f64, flushed: bool, range: Range) -> Self {
        Self { value, error: if flushed { range.flush } else { f64::NEG_INFINITY } }
    }

    /// The bounds of the product, which may itself be flushed:
    /// `|ab - a'b'| <= e_a |b| + (|a| + e_a) e_b`.
    pub(super) fn times(self, other: Self, range: Range) -> Self {
        let own = self.error + other.value;
        let others = add(self.value, self.error) + other.error;
        Self { value: self.value + other.value, error: add(add(own, others), range.flush) }
    }

    /// The bounds of the sum.
    pub(super) fn plus(self, other: Self) -> Self {
        Self { value: add(self.value, other.value), error: add(self.error, other.error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_grow_as_in_interval_arithmetic() {
        let range = Range { flush: -1000.0, top: 100.0 };
        let number = |value: f64, error: f64| Bound { value: value.log2(), error: error.log2() };
        let product = number(3.0, 0.25).times(number(2.0, 0.5), range);
        assert!((product.value.exp2() - 6.0).abs() < 1e-12);
        assert!((product.error.exp2() - (0.25 * 2.0 + 3.25 * 0.5)).abs() < 1e-12);
        let sum = product.plus(number(1.0, 1.0));
        assert!((sum.value.exp2() - 7.0).abs() < 1e-12);
        let zero = Bound::constant(f64::NEG_INFINITY, false, range);
        assert_eq!(sum.plus(zero).value, sum.value);
        assert_eq!(zero.times(zero, range).value, f64::NEG_INFINITY);
        assert_eq!(add(f64::NEG_INFINITY, f64::NEG_INFINITY), f64::NEG_INFINITY);
    }
}
