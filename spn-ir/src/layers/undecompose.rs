//! `Undecompose`: joins neighbouring decompositions on the node axis.
//!
//! `[scopes, decomps, nodes]` to `[scopes, num_decomps, nodes · decomps / num_decomps]`. Adds no
//! nodes: a cell becomes a list of nodes.

use serde::{Deserialize, Serialize};

use super::lowering::{Cell, Lowering, Tensor};
use super::shape::{TensorShape, product};
use super::{LayerProblem, LayerRules};

/// Joins decompositions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undecompose {
    /// How many decompositions remain; default 1.
    #[serde(default = "one")]
    pub num_decomps: usize,
}

fn one() -> usize {
    1
}

impl Undecompose {
    /// Leaves this many decompositions.
    #[must_use]
    pub fn new(num_decomps: usize) -> Self {
        Self { num_decomps }
    }
}

impl LayerRules for Undecompose {
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        LayerProblem::at_least_one("num_decomps", self.num_decomps)?;
        let (scopes, decompositions, nodes) = input.units()?;
        if !decompositions.is_multiple_of(self.num_decomps) {
            return Err(LayerProblem::NotDivisible {
                option: "num_decomps",
                by: self.num_decomps,
                what: "decompositions",
                count: decompositions,
                mend: "use a divisor",
            });
        }
        let joined = decompositions / self.num_decomps;
        let nodes = product("the joined nodes", &[nodes, joined])?;
        TensorShape::of_units(scopes, self.num_decomps, nodes)
    }

    fn lower(&self, input: &Tensor, lowering: &mut Lowering<'_>) -> Result<Tensor, LayerProblem> {
        let (scopes, decompositions, _) = input.shape.units()?;
        let output = self.output(input.shape)?.units()?;
        let joined = decompositions / self.num_decomps;
        let mut cells = Vec::with_capacity(scopes * self.num_decomps);
        for group in input.cells.chunks_exact(joined) {
            cells.push(join(group, output.2 as u32, lowering)?);
        }
        Ok(Tensor::of_units(output, cells))
    }
}

/// One cell with the values of several, one after the other.
pub(crate) fn join(
    cells: &[Cell],
    units: u32,
    lowering: &mut Lowering<'_>,
) -> Result<Cell, LayerProblem> {
    let mut joined = Cell::padding(units);
    if cells.iter().all(Cell::is_padding) {
        return Ok(joined);
    }
    for cell in cells {
        joined.nodes.extend(lowering.nodes(cell)?);
    }
    Ok(joined)
}
