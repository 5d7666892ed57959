//! Comparing numbers: relative to the larger of 1 and the expected value, or relative to the
//! largest magnitude of an array. In: what was computed and what is expected. Out: `Ok`, or the
//! worst place. Equal infinities are equal; a NaN is never close to anything.

use thiserror::Error;

/// Where two arrays differ most.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Difference {
    /// The arrays have different lengths.
    #[error("{actual} values were computed, but {expected} are expected")]
    Length {
        /// Length of what was computed.
        actual: usize,
        /// Length of what is expected.
        expected: usize,
    },
    /// A value is further off than the tolerance.
    #[error(
        "value {index} is {actual}, expected {expected}: error {error:.3e} above {tolerance:.1e}"
    )]
    Value {
        /// Index of the worst value.
        index: usize,
        /// What was computed.
        actual: f64,
        /// What is expected.
        expected: f64,
        /// Its error, in units of the comparison.
        error: f64,
        /// The largest error that would have passed.
        tolerance: f64,
    },
}

/// Compares value by value, each error relative to `max(1, |expected|)`.
///
/// # Errors
/// If lengths differ or an error is above `tolerance`; names the worst value.
pub fn compare_each(actual: &[f64], expected: &[f64], tolerance: f64) -> Result<(), Difference> {
    worst(actual, expected, tolerance, |expected| expected.abs().max(1.0))
}

/// Compares two arrays, errors relative to the largest finite magnitude in `expected` (or 1 if
/// that is 0): for gradients, where single values may cancel to nothing.
///
/// # Errors
/// If lengths differ or an error is above `tolerance`; names the worst value.
pub fn compare(actual: &[f64], expected: &[f64], tolerance: f64) -> Result<(), Difference> {
    let finite = expected.iter().filter(|x| x.is_finite());
    let largest = finite.fold(0.0_f64, |largest, x| largest.max(x.abs()));
    let unit = if largest == 0.0 { 1.0 } else { largest };
    worst(actual, expected, tolerance, |_| unit)
}

fn worst(
    actual: &[f64],
    expected: &[f64],
    tolerance: f64,
    unit: impl Fn(f64) -> f64,
) -> Result<(), Difference> {
    if actual.len() != expected.len() {
        return Err(Difference::Length { actual: actual.len(), expected: expected.len() });
    }
    let errors = actual.iter().zip(expected).map(|(&a, &e)| error(a, e, unit(e)));
    let worst = errors.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
    match worst {
        Some((index, error)) if error > tolerance => {
            let (actual, expected) = (actual[index], expected[index]);
            Err(Difference::Value { index, actual, expected, error, tolerance })
        }
        _ => Ok(()),
    }
}

/// The error of one value; infinite where a NaN or an infinity meets something else.
fn error(actual: f64, expected: f64, unit: f64) -> f64 {
    if actual == expected {
        0.0
    } else if actual.is_finite() && expected.is_finite() {
        (actual - expected).abs() / unit
    } else {
        f64::INFINITY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMPOSSIBLE: f64 = f64::NEG_INFINITY;

    #[test]
    fn equal_infinities_are_close_and_nan_never_is() {
        assert_eq!(compare_each(&[IMPOSSIBLE, 1.0], &[IMPOSSIBLE, 1.0], 0.0), Ok(()));
        assert!(compare_each(&[IMPOSSIBLE], &[0.0], 1e9).is_err());
        assert!(compare_each(&[f64::NAN], &[f64::NAN], 1e9).is_err());
        assert!(compare(&[IMPOSSIBLE], &[f64::INFINITY], 1e9).is_err());
    }

    #[test]
    fn the_worst_value_is_named() {
        let difference = compare_each(&[1.1, 102.0, 0.0], &[1.0, 100.0, 0.0], 1e-3);
        let text = difference.unwrap_err().to_string();
        assert!(text.starts_with("value 0 is 1.1, expected 1: error 1.000e-1"), "{text}");
        let difference = compare(&[1.1, 102.0, 0.0], &[1.0, 100.0, 0.0], 1e-3);
        assert!(matches!(difference, Err(Difference::Value { index: 1, .. })));
        assert!(matches!(compare(&[], &[1.0], 1.0), Err(Difference::Length { .. })));
    }
}
