//! Dirichlet: weights that sum to 1 along an axis.

use rand::Rng;
use rand::RngExt;
use rand_distr::{Distribution, Gamma};

use super::{InitializerError, InitializerRequest};

/// Draws each slice along `axis` from the symmetric Dirichlet distribution.
///
/// A slice is the softmax of logarithms of gamma variables: for small `alpha` the variables
/// themselves would all underflow to 0. No weight is exactly 0, so that its logarithm is finite.
pub(super) fn dirichlet(
    request: &InitializerRequest<'_>,
    axis: i32,
    alpha: f64,
) -> Result<Vec<f64>, InitializerError> {
    let bad = || InitializerError::BadOption {
        initializer: "Dirichlet",
        option: "alpha",
        value: alpha,
        allowed: "a positive finite number",
    };
    if !(alpha > 0.0 && alpha.is_finite()) {
        return Err(bad());
    }
    let gamma = Gamma::new(alpha + 1.0, 1.0).map_err(|_| bad())?;
    let axis = request.axis("Dirichlet", axis)?;
    let mut generator = request.generator();
    let mut values = vec![0.0; request.len()];
    let mut slice = vec![0.0; axis.length];
    for outer in 0..axis.outer {
        for inner in 0..axis.inner {
            draw(&mut slice, &gamma, alpha, &mut generator);
            for (position, &weight) in slice.iter().enumerate() {
                values[(outer * axis.length + position) * axis.inner + inner] = weight;
            }
        }
    }
    Ok(values)
}

/// Fills `slice` with one draw; `gamma` has the shape `alpha + 1`.
fn draw(slice: &mut [f64], gamma: &Gamma<f64>, alpha: f64, generator: &mut impl Rng) {
    for value in slice.iter_mut() {
        // If G ~ Gamma(alpha + 1) and U is uniform, G · U^(1/alpha) ~ Gamma(alpha).
        let uniform = 1.0 - generator.random::<f64>();
        *value = gamma.sample(generator).ln() + uniform.ln() / alpha;
    }
    let maximum = slice.iter().fold(f64::NEG_INFINITY, |m, &v| m.max(v));
    let mut total = 0.0;
    for value in slice.iter_mut() {
        *value = (*value - maximum).exp();
        total += *value;
    }
    for value in slice {
        *value = (*value / total).max(f64::MIN_POSITIVE);
    }
}
