//! `DenseProduct`: all combinations of the units of neighbouring scopes, per decomposition.
//!
//! `[scopes, decomps, nodes]` to `[scopes / f, decomps, nodes^f]`; the first scope of a group
//! varies slowest.

use serde::{Deserialize, Serialize};

use super::lowering::{Cell, Lowering, Tensor};
use super::products::{CellProducts, Picks};
use super::shape::{TensorShape, power, product};
use super::{LayerProblem, LayerRules};

/// Products of all combinations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenseProduct {
    /// How many neighbouring scopes are multiplied; must divide their number.
    pub num_factors: usize,
}

impl DenseProduct {
    /// Products of this many neighbouring scopes.
    #[must_use]
    pub fn new(num_factors: usize) -> Self {
        Self { num_factors }
    }
}

impl LayerRules for DenseProduct {
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        let (scopes, decompositions, nodes) = input.units()?;
        let groups = groups(scopes, self.num_factors)?;
        let combinations = power("the combinations of the nodes", nodes, self.num_factors)?;
        let factors = [groups, decompositions, combinations, self.num_factors];
        product("the factors of all products", &factors)?;
        TensorShape::of_units(groups, decompositions, combinations)
    }

    fn lower(&self, input: &Tensor, lowering: &mut Lowering<'_>) -> Result<Tensor, LayerProblem> {
        let output = self.output(input.shape)?;
        lower_groups(Picks::FirstSlowest, self.num_factors, input, output, lowering)
    }
}

/// How many groups of `num_factors` neighbouring scopes there are.
pub(crate) fn groups(scopes: usize, num_factors: usize) -> Result<usize, LayerProblem> {
    LayerProblem::at_least_one("num_factors", num_factors)?;
    if scopes.is_multiple_of(num_factors) {
        return Ok(scopes / num_factors);
    }
    Err(LayerProblem::NotDivisible {
        option: "num_factors",
        by: num_factors,
        what: "scopes",
        count: scopes,
        mend: "use a divisor, or add padding scopes with PermuteAndPadScopes",
    })
}

/// Multiplies groups of neighbouring scopes.
pub(crate) fn lower_groups(
    picks: Picks,
    num_factors: usize,
    input: &Tensor,
    output: TensorShape,
    lowering: &mut Lowering<'_>,
) -> Result<Tensor, LayerProblem> {
    let (_, _, nodes) = input.shape.units()?;
    let (groups, decompositions, units) = output.units()?;
    let widths = vec![nodes as u32; num_factors];
    let mut products = CellProducts::new(picks, widths, units as u32);
    let mut cells = Vec::with_capacity(groups * decompositions);
    for group in 0..groups {
        for decomposition in 0..decompositions {
            let scopes = group * num_factors..(group + 1) * num_factors;
            let factors: Vec<Cell> = scopes
                .map(|scope| input.cells[scope * decompositions + decomposition].clone())
                .collect();
            let origin = lowering.origin(group, decomposition);
            cells.push(products.product(lowering, &factors, origin)?);
        }
    }
    Ok(Tensor::of_units((groups, decompositions, units), cells))
}
