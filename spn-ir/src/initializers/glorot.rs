//! GlorotUniform and GlorotNormal, as Keras defines them.

use super::{InitializerError, InitializerRequest, normal, uniform};

/// Uniform in ±sqrt(6 / (fan in + fan out)).
pub(super) fn uniform(request: &InitializerRequest<'_>) -> Result<Vec<f64>, InitializerError> {
    let limit = (3.0 * variance(request.shape)).sqrt();
    uniform::uniform(request, -limit, limit)
}

/// Truncated normal whose deviation *after* the tails are cut is sqrt(2 / (fan in + fan out)).
pub(super) fn normal(request: &InitializerRequest<'_>) -> Result<Vec<f64>, InitializerError> {
    /// Standard deviation of a standard normal variable that is cut off at ±2.
    const CUT: f64 = 0.879_625_661_034_239_8;
    normal::truncated(request, 0.0, variance(request.shape).sqrt() / CUT)
}

/// 2 / (fan in + fan out). The fans are the last two axes, each times the product of the axes
/// before them (Keras' receptive field); a vector's are both its length.
fn variance(shape: &[usize]) -> f64 {
    let (fan_in, fan_out) = match *shape {
        [] => (1, 1),
        [length] => (length, length),
        [ref field @ .., inputs, outputs] => {
            let field: usize = field.iter().product();
            (inputs * field, outputs * field)
        }
    };
    2.0 / (fan_in + fan_out).max(1) as f64
}
