//! Counting by enumeration: a circuit's polynomial term by term.
//!
//! A unit's value is the sum of its *induced trees* (Zhao, Poupart & Gordon, "A unified approach
//! for learning the parameters of sum-product networks", 2016): each chooses one input at every
//! sum it meets and takes all factors of every product. In: a circuit and a row. Out: its trees
//! with the edges and units they use. The number of trees grows exponentially with the depth.

use std::collections::BTreeMap;

use spn_ir::{Circuit, Leaf, LeafFamily, NodeId, NodeKind, Slice};

use crate::reference::{EvaluateOptions, Inputs, evaluate_with, factors, state};

/// A product of weights and leaves.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    /// Its value.
    pub(super) log_value: f64,
    /// How often it uses each unit.
    pub(super) units: BTreeMap<(NodeId, usize), f64>,
    /// How often it uses each value of each quantity as a weight, or as the probability of an
    /// observed state: `(quantity, index)`.
    pub(super) uses: BTreeMap<(usize, usize), f64>,
}

/// The trees of the root that are possible, or `None` if there are more than `limit` at any unit.
pub(super) fn induced_trees(circuit: &Circuit, row: &[f64], limit: usize) -> Option<Vec<Tree>> {
    let options = EvaluateOptions::default();
    let values = evaluate_with(circuit, row, None, &options);
    let inputs = Inputs::new(circuit, row, None, options.statistics);
    unit_trees(&inputs, &values, (circuit.root, 0), limit)
}

fn unit_trees(
    inputs: &Inputs<'_>,
    values: &[Vec<f64>],
    (id, unit): (NodeId, usize),
    limit: usize,
) -> Option<Vec<Tree>> {
    let circuit = inputs.circuit;
    let node = circuit.node(id);
    let mut trees = match &node.kind {
        NodeKind::Leaf(leaf) => vec![Tree {
            log_value: values[id.index()][unit],
            uses: observed_states(inputs, leaf, unit),
            ..Tree::default()
        }],
        NodeKind::Product(product) => {
            let mut trees = vec![Tree::default()];
            for factor in factors(circuit, product, unit) {
                let more = unit_trees(inputs, values, factor, limit)?;
                if trees.len() * more.len() > limit {
                    return None;
                }
                let with =
                    |tree: &Tree| -> Vec<Tree> { more.iter().map(|m| tree.times(m)).collect() };
                trees = trees.iter().flat_map(with).collect();
            }
            trees
        }
        NodeKind::Sum(sum) => {
            let mut trees = Vec::new();
            let children = sum.children.iter();
            let units = children.flat_map(|&c| (0..values[c.index()].len()).map(move |u| (c, u)));
            for (input, child) in units.enumerate() {
                let cell = input * node.width as usize + unit;
                let weight = Tree {
                    log_value: inputs.read(sum.weights, cell).ln(),
                    uses: BTreeMap::from([(place(sum.weights, cell), 1.0)]),
                    ..Tree::default()
                };
                let more = unit_trees(inputs, values, child, limit)?;
                trees.extend(more.iter().map(|tree| tree.times(&weight)));
                if trees.len() > limit {
                    return None;
                }
            }
            trees
        }
    };
    trees.retain(|tree| tree.log_value != f64::NEG_INFINITY);
    for tree in &mut trees {
        *tree.units.entry((id, unit)).or_default() += 1.0;
    }
    Some(trees)
}

/// The probabilities of a categorical leaf that a unit's value is the product of.
fn observed_states(inputs: &Inputs<'_>, leaf: &Leaf, unit: usize) -> BTreeMap<(usize, usize), f64> {
    let LeafFamily::Categorical { states, probabilities } = &leaf.family else {
        return BTreeMap::new();
    };
    let values = leaf.variables.iter().map(|variable| inputs.row[variable.index()]).enumerate();
    values
        .filter_map(|(position, x)| {
            let row = unit * leaf.variables.len() + position;
            let cell = row * *states as usize + state(x, *states)?;
            Some((place(*probabilities, cell), 1.0))
        })
        .collect()
}

/// Quantity and index of value `index` of a slice.
fn place(slice: Slice, index: usize) -> (usize, usize) {
    (slice.quantity.index(), slice.offset as usize + index)
}

impl Tree {
    fn times(&self, other: &Self) -> Self {
        let mut product = self.clone();
        product.log_value += other.log_value;
        for (unit, count) in &other.units {
            *product.units.entry(*unit).or_default() += count;
        }
        for (place, count) in &other.uses {
            *product.uses.entry(*place).or_default() += count;
        }
        product
    }
}
