//! AdamW: Adam with decoupled weight decay (Loshchilov and Hutter 2019).

use serde::{Deserialize, Serialize};

use super::Adam;
use super::optimizer::Rule;
use crate::Number;

/// Options of AdamW: Adam's, and the decay `value -= rate · weight_decay · value`, which is no part
/// of the gradient, so that it is not divided by the root of the mean of squares.
///
/// What it does depends on what a parameter is. Log weights of sums are drawn towards 0; once they
/// are normalised again, each weight has become the power `1 - rate · weight_decay` of itself,
/// divided by their sum: decay draws towards *equal weights*. Linear weights that are normalised
/// all shrink by the same factor, which the normalisation undoes: decay does nothing. Locations are
/// drawn towards 0, scales that are kept as their inverse softplus towards ln 2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// Decay of the mean of the gradients.
    pub beta_1: f64,
    /// Decay of the mean of their squares.
    pub beta_2: f64,
    /// Added to the root of the mean of squares.
    pub epsilon: f64,
    /// The share of each value that a step of size 1 takes away.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        let Adam { beta_1, beta_2, epsilon } = Adam::default();
        Self { beta_1, beta_2, epsilon, weight_decay: 4e-3 }
    }
}

impl Rule for AdamW {
    const SLOTS: usize = Adam::SLOTS;

    #[inline(always)]
    fn apply<E: Number>(
        &self,
        rate: f64,
        step: u64,
        gradient: &[E],
        values: &mut [E],
        slots: [&mut [E]; 2],
    ) {
        let decay = E::from_f64(rate * self.weight_decay);
        for value in values.iter_mut() {
            *value -= decay * *value;
        }
        let Self { beta_1, beta_2, epsilon, .. } = *self;
        Adam { beta_1, beta_2, epsilon }.apply(rate, step, gradient, values, slots);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps by hand, `m` and `v` without the bias correction:
    /// 1: m = 0.2, v = 0.004, corrected 2 and 4, so value = 3 - 0.1·0.5·3 - 0.1·2/2 = 2.75.
    /// 2: m = 0.9·0.2 - 0.1·1 = 0.08, v = 0.999·0.004 + 0.001·1 = 0.004996, corrected by 0.19 and
    /// 0.001999, so value = 2.75 - 0.1·0.5·2.75 - 0.1·(0.08/0.19) / sqrt(0.004996/0.001999).
    #[test]
    fn decay_is_beside_the_gradient() {
        let rule = AdamW { epsilon: 0.0, weight_decay: 0.5, ..AdamW::default() };
        let (mut values, mut means, mut squares) = ([3.0_f64], [0.0], [0.0]);
        rule.apply(0.1, 1, &[2.0], &mut values, [&mut means, &mut squares]);
        assert!((values[0] - 2.75).abs() < 1e-12, "{}", values[0]);
        rule.apply(0.1, 2, &[-1.0], &mut values, [&mut means, &mut squares]);
        let adam = 0.1 * (0.08 / 0.19) / (0.004996_f64 / 0.001999).sqrt();
        let expected = 2.75 - 0.1375 - adam;
        assert!((values[0] - expected).abs() < 1e-12, "{} {expected}", values[0]);
    }

    /// Log weights of 0.8 and 0.2 after a step that only decays by half are those of 2 : 1, the
    /// square roots, up to their normalisation.
    #[test]
    fn log_weights_are_drawn_towards_equal_ones() {
        let rule = AdamW { weight_decay: 0.5, ..AdamW::default() };
        let mut values = [0.8_f64.ln(), 0.2_f64.ln()];
        rule.apply(1.0, 1, &[0.0, 0.0], &mut values, [&mut [0.0; 2], &mut [0.0; 2]]);
        assert!(((values[0] - values[1]).exp() - 2.0).abs() < 1e-12, "{values:?}");
    }
}
