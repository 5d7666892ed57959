//! Regularisation: penalties on the linear weights of sums, added to the loss.
//!
//! With all trainable weights `w` of the different weight matrices, tied ones counted once:
//!
//! | term | penalty | derivative with respect to `w` |
//! |---|---|---|
//! | `l1` | `Σ abs(w)` | the sign of `w` |
//! | `l2` | `Σ w²` | `2 w` |
//! | `entropy` | `-Σ_units H = Σ w ln w` | `ln w + 1` |
//!
//! They are functions of linear weights whatever is stored, so their derivatives are added where
//! those of the data are summed up, and both are pulled back to the parameters together.

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use spn_ir::QuantityId;
use spn_ir::plan::Plan;

use crate::error::require;
use crate::matrices::weight_matrices;
use crate::query::Sums;
use crate::simd::Real;
use crate::{Executable, Number, RunError};

/// Values of one parallel job, and of one partial sum of the penalty.
const CHUNK: usize = 1 << 14;

/// How much of each penalty is added to the loss; 0 is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Regularization {
    /// Factor of the sum of absolute weights. On weights that are normalised this is a constant.
    pub l1: f64,
    /// Factor of the sum of squared weights; draws normalised weights towards equal ones.
    pub l2: f64,
    /// Factor of the entropies `H = -Σ_i w_i ln w_i` of all sum units, which are taken *off* the
    /// loss: weights are drawn towards equal ones. A negative factor draws towards sparse ones.
    pub entropy: f64,
}

impl Regularization {
    /// Checks that the factors are finite, and those of `l1` and `l2` not negative.
    ///
    /// # Errors
    /// If they are not.
    pub fn check(&self) -> Result<(), RunError> {
        for (option, factor) in [("the factor of l1", self.l1), ("the factor of l2", self.l2)] {
            let valid = factor.is_finite() && factor >= 0.0;
            require(valid, option, factor, "finite and not less than 0")?;
        }
        require(self.entropy.is_finite(), "the factor of the entropy", self.entropy, "finite")
    }

    /// Adds the penalty to the loss and its derivatives to those with respect to quantities.
    /// Costs one pass over the weights, with a logarithm of each for the entropy.
    pub(crate) fn add<E: Number>(&self, executable: &Executable<E>, derivatives: &mut Sums<E>) {
        if *self == Self::default() {
            return;
        }
        for (quantity, range) in trained_weights(executable.plan()) {
            let weights = &executable.quantities()[quantity.index()][range.clone()];
            let derivative = &mut derivatives.quantities[quantity.index()][range];
            let jobs = weights.par_chunks(CHUNK).zip(derivative.par_chunks_mut(CHUNK));
            let parts: Vec<f64> = jobs.map(|(w, d)| self.add_chunk(w, d)).collect();
            derivatives.loss += parts.iter().sum::<f64>();
        }
    }

    /// The penalty of some weights; adds its derivatives to theirs.
    fn add_chunk<E: Number>(&self, weights: &[E], derivatives: &mut [E]) -> f64 {
        let mut penalty = 0.0;
        for (weight, derivative) in weights.iter().zip(derivatives) {
            let w = Real::to_f64(*weight);
            let sign = if w == 0.0 { 0.0 } else { w.signum() };
            penalty += self.l1 * w.abs() + self.l2 * w * w;
            let mut slope = self.l1 * sign + 2.0 * self.l2 * w;
            if self.entropy != 0.0 {
                // `w ln w` goes to 0 with w, but its slope to -inf, which times a weight of 0 (the
                // derivative of log weights) would be NaN. It ends at the smallest normal weight.
                let logarithm = Real::to_f64(Real::max(*weight, E::min_positive_value())).ln();
                penalty += self.entropy * if w > 0.0 { w * logarithm } else { 0.0 };
                slope += self.entropy * (logarithm + 1.0);
            }
            *derivative += E::from_f64(slope);
        }
        penalty
    }
}

/// Where the trainable weights of sums lie. Neighbouring matrices make one range, so that many
/// small ones are as fast as a large one.
fn trained_weights(plan: &Plan) -> Vec<(QuantityId, Range<usize>)> {
    let mut ranges: Vec<(QuantityId, Range<usize>)> = Vec::new();
    for matrix in weight_matrices(plan) {
        let quantity = matrix.slice.quantity;
        if !plan.quantities[quantity.index()].is_trainable(&plan.parameters) {
            continue;
        }
        let start = matrix.slice.offset as usize;
        let end = start + matrix.inputs * matrix.outputs;
        match ranges.last_mut() {
            Some((last, range)) if *last == quantity && range.end == start => range.end = end,
            _ => ranges.push((quantity, start..end)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use spn_compiler::{Options, compile};

    use super::*;

    const CIRCUIT: &str = "spn 1
        variables 2
        parameter tied [2 1] = [0.25 0.75]
        parameter frozen [2 1] frozen = [0.5 0.5]
        quantity tied = direct(tied)
        quantity frozen = direct(frozen)
        a = leaf indicator(0) x2
        b = leaf indicator(1) x2
        c = leaf indicator(1) x2
        s = sum(a) weights=tied
        t = sum(b) weights=tied
        p = product(s, t)
        u = sum(a) weights=tied
        v = sum(c) weights=frozen
        q = product(u, v)
        r = sum(p, q) weights=[1 0]
        root r";

    /// The gradient, and what a regularisation adds to the loss and to it: once for weights that
    /// three sums share, with a weight of 0 at the root, nothing for frozen ones.
    #[test]
    fn tied_weights_count_once_and_frozen_ones_not() {
        let circuit = spn_ir::text::parse(CIRCUIT).unwrap();
        let executable =
            Executable::<f64>::new(compile(&circuit, &Options::default()).unwrap()).unwrap();
        let rows = crate::Rows::new(&[0.0, 1.0], 2).unwrap();
        let gradient = |regularization| {
            let options = crate::GradientOptions { regularization, ..Default::default() };
            executable.gradient(rows, &options).unwrap()
        };
        let plain = gradient(Regularization::default());
        let added = |regularization| {
            let all = gradient(regularization);
            let parts = all.parameters.concat().into_iter().zip(plain.parameters.concat());
            let parts: Vec<f64> = parts.map(|(all, plain)| all - plain).collect();
            (all.loss - plain.loss, parts)
        };
        let none = Regularization::default();
        let smallest = f64::MIN_POSITIVE.ln() + 1.0;
        // Parameters are tied, frozen and the root's weights; the sums of w, w² and w ln w are
        let l2 = 0.25 * 0.25 + 0.75 * 0.75 + 1.0;
        let logs = 0.25 * 0.25_f64.ln() + 0.75 * 0.75_f64.ln();
        let slopes = [0.25_f64.ln() + 1.0, 0.75_f64.ln() + 1.0];
        let cases = [
            (Regularization { l1: 3.0, ..none }, 6.0, [3.0, 3.0, 0.0, 0.0, 3.0, 0.0]),
            (Regularization { l2: 2.0, ..none }, 2.0 * l2, [1.0, 3.0, 0.0, 0.0, 4.0, 0.0]),
            (
                Regularization { entropy: 2.0, ..none },
                2.0 * logs,
                [2.0 * slopes[0], 2.0 * slopes[1], 0.0, 0.0, 2.0, 2.0 * smallest],
            ),
        ];
        for (regularization, loss, parts) in cases {
            let (added_loss, added_parts) = added(regularization);
            assert!((added_loss - loss).abs() < 1e-12, "{regularization:?}: {added_loss} {loss}");
            for (added, part) in added_parts.iter().zip(parts) {
                assert!((added - part).abs() < 1e-11, "{regularization:?}: {added_parts:?}");
            }
        }
    }

    #[test]
    fn factors_are_checked() {
        let none = Regularization::default();
        for wrong in [f64::NAN, f64::INFINITY] {
            assert!(Regularization { l1: wrong, ..none }.check().is_err());
            assert!(Regularization { l2: wrong, ..none }.check().is_err());
            assert!(Regularization { entropy: wrong, ..none }.check().is_err());
        }
        assert!(Regularization { l1: -1.0, ..none }.check().is_err());
        assert!(Regularization { l2: -1.0, ..none }.check().is_err());
        assert_eq!(Regularization { entropy: -1.0, ..none }.check(), Ok(()));
    }

    #[test]
    fn names_in_files() {
        let read: Regularization = serde_json::from_str(r#"{"l2": 0.5, "entropy": 1}"#).unwrap();
        assert_eq!(read, Regularization { l1: 0.0, l2: 0.5, entropy: 1.0 });
        assert!(serde_json::from_str::<Regularization>(r#"{"l3": 1}"#).is_err());
    }
}
