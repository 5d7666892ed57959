//! `LogDropout`: dropout of sum children, in training only. A dropped value becomes log 0,
//! nothing is rescaled. Marks values by products of one factor; padding cells are never dropped
//! (the reference drops them, too).

use serde::{Deserialize, Serialize};

use crate::DropoutKind;

use super::dropout::{Noise, mark};
use super::lowering::{Lowering, Tensor};
use super::shape::TensorShape;
use super::{LayerProblem, LayerRules};

/// Dropout of sum children. Masks are reproducible from the seed of the training run, so `seed`
/// has no effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogDropout {
    /// Probability of dropping a value, in `[0, 1]`.
    pub rate: f64,
    /// The noise's shape without the batch: 1 where values share a draw, `null` or the axis'
    /// length elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_shape: Option<Vec<Option<usize>>>,
    /// Accepted for compatibility.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Keeps the value with the largest random number along this axis of
    /// `[batch, rows, columns, units]`. Only the units' axis, 3 or -1, is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis_at_least_one: Option<i64>,
}

impl LogDropout {
    /// Dropout with this rate.
    #[must_use]
    pub fn new(rate: f64) -> Self {
        Self { rate, noise_shape: None, seed: None, axis_at_least_one: None }
    }

    /// Keeps at least one unit of every cell.
    #[must_use]
    pub fn at_least_one_unit(mut self) -> Self {
        self.axis_at_least_one = Some(-1);
        self
    }
}

impl LayerRules for LogDropout {
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        let shape = input.units()?;
        if !(0.0..=1.0).contains(&self.rate) {
            let reason = format!("is {}; it must be between 0 and 1", self.rate);
            return Err(LayerProblem::BadOption { option: "rate", reason });
        }
        let noise = Noise::new(self.noise_shape.as_deref(), shape)?;
        let bad = |reason| Err(LayerProblem::BadOption { option: "axis_at_least_one", reason });
        match self.axis_at_least_one {
            None => Ok(input),
            Some(-1 | 3) if noise.is_independent_over_units() => Ok(input),
            Some(-1 | 3) => bad("needs noise of its own for every unit: see `noise_shape`".into()),
            Some(axis) => bad(format!(
                "is {axis}; only the units' axis of [batch, rows, columns, units], 3 or -1, is offered"
            )),
        }
    }

    fn lower(&self, input: &Tensor, lowering: &mut Lowering<'_>) -> Result<Tensor, LayerProblem> {
        let keep_one = self.axis_at_least_one.is_some();
        if keep_one && input.cells.iter().any(|cell| cell.nodes.len() > 1) {
            let reason = "works on cells that are one block; put LogDropout below \
                          SpatialToRegions or Undecompose"
                .to_owned();
            return Err(LayerProblem::BadOption { option: "axis_at_least_one", reason });
        }
        let noise = Noise::new(self.noise_shape.as_deref(), input.shape.units()?)?;
        mark(input, DropoutKind::Sum { keep_one }, self.rate, noise, lowering)
    }
}
