//! `PermuteAndPadScopes`: puts the scopes of each decomposition in a given order, with padding.
//!
//! `[scopes, decomps, nodes]` to `[length, decomps, nodes]`. Adds no nodes.

use serde::{Deserialize, Serialize};

use super::lowering::{Cell, Lowering, Tensor};
use super::shape::TensorShape;
use super::{LayerProblem, LayerRules};

/// Permutes and pads scopes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermuteAndPadScopes {
    /// One list for each decomposition, all of one length: scope `j` of the output is scope
    /// `permutations[decomposition][j]` of the input, or log 1 for -1.
    pub permutations: Vec<Vec<i64>>,
}

impl PermuteAndPadScopes {
    /// One list of scopes for each decomposition.
    #[must_use]
    pub fn new(permutations: Vec<Vec<i64>>) -> Self {
        Self { permutations }
    }
}

impl LayerRules for PermuteAndPadScopes {
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        let (scopes, decompositions, nodes) = input.units()?;
        let bad = |reason| LayerProblem::BadOption { option: "permutations", reason };
        if self.permutations.len() != decompositions {
            let found = self.permutations.len();
            return Err(bad(format!(
                "holds {found} lists; give one for each of the {decompositions} decompositions"
            )));
        }
        let length = self.permutations.first().map_or(0, Vec::len);
        for (decomposition, list) in self.permutations.iter().enumerate() {
            if list.is_empty() || list.len() != length {
                let found = list.len();
                return Err(bad(format!(
                    "has {found} scopes in list {decomposition}, {length} in the first; all need \
                     the same number, at least 1"
                )));
            }
            let wrong = list.iter().find(|&&scope| scope < -1 || scope >= scopes as i64);
            if let Some(scope) = wrong {
                return Err(bad(format!(
                    "names scope {scope} in list {decomposition}; there are scopes 0 to {} and \
                     -1 for padding",
                    scopes - 1
                )));
            }
        }
        TensorShape::of_units(length, decompositions, nodes)
    }

    fn lower(&self, input: &Tensor, _: &mut Lowering<'_>) -> Result<Tensor, LayerProblem> {
        let output = self.output(input.shape)?.units()?;
        let (length, decompositions, nodes) = output;
        let mut cells = Vec::with_capacity(length * decompositions);
        for position in 0..length {
            for (decomposition, list) in self.permutations.iter().enumerate() {
                cells.push(usize::try_from(list[position]).map_or_else(
                    |_| Cell::padding(nodes as u32),
                    |scope| input.cells[scope * decompositions + decomposition].clone(),
                ));
            }
        }
        Ok(Tensor::of_units(output, cells))
    }
}
