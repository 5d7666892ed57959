//! `Local2DSum`: sums over the channels of each image cell.
//!
//! `[rows, columns, channels]` to `[rows, columns, num_sums]`; weights
//! `[rows, columns, channels, num_sums]`.

use super::build::Initialization;
use super::lowering::{Lowering, Tensor};
use super::shape::TensorShape;
use super::sum_options::sum_layer;
use super::{LayerProblem, LayerRules, ParameterSpec};

sum_layer! {
    /// Sums with weights of their own for every cell.
    Local2DSum
}

impl Local2DSum {
    fn weight_shape(&self, input: TensorShape) -> Result<[usize; 4], LayerProblem> {
        let (rows, columns, units) = input.units()?;
        Ok([rows, columns, units, self.0.num_sums])
    }
}

impl LayerRules for Local2DSum {
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        let shape = self.weight_shape(input)?;
        self.0.check(&shape)?;
        TensorShape::of_units(shape[0], shape[1], self.0.num_sums)
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
        self.0.lower_cells(&self.weight_shape(input.shape)?, false, input, lowering)
    }
}
