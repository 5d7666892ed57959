//! `PermuteAndPadScopesRandom`: a random order of the scopes for each decomposition, padded so
//! that the products above come out even (RAT-SPNs).
//!
//! Building a network draws the orders and turns the layer into a [`PermuteAndPadScopes`], so a
//! saved network is the network that was built.

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::lowering::{Lowering, Tensor};
use super::shape::{TensorShape, product};
use super::{Layer, LayerProblem, LayerRules, PermuteAndPadScopes};

/// Permutes scopes at random and pads them to the product of `factors`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermuteAndPadScopesRandom {
    /// `num_factors` of the product layers above, from the bottom; default those of the
    /// `DenseProduct` and `ReduceProduct` layers above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factors: Option<Vec<usize>>,
}

impl PermuteAndPadScopesRandom {
    /// The layer with its orders drawn; `above` are the layers above it.
    pub(crate) fn resolve(
        &self,
        input: TensorShape,
        above: &[Layer],
        generator: &mut impl Rng,
    ) -> Result<PermuteAndPadScopes, LayerProblem> {
        let (scopes, decompositions, _) = input.units()?;
        let factors = match &self.factors {
            Some(factors) => factors.clone(),
            None => above.iter().filter_map(num_factors).collect(),
        };
        let length = padded_length(scopes, &factors)?;
        product("the permutations", &[length, decompositions])?;
        let permutations = (0..decompositions).map(|_| {
            let mut order: Vec<i64> = (0..scopes as i64).collect();
            order.shuffle(generator);
            spread_padding(&order, length)
        });
        Ok(PermuteAndPadScopes { permutations: permutations.collect() })
    }
}

fn num_factors(layer: &Layer) -> Option<usize> {
    match layer {
        Layer::DenseProduct(product) => Some(product.num_factors),
        Layer::ReduceProduct(product) => Some(product.num_factors),
        _ => None,
    }
}

/// The number of scopes with padding: the product of the factors. As in the reference, the last
/// factor must be needed to cover the scopes.
fn padded_length(scopes: usize, factors: &[usize]) -> Result<usize, LayerProblem> {
    let bad = |reason| LayerProblem::BadOption { option: "factors", reason };
    let length = product("the padded scopes", factors)?;
    if factors.is_empty() {
        return Err(bad(
            "is missing and there are no DenseProduct or ReduceProduct layers above to take it from"
                .to_owned(),
        ));
    }
    if length < scopes {
        return Err(bad(format!(
            "{factors:?} gives {length} scopes for {scopes}; use more or larger products"
        )));
    }
    let mut covered = 1;
    for (index, factor) in factors.iter().enumerate() {
        if index > 0 && covered >= scopes {
            return Err(bad(format!(
                "{factors:?} covers the {scopes} scopes with its first {index} already; leave out \
                 the others"
            )));
        }
        covered *= factor;
    }
    Ok(length)
}

/// Inserts padding (-1) one after another at positions 0, r, 2r, … with r = length / padding.
fn spread_padding(order: &[i64], length: usize) -> Vec<i64> {
    let padding = length - order.len();
    let distance = length / padding.max(1);
    let mut scopes = order.iter().copied();
    let is_padding =
        |position: usize| position.is_multiple_of(distance) && position / distance < padding;
    (0..length)
        .map(|position| if is_padding(position) { -1 } else { scopes.next().unwrap_or(-1) })
        .collect()
}

impl LayerRules for PermuteAndPadScopesRandom {
    fn output(&self, _: TensorShape) -> Result<TensorShape, LayerProblem> {
        Err(LayerProblem::BadOption {
            option: "factors",
            reason: "was not resolved: permutations are drawn when the network is built, and a \
                     saved network has PermuteAndPadScopes instead"
                .to_owned(),
        })
    }

    fn lower(&self, input: &Tensor, _: &mut Lowering<'_>) -> Result<Tensor, LayerProblem> {
        self.output(input.shape).map(Tensor::without_nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_spread() {
        assert_eq!(spread_padding(&[0, 1, 2, 3, 4], 8), [-1, 0, -1, 1, -1, 2, 3, 4]);
        assert_eq!(spread_padding(&[0, 1], 2), [0, 1]);
        assert_eq!(spread_padding(&[0, 1, 2], 8), [-1, -1, -1, -1, -1, 0, 1, 2]);
        assert_eq!(spread_padding(&[0, 1, 2], 4), [-1, 0, 1, 2]);
    }

    #[test]
    fn factors_must_cover_the_scopes_without_excess() {
        assert_eq!(padded_length(5, &[2, 2, 2]), Ok(8));
        assert_eq!(padded_length(4, &[4]), Ok(4));
        assert!(padded_length(5, &[2, 2]).is_err());
        assert!(padded_length(4, &[2, 2, 2]).is_err());
        assert!(padded_length(4, &[]).is_err());
        assert!(padded_length(4, &[0]).is_err());
        assert!(padded_length(4, &[1 << 40, 1 << 40]).is_err());
    }
}
