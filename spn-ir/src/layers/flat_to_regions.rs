//! `FlatToRegions`: input rows become regions, one scope for each variable, copied once for each
//! decomposition. Adds no nodes; leaves of different decompositions have their own parameters.

use serde::{Deserialize, Serialize};

use super::lowering::{Lowering, Tensor};
use super::shape::{TensorShape, product};
use super::{LayerProblem, LayerRules};

/// `[variables]` or `[variables, dimensions]` to `[variables, num_decomps, dimensions]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlatToRegions {
    /// How many decompositions (copies of every scope) there are.
    pub num_decomps: usize,
}

impl FlatToRegions {
    /// Regions with this many decompositions.
    #[must_use]
    pub fn new(num_decomps: usize) -> Self {
        Self { num_decomps }
    }
}

impl LayerRules for FlatToRegions {
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        LayerProblem::at_least_one("num_decomps", self.num_decomps)?;
        let TensorShape::Rows { variables, dimensions } = input else {
            return Err(LayerProblem::WrongInput {
                expected: "input rows [variables] or [variables, dimensions]",
                found: input.to_string(),
                mend: "images go into a leaf layer directly, without FlatToRegions",
            });
        };
        let dimensions = dimensions.unwrap_or(1);
        product("the layer's output", &[variables, self.num_decomps, dimensions])?;
        let (rows, columns) = (variables, self.num_decomps);
        Ok(TensorShape::Variables { rows, columns, dimensions, tiled: true })
    }

    fn lower(&self, input: &Tensor, _: &mut Lowering<'_>) -> Result<Tensor, LayerProblem> {
        Ok(Tensor::without_nodes(self.output(input.shape)?))
    }
}
