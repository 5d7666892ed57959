//! Parameters: weights and probabilities are finite, non-negative and sum to 1, locations are
//! finite, scales positive.

use std::collections::HashSet;

use spn_ir::{Circuit, Leaf, LeafFamily, Node, NodeId, NodeKind, Slice, Sum};

use super::{Finder, ProblemKind};

/// How far a sum of weights may be from 1: single precision over a few thousand inputs.
const TOLERANCE: f64 = 1e-4;

/// Reports the first bad value of each node. Nodes that share a slice are checked once.
pub(super) fn check<'a>(finder: &mut Finder<'_>, nodes: impl Iterator<Item = (NodeId, &'a Node)>) {
    let circuit = finder.circuit;
    let values: Vec<Vec<f64>> =
        circuit.quantities.iter().map(|q| q.evaluate(&circuit.parameters)).collect();
    // Only looked up: its order is random.
    let mut seen = HashSet::new();
    for (id, node) in nodes {
        let width = node.width as usize;
        let problem = match &node.kind {
            NodeKind::Sum(sum) => {
                let inputs = inputs_of(circuit, sum);
                if !seen.insert((sum.weights, inputs, width)) {
                    continue;
                }
                let weights = part(&values, sum.weights, inputs * width);
                distributions("weight", weights, width, |unit| {
                    weights.iter().skip(unit).step_by(width).sum()
                })
            }
            NodeKind::Leaf(leaf) => leaf_problem(&values, leaf, width),
            NodeKind::Product(_) => None,
        };
        if let Some(kind) = problem {
            finder.report(id, || kind);
        }
    }
}

fn inputs_of(circuit: &Circuit, sum: &Sum) -> usize {
    sum.children.iter().map(|child| circuit.node(*child).width as usize).sum()
}

fn part(values: &[Vec<f64>], slice: Slice, length: usize) -> &[f64] {
    let offset = slice.offset as usize;
    &values[slice.quantity.index()][offset..offset + length]
}

fn leaf_problem(values: &[Vec<f64>], leaf: &Leaf, width: usize) -> Option<ProblemKind> {
    match &leaf.family {
        LeafFamily::Indicator => None,
        LeafFamily::LocationScale { location, scale, .. } => {
            let length = width * leaf.variables.len();
            not_finite("location", part(values, *location, length)).or_else(|| {
                let scales = part(values, *scale, length);
                not_finite("scale", scales).or_else(|| {
                    let index = scales.iter().position(|&s| s <= 0.0)?;
                    Some(ProblemKind::NotPositive { index, value: scales[index] })
                })
            })
        }
        LeafFamily::Categorical { states, probabilities } => {
            let states = *states as usize;
            let variables = leaf.variables.len();
            let rows = width * variables;
            let table = part(values, *probabilities, rows * states);
            let total = |row: usize| table[row * states..(row + 1) * states].iter().sum();
            match distributions("probability", table, rows, total) {
                // A component has one distribution for each of its variables.
                Some(ProblemKind::NotNormalised { unit: row, total }) => {
                    Some(ProblemKind::NotNormalised { unit: row / variables, total })
                }
                other => other,
            }
        }
    }
}

/// Checks `units` distributions whose entries are `values`; `total` sums up those of one unit.
fn distributions(
    what: &'static str,
    values: &[f64],
    units: usize,
    total: impl Fn(usize) -> f64,
) -> Option<ProblemKind> {
    not_finite(what, values).or_else(|| {
        if let Some(index) = values.iter().position(|&w| w < 0.0) {
            return Some(ProblemKind::NegativeWeight { index, value: values[index] });
        }
        let totals = (0..units).map(|unit| (unit, total(unit)));
        let (unit, total) = totals.into_iter().find(|(_, t)| (t - 1.0).abs() > TOLERANCE)?;
        Some(ProblemKind::NotNormalised { unit, total })
    })
}

fn not_finite(what: &'static str, values: &[f64]) -> Option<ProblemKind> {
    let index = values.iter().position(|v| !v.is_finite())?;
    Some(ProblemKind::NotFinite { what, index, value: values[index] })
}
