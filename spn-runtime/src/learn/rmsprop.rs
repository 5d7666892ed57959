//! RMSprop (Hinton 2012), as in the reference library's Keras 2: the step is divided by the root of
//! a running mean square, plus epsilon. (Keras 3 adds epsilon below the root.)

use serde::{Deserialize, Serialize};

use super::optimizer::Rule;
use crate::Number;

/// Options of RMSprop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RmsProp {
    /// Decay of the mean square.
    pub rho: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
}

impl Default for RmsProp {
    fn default() -> Self {
        Self { rho: 0.9, epsilon: 1e-7 }
    }
}

impl Rule for RmsProp {
    const SLOTS: usize = 1;

    #[inline(always)]
    fn apply<E: Number>(
        &self,
        rate: f64,
        _step: u64,
        gradient: &[E],
        values: &mut [E],
        slots: [&mut [E]; 2],
    ) {
        let (rate, rho) = (E::from_f64(rate), E::from_f64(self.rho));
        let epsilon = E::from_f64(self.epsilon);
        let [squares, _] = slots;
        for ((value, &g), square) in values.iter_mut().zip(gradient).zip(squares) {
            *square = rho * *square + (E::ONE - rho) * g * g;
            *value -= rate * g / (square.sqrt() + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gradient as small as epsilon shows where epsilon stands: `0.1 g² = 1e-12`, so the step is
    /// `0.01 · g / (1e-6 + 1e-6)`.
    #[test]
    fn epsilon_is_added_to_the_root() {
        let rule = RmsProp { rho: 0.9, epsilon: 1e-6 };
        let (mut values, mut squares) = ([1.0_f64], [0.0]);
        let gradient = [1e-5_f64.sqrt() * 1e-3];
        rule.apply(0.01, 1, &gradient, &mut values, [&mut squares, &mut []]);
        let expected = 1.0 - 0.01 * gradient[0] / 2e-6;
        assert!((values[0] - expected).abs() < 1e-12, "{} {expected}", values[0]);
    }
}
