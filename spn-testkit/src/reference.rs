//! The specification: what a circuit computes, written to be read and not to be fast.
//!
//! In: a circuit, a row of values and which of them are observed. Out: the natural logarithm of
//! the value of every unit of every node, in f64. Weights, locations and so on are the values of
//! the circuit's quantities; impossible evidence is `-inf`, a missing variable contributes log 1.
//!
//! Where several readings were possible, this file decides:
//! * state numbers of indicators and categoricals are truncated towards zero, `-0.5` is state 0;
//!   a state out of range is impossible;
//! * a categorical leaf over several variables holds its probabilities as
//!   `[width, variables, states]`;
//! * dropout does nothing unless a mask is given for the node.

use std::collections::BTreeMap;

use spn_ir::{
    Circuit, Combine, DropoutKind, Leaf, LeafFamily, Node, NodeId, NodeKind, Product, Slice, Sum,
};

use crate::density::log_density;
use crate::normalise::{Statistics, normalise};

/// Which units dropout keeps, for the nodes that have dropout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DropoutMasks {
    kept: BTreeMap<NodeId, Vec<bool>>,
}

impl DropoutMasks {
    /// Sets which units of `node` are kept.
    pub fn insert(&mut self, node: NodeId, kept: Vec<bool>) {
        self.kept.insert(node, kept);
    }

    /// Whether a unit is kept, or `None` if the node has no mask.
    #[must_use]
    pub fn is_kept(&self, node: NodeId, unit: usize) -> Option<bool> {
        self.kept.get(&node).map(|kept| kept.get(unit) == Some(&true))
    }
}

/// How to evaluate, where there is a choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvaluateOptions {
    /// What sample-wise statistics are taken of.
    pub statistics: Statistics,
    /// Dropout masks; nodes without one pass their values through.
    pub masks: DropoutMasks,
}

/// What the units of one circuit are computed from: the normalised row and the quantities' values.
pub(crate) struct Inputs<'a> {
    pub(crate) circuit: &'a Circuit,
    /// NaN where a variable is missing.
    pub(crate) row: Vec<f64>,
    pub(crate) quantities: Vec<Vec<f64>>,
}

/// The log-value of every unit of every node, `[node][unit]`, without dropout.
#[must_use]
pub fn evaluate(circuit: &Circuit, row: &[f64], observed: Option<&[bool]>) -> Vec<Vec<f64>> {
    evaluate_with(circuit, row, observed, &EvaluateOptions::default())
}

/// The log-value of every unit of every node, `[node][unit]`.
#[must_use]
pub fn evaluate_with(
    circuit: &Circuit,
    row: &[f64],
    observed: Option<&[bool]>,
    options: &EvaluateOptions,
) -> Vec<Vec<f64>> {
    let inputs = Inputs::new(circuit, row, observed, options.statistics);
    let mut values: Vec<Vec<f64>> = Vec::with_capacity(circuit.nodes.len());
    for (id, node) in circuit.iter() {
        let units = (0..node.width as usize).map(|unit| {
            let value = inputs.unit(&values, node, unit);
            apply_dropout(node, options.masks.is_kept(id, unit), value)
        });
        let units = units.collect();
        values.push(units);
    }
    values
}

/// The log-likelihood of a row: the value of the root.
#[must_use]
pub fn log_likelihood(circuit: &Circuit, row: &[f64], observed: Option<&[bool]>) -> f64 {
    evaluate(circuit, row, observed)[circuit.root.index()][0]
}

/// The weighted children of the root, `x_n + ln w_n`: for a classifier the class joints. The
/// root's own value if it is not a sum.
#[must_use]
pub fn root_joints(circuit: &Circuit, row: &[f64], observed: Option<&[bool]>) -> Vec<f64> {
    joints_of(circuit, &evaluate(circuit, row, observed))
}

/// The joints ([`root_joints`]) of values that [`evaluate_with`] computed.
#[must_use]
pub fn joints_of(circuit: &Circuit, values: &[Vec<f64>]) -> Vec<f64> {
    let NodeKind::Sum(sum) = &circuit.node(circuit.root).kind else {
        return values[circuit.root.index()].clone();
    };
    let quantity = circuit.quantities[sum.weights.quantity.index()].evaluate(&circuit.parameters);
    let weights = &quantity[sum.weights.offset as usize..];
    sum_inputs(sum, values).zip(weights).map(|(x, w)| x + w.ln()).collect()
}

impl<'a> Inputs<'a> {
    pub(crate) fn new(
        circuit: &'a Circuit,
        row: &[f64],
        observed: Option<&[bool]>,
        statistics: Statistics,
    ) -> Self {
        let row = normalise(circuit, row, observed, statistics);
        let evaluate = |quantity: &spn_ir::Quantity| quantity.evaluate(&circuit.parameters);
        let quantities = circuit.quantities.iter().map(evaluate).collect();
        Self { circuit, row, quantities }
    }

    /// Value `index` of a slice.
    pub(crate) fn read(&self, slice: Slice, index: usize) -> f64 {
        self.quantities[slice.quantity.index()][slice.offset as usize + index]
    }

    /// The value of a unit before dropout; `values` are those of the nodes before it.
    pub(crate) fn unit(&self, values: &[Vec<f64>], node: &Node, unit: usize) -> f64 {
        match &node.kind {
            NodeKind::Leaf(leaf) => self.leaf(leaf, unit),
            NodeKind::Product(product) => factors(self.circuit, product, unit)
                .map(|(child, picked)| values[child.index()][picked])
                .sum(),
            NodeKind::Sum(sum) => {
                let width = node.width as usize;
                let weight = |input| self.read(sum.weights, input * width + unit);
                log_weighted_sum(sum_inputs(sum, values).enumerate().map(|(i, x)| (weight(i), x)))
            }
        }
    }

    fn leaf(&self, leaf: &Leaf, unit: usize) -> f64 {
        let count = leaf.variables.len();
        let observed = leaf.variables.iter().map(|v| self.row[v.index()]).enumerate();
        observed
            .filter(|(_, x)| !x.is_nan())
            .map(|(position, x)| match &leaf.family {
                LeafFamily::LocationScale { density, location, scale } => {
                    let index = unit * count + position;
                    log_density(*density, x, self.read(*location, index), self.read(*scale, index))
                }
                LeafFamily::Indicator if x.trunc() == unit as f64 => 0.0,
                LeafFamily::Indicator => f64::NEG_INFINITY,
                LeafFamily::Categorical { states, probabilities } => match state(x, *states) {
                    Some(state) => {
                        let index = (unit * count + position) * *states as usize + state;
                        self.read(*probabilities, index).ln()
                    }
                    None => f64::NEG_INFINITY,
                },
            })
            .sum()
    }
}

/// The state that a value stands for, if it is one of `states`.
pub(crate) fn state(x: f64, states: u32) -> Option<usize> {
    let state = x.trunc();
    (state >= 0.0 && state < f64::from(states)).then_some(state as usize)
}

/// The children of a product with the unit of each that unit `unit` of the product multiplies.
pub(crate) fn factors<'a>(
    circuit: &'a Circuit,
    product: &'a Product,
    unit: usize,
) -> impl Iterator<Item = (NodeId, usize)> + 'a {
    product.children.iter().enumerate().map(move |(index, &child)| {
        let picked = match product.combine {
            Combine::ElementWise => unit,
            Combine::Table(table) => circuit.tables[table.0 as usize].picks[index][unit] as usize,
            Combine::Outer => {
                let later = product.children[index + 1..].iter();
                let stride: usize = later.map(|c| circuit.node(*c).width as usize).product();
                unit / stride % circuit.node(child).width as usize
            }
        };
        (child, picked)
    })
}

/// The inputs `x_i` of a sum: the units of all children one after the other.
pub(crate) fn sum_inputs<'a>(
    sum: &'a Sum,
    values: &'a [Vec<f64>],
) -> impl Iterator<Item = f64> + 'a {
    sum.children.iter().flat_map(|child| values[child.index()].iter().copied())
}

/// `ln Σ w exp(x)` over pairs `(w, x)`; `-inf` if every weight is 0 or every `x` is `-inf`.
fn log_weighted_sum(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let alive: Vec<(f64, f64)> =
        pairs.filter(|&(w, x)| w != 0.0 && x != f64::NEG_INFINITY).collect();
    let maximum = alive.iter().fold(f64::NEG_INFINITY, |m, &(_, x)| m.max(x));
    if alive.is_empty() {
        return f64::NEG_INFINITY;
    }
    maximum + alive.iter().map(|(w, x)| w * (x - maximum).exp()).sum::<f64>().ln()
}

fn apply_dropout(node: &Node, kept: Option<bool>, value: f64) -> f64 {
    match (node.dropout.map(|dropout| (dropout.kind, dropout.rate)), kept) {
        (Some((DropoutKind::Sum { .. }, _)), Some(false)) => f64::NEG_INFINITY,
        (Some((DropoutKind::Input { .. }, _)), Some(false)) => 0.0,
        (Some((DropoutKind::Input { rescale: true }, rate)), Some(true)) => value / (1.0 - rate),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use spn_ir::{CircuitBuilder, Origin, Parameter, PickTable};

    use super::*;

    /// `0.3 · Cat(0.2, 0.8)(x) · Cat(0.5, 0.5)(y) + 0.7 · Cat(0.6, 0.4)(x) · Cat(0.9, 0.1)(y)`
    fn mixture() -> Circuit {
        let mut builder = CircuitBuilder::new(2);
        let table = vec![0.2, 0.8, 0.6, 0.4, 0.5, 0.5, 0.9, 0.1];
        let p = builder.quantity_of(Parameter::new("p", vec![4, 2], table));
        let a = builder.categorical(0, 2, 2, p.at(0), Origin::Unknown).unwrap();
        let b = builder.categorical(1, 2, 2, p.at(4), Origin::Unknown).unwrap();
        let product = builder.element_wise(&[a, b], Origin::Unknown).unwrap();
        let w = builder.quantity_of(Parameter::new("w", vec![2, 1], vec![0.3, 0.7]));
        let root = builder.sum(&[product], 1, w.at(0), Origin::Unknown).unwrap();
        builder.finish(root).unwrap()
    }

    #[test]
    fn a_mixture_has_the_value_of_its_formula() {
        let circuit = mixture();
        let close = |row: &[f64], expected: f64| {
            let value = log_likelihood(&circuit, row, None).exp();
            assert!((value - expected).abs() < 1e-15, "{row:?}: {value} {expected}");
        };
        close(&[0.0, 1.0], 0.3 * 0.2 * 0.5 + 0.7 * 0.6 * 0.1);
        close(&[1.9, f64::NAN], 0.3 * 0.8 + 0.7 * 0.4);
        close(&[f64::NAN, f64::NAN], 1.0);
        close(&[2.0, 0.0], 0.0);
        let joints = root_joints(&circuit, &[0.0, 1.0], Some(&[true, false]));
        assert!((joints[0].exp() - 0.06).abs() < 1e-15 && (joints[1].exp() - 0.42).abs() < 1e-15);
    }

    #[test]
    fn impossible_evidence_is_minus_infinity() {
        assert_eq!(log_likelihood(&mixture(), &[-1.0, 0.0], None), f64::NEG_INFINITY);
        assert_ne!(log_likelihood(&mixture(), &[-0.9, 0.0], None), f64::NEG_INFINITY);
    }

    #[test]
    fn outer_products_vary_the_first_child_slowest() {
        let mut builder = CircuitBuilder::new(2);
        let values = (1..=5).map(f64::from).collect();
        let p = builder.quantity_of(Parameter::new("p", vec![5], values));
        let a = builder.categorical(0, 1, 2, p.at(0), Origin::Unknown).unwrap();
        let b = builder.categorical(1, 1, 3, p.at(2), Origin::Unknown).unwrap();
        let outer = builder.product(&[a, b], Combine::Outer, Origin::Unknown).unwrap();
        let table = builder.table(PickTable { picks: vec![vec![1], vec![2]] });
        let pick = builder.product(&[a, b], Combine::Table(table), Origin::Unknown).unwrap();
        let circuit = builder.finish(pick).unwrap();
        let values = evaluate(&circuit, &[0.0, 0.0], None);
        let linear: Vec<f64> = values[outer.index()].iter().map(|x| x.exp().round()).collect();
        assert_eq!(linear, [3.0, 4.0, 5.0, 6.0, 8.0, 10.0]);
        assert_eq!(values[pick.index()][0].exp().round(), 10.0);
    }
}
