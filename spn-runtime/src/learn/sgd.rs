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
