//! The location-scale log-densities and their derivatives, as documented at [`LocationScale`].
//! In: a value, a location and a positive scale. Out: the log-density, or its three derivatives.

use std::f64::consts::{LN_2, PI};

use spn_ir::LocationScale;

/// Above this the square of a number nears overflow, and `ln(1 + z²)` is `2 ln |z|` to the last bit.
const HUGE: f64 = 1e150;

/// Laplace densities are counted as if no value were closer to the location, in scales.
const SMALLEST_DEVIATION: f64 = 1e-3;

/// Derivatives of a log-density.
pub(crate) struct Slopes {
    /// With respect to the value.
    pub(crate) value: f64,
    /// With respect to the location.
    pub(crate) location: f64,
    /// With respect to the scale.
    pub(crate) scale: f64,
}

pub(crate) fn log_density(density: LocationScale, x: f64, location: f64, scale: f64) -> f64 {
    let z = (x - location) / scale;
    match density {
        LocationScale::Normal => -0.5 * z * z - scale.ln() - 0.5 * (2.0 * PI).ln(),
        LocationScale::Cauchy => {
            let tail = if z.abs() < HUGE { (z * z).ln_1p() } else { 2.0 * z.abs().ln() };
            -tail - scale.ln() - PI.ln()
        }
        LocationScale::Laplace => -z.abs() - scale.ln() - LN_2,
    }
}

pub(crate) fn slopes(density: LocationScale, x: f64, location: f64, scale: f64) -> Slopes {
    let z = (x - location) / scale;
    // The derivative with respect to z, and z times it (apart, so that no infinity meets a zero).
    let (slope, moment) = match density {
        LocationScale::Normal => (-z, -z * z),
        LocationScale::Cauchy if z == 0.0 => (0.0, 0.0),
        LocationScale::Cauchy => (-2.0 / (z + z.recip()), -2.0 / (1.0 + (z * z).recip())),
        LocationScale::Laplace if z == 0.0 => (0.0, 0.0),
        LocationScale::Laplace => (-z.signum(), -z.abs()),
    };
    Slopes { value: slope / scale, location: -slope / scale, scale: (-moment - 1.0) / scale }
}

/// The factor of the precision `1 / scale²` that a normal density must have in place of `density`
/// at `z = (x - location) / scale`, so that maximising the one improves the other: the weight of
/// the scale mixture of normals. It is `-(d/dz log density) / z`.
pub(crate) fn mixing_weight(density: LocationScale, z: f64) -> f64 {
    match density {
        LocationScale::Normal => 1.0,
        LocationScale::Cauchy => 2.0 / (1.0 + z * z),
        // At the location itself the weight is infinite.
        LocationScale::Laplace => z.abs().max(SMALLEST_DEVIATION).recip(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [LocationScale; 3] =
        [LocationScale::Normal, LocationScale::Cauchy, LocationScale::Laplace];

    #[test]
    fn densities_integrate_to_one() {
        for density in ALL {
            // Substituting x = tan(t) covers the whole line, Cauchy's heavy tails included.
            let steps = 200_000;
            let width = PI / f64::from(steps);
            let total: f64 = (0..steps)
                .map(|step| {
                    let t = -PI / 2.0 + (f64::from(step) + 0.5) * width;
                    log_density(density, t.tan(), 0.4, 1.7).exp() / t.cos().powi(2) * width
                })
                .sum();
            assert!((total - 1.0).abs() < 1e-6, "{density:?}: {total}");
        }
    }

    #[test]
    fn slopes_are_the_derivatives() {
        let step = 1e-6;
        for density in ALL {
            for x in [-3.0, 0.2, 5.0] {
                let f = |x, location, scale| log_density(density, x, location, scale);
                let exact = slopes(density, x, 0.5, 1.3);
                let pairs = [
                    (exact.value, f(x + step, 0.5, 1.3) - f(x - step, 0.5, 1.3)),
                    (exact.location, f(x, 0.5 + step, 1.3) - f(x, 0.5 - step, 1.3)),
                    (exact.scale, f(x, 0.5, 1.3 + step) - f(x, 0.5, 1.3 - step)),
                ];
                for (slope, difference) in pairs {
                    assert!((slope - difference / (2.0 * step)).abs() < 1e-8, "{density:?} at {x}");
                }
            }
        }
    }

    #[test]
    fn mixing_weights_are_slopes_of_the_density() {
        for density in ALL {
            for z in [-3.0, -2e-3, 0.2, 5.0] {
                let slope = slopes(density, z, 0.0, 1.0).value;
                let error = mixing_weight(density, z) * z + slope;
                assert!(error.abs() < 1e-12, "{density:?} at {z}: {error}");
            }
        }
        let near = mixing_weight(LocationScale::Laplace, 1e-9);
        assert_eq!(near, mixing_weight(LocationScale::Laplace, 0.0));
        assert!((near - 1e3).abs() < 1e-9);
    }

    #[test]
    fn the_cauchy_tail_does_not_overflow() {
        let far = log_density(LocationScale::Cauchy, 1e200, 0.0, 1.0);
        assert!((far + 2.0 * 200.0 * 10_f64.ln() + PI.ln()).abs() < 1e-9);
    }
}
