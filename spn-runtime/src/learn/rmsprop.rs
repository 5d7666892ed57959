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
