//! `IndicatorLeaf`: component `k` is log 1 where the variable is `k` and log 0 elsewhere.
//!
//! The reference's leaf has no missing value; here NaN is one, as for every leaf.

use serde::{Deserialize, Serialize};

use crate::{Leaf, LeafFamily};

use super::location_scale_leaf::{leaf_output, lower_leaves};
use super::lowering::{Lowering, Tensor};
use super::shape::TensorShape;
use super::{LayerProblem, LayerRules};

/// Indicators of the states `0..num_components` of each variable; no parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndicatorLeaf {
    /// How many states there are.
    pub num_components: usize,
}

impl IndicatorLeaf {
    /// Indicators of this many states.
    #[must_use]
    pub fn new(num_components: usize) -> Self {
        Self { num_components }
    }
}

impl LayerRules for IndicatorLeaf {
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        let output = leaf_output(input, self.num_components)?;
        match input {
            TensorShape::Variables { dimensions: 1, .. } => Ok(output),
            _ => Err(LayerProblem::WrongInput {
                expected: "one variable in each cell",
                found: input.to_string(),
                mend: "give the variables an axis of their own instead of several dimensions",
            }),
        }
    }

    fn lower(&self, input: &Tensor, lowering: &mut Lowering<'_>) -> Result<Tensor, LayerProblem> {
        lower_leaves(input.shape, self.num_components, lowering, |_, variables| Leaf {
            family: LeafFamily::Indicator,
            variables,
        })
    }
}
