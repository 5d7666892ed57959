//! RandomUniform.

use rand::RngExt;

use super::{InitializerError, InitializerRequest};

/// Uniform values in `[minval, maxval)`.
pub(super) fn uniform(
    request: &InitializerRequest<'_>,
    minval: f64,
    maxval: f64,
) -> Result<Vec<f64>, InitializerError> {
    if !(maxval >= minval && (maxval - minval).is_finite()) {
        return Err(InitializerError::BadOption {
            initializer: "RandomUniform",
            option: "maxval",
            value: maxval,
            allowed: "finite and at least `minval`",
        });
    }
    let mut generator = request.generator();
    let width = maxval - minval;
    Ok((0..request.len()).map(|_| minval + width * generator.random::<f64>()).collect())
}
