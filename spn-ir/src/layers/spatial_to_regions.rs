//! `SpatialToRegions`: all cells of an image become alternative nodes of one scope.
//!
//! `[rows, columns, channels]` to `[1, 1, rows · columns · channels]`, row-major. Adds no nodes.

use serde::{Deserialize, Serialize};

use super::lowering::{Lowering, Tensor};
use super::shape::{TensorShape, product};
use super::undecompose::join;
use super::{LayerProblem, LayerRules};

/// Joins all cells of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpatialToRegions {}

impl LayerRules for SpatialToRegions {
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        let (rows, columns, channels) = input.units()?;
        let nodes = product("the joined nodes", &[rows, columns, channels])?;
        TensorShape::of_units(1, 1, nodes)
    }

    fn lower(&self, input: &Tensor, lowering: &mut Lowering<'_>) -> Result<Tensor, LayerProblem> {
        let output = self.output(input.shape)?.units()?;
        let cell = join(&input.cells, output.2 as u32, lowering)?;
        Ok(Tensor::of_units(output, vec![cell]))
    }
}
