//! Equidistant: evenly spaced values along the last axis.

use super::InitializerRequest;

/// `length` values from `minval` to `maxval` on the last axis, the same on all others; a last
/// axis of length 1 gets `minval`.
///
/// The last axis of a leaf's location is that of the *variables* of a cell, not of its
/// components: for one variable everything is `minval`, as in the reference library.
pub(super) fn equidistant(request: &InitializerRequest<'_>, minval: f64, maxval: f64) -> Vec<f64> {
    let length = request.shape.last().copied().unwrap_or(1);
    let step = (maxval - minval) / length.saturating_sub(1).max(1) as f64;
    (0..request.len()).map(|index| minval + step * (index % length) as f64).collect()
}
