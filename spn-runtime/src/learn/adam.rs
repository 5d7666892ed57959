//! Adam (Kingma and Ba 2015), with the bias correction folded into the step size as in Keras.

use serde::{Deserialize, Serialize};

use super::optimizer::Rule;
use crate::Number;

/// Options of Adam.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// Decay of the mean of the gradients.
    pub beta_1: f64,
    /// Decay of the mean of their squares.
    pub beta_2: f64,
    /// Added to the root of the mean of squares.
    pub epsilon: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

impl Rule for Adam {
    const SLOTS: usize = 2;

    #[inline(always)]
    fn apply<E: Number>(
        &self,
        rate: f64,
        step: u64,
        gradient: &[E],
        values: &mut [E],
        slots: [&mut [E]; 2],
    ) {
        let power = |beta: f64| 1.0 - beta.powf(step as f64);
        let size = E::from_f64(rate * power(self.beta_2).sqrt() / power(self.beta_1));
        let keep_1 = E::from_f64(1.0 - self.beta_1);
        let keep_2 = E::from_f64(1.0 - self.beta_2);
        let epsilon = E::from_f64(self.epsilon);
        let [means, squares] = slots;
        let state = means.iter_mut().zip(squares);
        for ((value, &g), (mean, square)) in values.iter_mut().zip(gradient).zip(state) {
            *mean += (g - *mean) * keep_1;
            *square += (g * g - *square) * keep_2;
            *value -= *mean * size / (square.sqrt() + epsilon);
        }
    }
}
