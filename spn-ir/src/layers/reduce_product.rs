//! `ReduceProduct`: element-wise products of neighbouring scopes, per decomposition.
//!
//! `[scopes, decomps, nodes]` to `[scopes / f, decomps, nodes]`.

use serde::{Deserialize, Serialize};

use super::dense_product::{groups, lower_groups};
use super::lowering::{Lowering, Tensor};
use super::products::Picks;
use super::shape::TensorShape;
use super::{LayerProblem, LayerRules};

/// Element-wise products.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReduceProduct {
    /// How many neighbouring scopes are multiplied; must divide their number.
    pub num_factors: usize,
}

impl ReduceProduct {
    /// Products of this many neighbouring scopes.
    #[must_use]
    pub fn new(num_factors: usize) -> Self {
        Self { num_factors }
    }
}

impl LayerRules for ReduceProduct {
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        let (scopes, decompositions, nodes) = input.units()?;
        TensorShape::of_units(groups(scopes, self.num_factors)?, decompositions, nodes)
    }

    fn lower(&self, input: &Tensor, lowering: &mut Lowering<'_>) -> Result<Tensor, LayerProblem> {
        let output = self.output(input.shape)?;
        lower_groups(Picks::ElementWise, self.num_factors, input, output, lowering)
    }
}
