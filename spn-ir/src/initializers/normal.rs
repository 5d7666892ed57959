//! RandomNormal and TruncatedNormal.

use rand_distr::{Distribution, StandardNormal};

use super::{InitializerError, InitializerRequest};

/// Normal values.
pub(super) fn normal(
    request: &InitializerRequest<'_>,
    mean: f64,
    stddev: f64,
) -> Result<Vec<f64>, InitializerError> {
    check("RandomNormal", stddev)?;
    let mut generator = request.generator();
    let draws = std::iter::repeat_with(|| StandardNormal.sample(&mut generator));
    Ok(draws.take(request.len()).map(|draw: f64| mean + stddev * draw).collect())
}

/// Normal values; those more than two deviations from the mean are drawn again, as in Keras.
pub(super) fn truncated(
    request: &InitializerRequest<'_>,
    mean: f64,
    stddev: f64,
) -> Result<Vec<f64>, InitializerError> {
    check("TruncatedNormal", stddev)?;
    let mut generator = request.generator();
    let draws = std::iter::repeat_with(|| StandardNormal.sample(&mut generator));
    let inside = draws.filter(|draw: &f64| draw.abs() <= 2.0);
    Ok(inside.take(request.len()).map(|draw| mean + stddev * draw).collect())
}

fn check(initializer: &'static str, stddev: f64) -> Result<(), InitializerError> {
    if stddev >= 0.0 && stddev.is_finite() {
        return Ok(());
    }
    let allowed = "a finite number that is not negative";
    Err(InitializerError::BadOption { initializer, option: "stddev", value: stddev, allowed })
}
