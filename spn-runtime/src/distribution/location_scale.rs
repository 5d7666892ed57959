//! Normal, Cauchy and Laplace components.
//!
//! With a temperature `T`, normal components have their deviation times `√T` and Laplace components
//! their scale times `T`, which are their densities to the power `1/T`. That of a Cauchy component has
//! no integral for `T ≥ 2`; its scale is multiplied by `T` instead.

use std::f64::consts::{LN_2, PI, TAU};

use spn_ir::LocationScale;

use super::RandomNumbers;

/// A sample for location 0 and scale 1.
#[inline]
pub(super) fn sample(family: LocationScale, temperature: f64, numbers: &mut RandomNumbers) -> f64 {
    match family {
        LocationScale::Normal => {
            // Box and Muller (1958); 1 - u is never 0.
            let radius = (-2.0 * (1.0 - numbers.uniform()).ln()).sqrt();
            radius * (TAU * numbers.uniform()).cos() * temperature.sqrt()
        }
        LocationScale::Cauchy => (PI * (numbers.uniform() - 0.5)).tan() * temperature,
        LocationScale::Laplace => {
            let number = 2.0 * numbers.uniform() - 1.0;
            // `1 - |number|` is 0 for the number 0 alone, which is taken as the smallest one.
            let tail = (1.0 - number.abs()).max(f64::EPSILON / 2.0);
            -number.signum() * tail.ln() * temperature
        }
    }
}

/// The log-density at the location.
pub(super) fn log_density_of_mode(family: LocationScale, scale: f64) -> f64 {
    let base = match family {
        LocationScale::Normal => -0.5 * TAU.ln(),
        LocationScale::Cauchy => -PI.ln(),
        LocationScale::Laplace => -LN_2,
    };
    base - scale.ln()
}

/// The mean; a Cauchy component has none.
pub(super) fn mean(family: LocationScale, location: f64) -> f64 {
    match family {
        LocationScale::Normal | LocationScale::Laplace => location,
        LocationScale::Cauchy => f64::NAN,
    }
}

/// The variance; a Cauchy component has none.
pub(super) fn variance(family: LocationScale, scale: f64) -> f64 {
    match family {
        LocationScale::Normal => scale * scale,
        LocationScale::Laplace => 2.0 * scale * scale,
        LocationScale::Cauchy => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distribution functions at scale 1, of densities to the power `1 / temperature` (Cauchy: of the
    /// widened density). That of the normal density by the midpoint rule.
    fn cumulative(family: LocationScale, temperature: f64, z: f64) -> f64 {
        match family {
            LocationScale::Normal => {
                let z = z / temperature.sqrt();
                let steps = 2000;
                let width = z / f64::from(steps);
                let density = |step| (-0.5 * ((f64::from(step) + 0.5) * width).powi(2)).exp();
                0.5 + (0..steps).map(density).sum::<f64>() * width / TAU.sqrt()
            }
            LocationScale::Cauchy => 0.5 + (z / temperature).atan() / PI,
            LocationScale::Laplace => {
                let tail = 0.5 * (-z.abs() / temperature).exp();
                if z < 0.0 { tail } else { 1.0 - tail }
            }
        }
    }

    /// The test of Kolmogorov and Smirnov: with 1 % of errors the statistic stays below `1.63 / √n`.
    #[test]
    fn samples_follow_the_distribution() {
        const COUNT: usize = 4000;
        for family in [LocationScale::Normal, LocationScale::Cauchy, LocationScale::Laplace] {
            for temperature in [0.3, 1.0, 2.5] {
                let mut numbers = RandomNumbers::new(7, 0, 0);
                let mut samples: Vec<f64> =
                    (0..COUNT).map(|_| sample(family, temperature, &mut numbers)).collect();
                samples.sort_by(f64::total_cmp);
                let count = COUNT as f64;
                let distance = samples.iter().enumerate().map(|(index, z)| {
                    let expected = cumulative(family, temperature, *z);
                    let (below, above) = (index as f64 / count, (index + 1) as f64 / count);
                    (expected - below).abs().max((above - expected).abs())
                });
                let largest = distance.fold(0.0, f64::max);
                assert!(largest < 1.63 / count.sqrt(), "{family:?} at {temperature}: {largest}");
            }
        }
    }

    #[test]
    fn the_mode_has_the_density_of_the_formula() {
        let expected = [
            (LocationScale::Normal, 1.0 / (2.0 * TAU.sqrt())),
            (LocationScale::Cauchy, 1.0 / (2.0 * PI)),
            (LocationScale::Laplace, 0.25),
        ];
        for (family, density) in expected {
            assert!((log_density_of_mode(family, 2.0).exp() - density).abs() < 1e-15);
        }
    }
}
