//! `RootSum`: the sum over all nodes of all decompositions, the network's last layer.
//!
//! `[1, decomps, nodes]` to `[1]`, or with `return_weighted_child_logits` to one value
//! `log p(x, y = child)` for each child, `[decomps · nodes]`; weights `[1, 1, decomps · nodes, 1]`.
//! The circuit is the same in both cases: its root is the sum, whose weighted inputs are the
//! children's values.

use serde::{Deserialize, Serialize};

use crate::initializers::Initializer;

use super::build::Initialization;
use super::lowering::{Lowering, Tensor};
use super::shape::{TensorShape, product};
use super::{ConstraintChoice, LayerProblem, LayerRules, ParameterSpec, SumOptions};

/// The root. Options as in [`SumOptions`], without `num_sums`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootSum {
    /// Whether the layer's output is the children's joint log probabilities; default true. Says
    /// which outputs the network has; the circuit is the same.
    #[serde(default = "yes")]
    pub return_weighted_child_logits: bool,
    /// Whether logarithms of weights are stored; `None` (the default) is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logspace_accumulators: Option<bool>,
    /// First weights (not their logarithms); default `Dirichlet` with alpha 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accumulator_initializer: Option<Initializer>,
    /// Constraint of weights that are not logarithms; default `GreaterEqualEpsilonNormalized`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear_accumulator_constraint: Option<ConstraintChoice>,
    /// Constraint of weights' logarithms; default `LogNormalized`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logspace_accumulator_constraint: Option<ConstraintChoice>,
    /// Whether training changes the weights; default true.
    #[serde(default = "yes")]
    pub trainable: bool,
}

fn yes() -> bool {
    true
}

impl Default for RootSum {
    fn default() -> Self {
        Self {
            return_weighted_child_logits: true,
            logspace_accumulators: None,
            accumulator_initializer: None,
            linear_accumulator_constraint: None,
            logspace_accumulator_constraint: None,
            trainable: true,
        }
    }
}

impl RootSum {
    /// A root whose output is the log-likelihood only.
    #[must_use]
    pub fn joined() -> Self {
        Self { return_weighted_child_logits: false, ..Self::default() }
    }

    fn options(&self) -> SumOptions {
        SumOptions {
            num_sums: 1,
            logspace_accumulators: self.logspace_accumulators,
            accumulator_initializer: self.accumulator_initializer.clone(),
            linear_accumulator_constraint: self.linear_accumulator_constraint,
            logspace_accumulator_constraint: self.logspace_accumulator_constraint,
            trainable: self.trainable,
        }
    }
}

fn weight_shape(input: TensorShape) -> Result<[usize; 4], LayerProblem> {
    let (_, decompositions, nodes) = input.units()?;
    Ok([1, 1, product("the root's weights", &[decompositions, nodes])?, 1])
}

impl LayerRules for RootSum {
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        let (scopes, _, _) = input.units()?;
        let shape = weight_shape(input)?;
        self.options().check(&shape)?;
        if scopes != 1 {
            return Err(LayerProblem::WrongInput {
                expected: "a single scope [1, decomps, nodes]",
                found: input.to_string(),
                mend: "multiply all scopes below it; after an image use SpatialToRegions",
            });
        }
        let count = if self.return_weighted_child_logits { shape[2] } else { 1 };
        Ok(TensorShape::Root { count })
    }

    fn parameters(&self, input: TensorShape) -> Result<Vec<ParameterSpec>, LayerProblem> {
        Ok(self.options().parameters(&weight_shape(input)?))
    }

    fn initialize(
        &self,
        input: TensorShape,
        initialization: &Initialization<'_>,
    ) -> Result<Vec<Vec<f64>>, LayerProblem> {
        self.options().initialize(&weight_shape(input)?, initialization)
    }

    fn lower(&self, input: &Tensor, lowering: &mut Lowering<'_>) -> Result<Tensor, LayerProblem> {
        let shape = self.output(input.shape)?;
        let cell = self.options().lower_joined(&weight_shape(input.shape)?, input, lowering)?;
        Ok(Tensor { shape, cells: vec![cell] })
    }
}
