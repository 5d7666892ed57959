//! `Conv2DSum`: sums over the channels of each image cell, with the same weights in all cells.
//!
//! `[rows, columns, channels]` to `[rows, columns, num_sums]`; weights
//! `[1, 1, channels, num_sums]`, tied by all nodes reading the same slice.

use super::build::Initialization;
use super::lowering::{Lowering, Tensor};
use super::shape::TensorShape;
use super::sum_options::sum_layer;
use super::{LayerProblem, LayerRules, ParameterSpec};

sum_layer! {
    /// Sums with weights shared by all cells.
    Conv2DSum
}

impl Conv2DSum {
    fn weight_shape(&self, input: TensorShape) -> Result<[usize; 4], LayerProblem> {
        Ok([1, 1, input.units()?.2, self.0.num_sums])
    }
}

impl LayerRules for Conv2DSum {
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        let (rows, columns, _) = input.units()?;
        self.0.check(&self.weight_shape(input)?)?;
        TensorShape::of_units(rows, columns, self.0.num_sums)
    }

    fn parameters(&self, input: TensorShape) -> Result<Vec<ParameterSpec>, LayerProblem> {
        Ok(self.0.parameters(&self.weight_shape(input)?))
    }

    fn initialize(
        &self,
        input: TensorShape,
        initialization: &Initialization<'_>,
    ) -> Result<Vec<Vec<f64>>, LayerProblem> {
        self.0.initialize(&self.weight_shape(input)?, initialization)
    }

    fn lower(&self, input: &Tensor, lowering: &mut Lowering<'_>) -> Result<Tensor, LayerProblem> {
        self.0.lower_cells(&self.weight_shape(input.shape)?, true, input, lowering)
    }
}
