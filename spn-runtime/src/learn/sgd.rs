//! Stochastic gradient descent with optional (Nesterov) momentum, as in Keras.

use serde::{Deserialize, Serialize};

use super::optimizer::Rule;
use crate::Number;

/// Options of gradient descent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// How much of the last step is added to the next one.
    pub momentum: f64,
    /// Whether the gradient step looks ahead (Nesterov 1983).
    pub nesterov: bool,
}

impl Rule for Sgd {
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
        let (rate, momentum) = (E::from_f64(rate), E::from_f64(self.momentum));
        let [velocities, _] = slots;
        for ((value, &g), velocity) in values.iter_mut().zip(gradient).zip(velocities) {
            *velocity = momentum * *velocity - rate * g;
            *value += if self.nesterov { momentum * *velocity - rate * g } else { *velocity };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value after each of three steps of size 0.1, from 1.
    fn path(rule: Sgd) -> [f64; 3] {
        let (mut value, mut velocity) = ([1.0_f64], [0.0]);
        [2.0, -1.0, 0.5].map(|gradient| {
            rule.apply(0.1, 1, &[gradient], &mut value, [&mut velocity, &mut []]);
            value[0]
        })
    }

    fn assert_path(rule: Sgd, expected: [f64; 3]) {
        for (value, expected) in path(rule).iter().zip(expected) {
            assert!((value - expected).abs() < 1e-15, "{rule:?}: {:?}", path(rule));
        }
    }

    #[test]
    fn without_momentum_the_gradient_is_the_step() {
        assert_path(Sgd { momentum: 0.0, nesterov: false }, [0.8, 0.9, 0.85]);
        assert_path(Sgd { momentum: 0.0, nesterov: true }, [0.8, 0.9, 0.85]);
    }

    /// Keras: `v = momentum v - rate g; value += v`, with velocities -0.2, 0 and -0.05.
    #[test]
    fn momentum_adds_half_of_the_last_step() {
        assert_path(Sgd { momentum: 0.5, nesterov: false }, [0.8, 0.8, 0.75]);
    }

    /// Keras: `value += momentum v - rate g` with the new velocity: -0.1 - 0.2, 0 + 0.1 and
    /// -0.025 - 0.05.
    #[test]
    fn nesterov_steps_ahead_of_the_new_velocity() {
        assert_path(Sgd { momentum: 0.5, nesterov: true }, [0.7, 0.8, 0.725]);
    }
}
