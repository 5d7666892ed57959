//! Max-product: the value of a row's best induced tree, written to be read.
//!
//! In: a circuit and a row. Out: the log value that sums have if they take their largest input instead of
//! adding, and leaves if a missing variable has its most probable value.

use spn_ir::{Circuit, Leaf, LeafFamily, NodeKind};

use crate::density::log_density;
use crate::normalise::Statistics;
use crate::reference::{Inputs, factors, sum_inputs};

/// The log value of the root by max-product.
#[must_use]
pub fn max_product(circuit: &Circuit, row: &[f64], observed: Option<&[bool]>) -> f64 {
    let inputs = Inputs::new(circuit, row, observed, Statistics::default());
    let mut values: Vec<Vec<f64>> = Vec::with_capacity(circuit.nodes.len());
    for node in &circuit.nodes {
        let width = node.width as usize;
        let unit = |unit: usize| match &node.kind {
            NodeKind::Leaf(leaf) => {
                inputs.unit(&values, node, unit) + modes_of_missing(&inputs, leaf, unit)
            }
            NodeKind::Product(product) => factors(circuit, product, unit)
                .map(|(child, picked)| values[child.index()][picked])
                .sum(),
            NodeKind::Sum(sum) => {
                let weight = |input| inputs.read(sum.weights, input * width + unit).ln();
                let weighted = sum_inputs(sum, &values).enumerate().map(|(i, x)| x + weight(i));
                weighted.fold(f64::NEG_INFINITY, f64::max)
            }
        };
        let units = (0..width).map(unit).collect();
        values.push(units);
    }
    values[circuit.root.index()][0]
}

/// The sum of the largest log-densities of the variables of a leaf's unit that are missing.
fn modes_of_missing(inputs: &Inputs<'_>, leaf: &Leaf, unit: usize) -> f64 {
    let count = leaf.variables.len();
    let missing = leaf.variables.iter().enumerate();
    let missing = missing.filter(|(_, variable)| inputs.row[variable.index()].is_nan());
    let mode = |position: usize| {
        let index = unit * count + position;
        match &leaf.family {
            LeafFamily::LocationScale { density, location, scale } => {
                let location = inputs.read(*location, index);
                log_density(*density, location, location, inputs.read(*scale, index))
            }
            LeafFamily::Indicator => 0.0,
            LeafFamily::Categorical { states, probabilities } => {
                let states = *states as usize;
                let p = |state: usize| inputs.read(*probabilities, index * states + state).ln();
                (0..states).map(p).fold(f64::NEG_INFINITY, f64::max)
            }
        }
    };
    missing.map(|(position, _)| mode(position)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::brute_force::completions;
    use crate::random::deterministic_circuit;
    use crate::reference::log_likelihood;

    /// On deterministic circuits it is the log-probability of the most probable completion.
    #[test]
    fn it_is_the_maximum_over_completions_of_deterministic_circuits() {
        for seed in 0..100 {
            let circuit = deterministic_circuit(seed, 4);
            let row = [f64::NAN, (seed % 2) as f64, f64::NAN, f64::NAN];
            let completions = completions(&circuit, &row).unwrap();
            let values = completions.iter().map(|row| log_likelihood(&circuit, row, None));
            let best = values.fold(f64::NEG_INFINITY, f64::max);
            let found = max_product(&circuit, &row, None);
            assert!((found - best).abs() < 1e-12 || found == best, "seed {seed}: {found} {best}");
        }
    }
}
