//! `TemporalDenseProduct`: all combinations of the previous step's interface and this step's.
//!
//! `[scopes, decomps, a]` and `[scopes, decomps, b]` to `[scopes, decomps, a · b]`, the previous
//! step's unit varying slowest. It takes two inputs, so it is no layer of a stack: a
//! [`DynamicNetwork`](super::DynamicNetwork) puts it between its interfaces and its top.

use super::LayerProblem;
use super::lowering::{Cell, Lowering, Tensor};
use super::products::{CellProducts, Picks};
use super::shape::{TensorShape, product};

/// The output's shape; both inputs have the same cells.
pub(crate) fn output(
    previous: TensorShape,
    current: TensorShape,
) -> Result<TensorShape, LayerProblem> {
    let (rows, columns, before) = previous.units()?;
    let (current_rows, current_columns, now) = current.units()?;
    if (rows, columns) != (current_rows, current_columns) {
        return Err(LayerProblem::WrongInput {
            expected: "two interfaces with the same cells",
            found: format!("{previous} and {current}"),
            mend: "let both interfaces keep the template's scopes and decompositions",
        });
    }
    let units = product("the combinations of the interfaces", &[before, now])?;
    TensorShape::of_units(rows, columns, units)
}

/// Adds the products.
pub(crate) fn lower(
    previous: &Tensor,
    current: &Tensor,
    lowering: &mut Lowering<'_>,
) -> Result<Tensor, LayerProblem> {
    let (rows, columns, units) = output(previous.shape, current.shape)?.units()?;
    let widths = [previous, current].map(|tensor| tensor.shape.units().map(|shape| shape.2 as u32));
    let [before, now] = widths;
    let mut products = CellProducts::new(Picks::FirstSlowest, vec![before?, now?], units as u32);
    let mut cells = Vec::with_capacity(rows * columns);
    for (index, (before, now)) in previous.cells.iter().zip(&current.cells).enumerate() {
        let factors: [Cell; 2] = [before.clone(), now.clone()];
        let origin = lowering.origin(index / columns, index % columns);
        cells.push(products.product(lowering, &factors, origin)?);
    }
    Ok(Tensor::of_units((rows, columns, units), cells))
}
