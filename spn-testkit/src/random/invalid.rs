//! Invalid circuits: a valid one that is broken in one known place.
//!
//! In: a seed. Out: the circuit and what a check should find, and nothing else: the other nodes
//! keep their scopes and weights.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spn_ir::{Circuit, LeafFamily, NodeId, NodeKind, Sum};

use super::copier::Copier;
use super::{CircuitOptions, random_circuit};

/// What is wrong with an invalid circuit, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedProblem {
    /// A sum whose last child lacks variables of the first one.
    Incomplete {
        /// The sum.
        node: NodeId,
        /// Its first and its last child.
        children: (NodeId, NodeId),
        /// What the last child lacks.
        variables: Vec<usize>,
    },
    /// A product with two children that share a variable.
    NotDecomposable {
        /// The product.
        node: NodeId,
        /// The two children, in their order.
        children: (NodeId, NodeId),
        /// What they share.
        variables: Vec<usize>,
    },
    /// A sum's unit or a categorical's component whose weights do not sum to 1.
    NotNormalised {
        /// The sum or leaf.
        node: NodeId,
        /// The unit.
        unit: usize,
    },
    /// A sum with a negative weight (that still sums to 1).
    NegativeWeight {
        /// The sum.
        node: NodeId,
        /// Index of the weight in the sum's own weights.
        index: usize,
    },
    /// A weight, location, scale or probability that is NaN.
    NanParameter {
        /// The node that reads it.
        node: NodeId,
        /// Index of the value in the node's own slice.
        index: usize,
    },
    /// A leaf with a scale of 0 or less.
    NotPositive {
        /// The leaf.
        node: NodeId,
        /// Index of the value in the leaf's own scales.
        index: usize,
    },
}

/// The ways to break a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Incomplete,
    NotDecomposable,
    NotNormalised,
    NegativeWeight,
    NanParameter,
    NotPositive,
}

const FAULTS: [Fault; 6] = [
    Fault::Incomplete,
    Fault::NotDecomposable,
    Fault::NotNormalised,
    Fault::NegativeWeight,
    Fault::NanParameter,
    Fault::NotPositive,
];

/// An invalid circuit and what is wrong with it.
#[must_use]
pub fn invalid_circuit(seed: u64) -> (Circuit, ExpectedProblem) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let options = CircuitOptions { extreme: false, ..CircuitOptions::default() };
    loop {
        let circuit = random_circuit(rng.random(), &options);
        let fault = FAULTS[rng.random_range(0..FAULTS.len())];
        let reachable = reachable(&circuit);
        let fits = |id: &NodeId| reachable[id.index()] && can_break(&circuit, *id, fault);
        let targets: Vec<NodeId> = circuit.iter().map(|(id, _)| id).filter(fits).collect();
        if targets.is_empty() {
            continue;
        }
        let target = targets[rng.random_range(0..targets.len())];
        let copier = Copier::new(&circuit, rng.clone());
        return copier
            .run(target, fault)
            .expect("a copy with one changed node fits the circuit builder");
    }
}

/// Which nodes the root depends on.
fn reachable(circuit: &Circuit) -> Vec<bool> {
    let mut reached = vec![false; circuit.nodes.len()];
    reached[circuit.root.index()] = true;
    for (id, node) in circuit.iter().rev().filter(|(id, _)| id.0 <= circuit.root.0) {
        if reached[id.index()] {
            node.children().iter().for_each(|child| reached[child.index()] = true);
        }
    }
    reached
}

/// Whether a node can be broken in this way.
fn can_break(circuit: &Circuit, id: NodeId, fault: Fault) -> bool {
    let node = circuit.node(id);
    let has_variables = !circuit.scope(id).is_empty();
    match (&node.kind, fault) {
        (NodeKind::Sum(_), Fault::Incomplete) => has_variables,
        (NodeKind::Product(_), Fault::NotDecomposable) => has_variables && node.dropout.is_none(),
        (NodeKind::Sum(sum), Fault::NegativeWeight) => inputs(circuit, sum) > 1,
        (NodeKind::Sum(_), Fault::NotNormalised | Fault::NanParameter) => true,
        (NodeKind::Leaf(leaf), Fault::NotNormalised) => {
            matches!(leaf.family, LeafFamily::Categorical { .. })
        }
        (NodeKind::Leaf(leaf), Fault::NanParameter) => leaf.family != LeafFamily::Indicator,
        (NodeKind::Leaf(leaf), Fault::NotPositive) => {
            matches!(leaf.family, LeafFamily::LocationScale { .. })
        }
        _ => false,
    }
}

/// How many inputs a sum has.
pub(super) fn inputs(circuit: &Circuit, sum: &Sum) -> usize {
    sum.children.iter().map(|child| circuit.node(*child).width as usize).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::copier::target_slice;

    /// What an obvious check finds in the part of a circuit that the root depends on.
    fn faults(circuit: &Circuit) -> Vec<(NodeId, Fault)> {
        let mut found = Vec::new();
        let reachable = reachable(circuit);
        for (id, node) in circuit.iter().filter(|(id, _)| reachable[id.index()]) {
            let scopes: Vec<_> = node.children().iter().map(|c| circuit.scope(*c)).collect();
            let mut kind = node.kind.clone();
            match &node.kind {
                NodeKind::Sum(_) if scopes.iter().any(|scope| *scope != scopes[0]) => {
                    found.push((id, Fault::Incomplete));
                }
                NodeKind::Product(_)
                    if scopes.iter().map(|s| s.len()).sum::<usize>() > circuit.scope(id).len() =>
                {
                    found.push((id, Fault::NotDecomposable));
                }
                _ => {}
            }
            let width = node.width as usize;
            let is_scale = !matches!(&node.kind, NodeKind::Sum(_))
                && !matches!(&node.kind, NodeKind::Leaf(leaf)
                    if matches!(leaf.family, LeafFamily::Categorical { .. }));
            let Some((slice, rows, columns)) = target_slice(circuit, &mut kind, width) else {
                continue;
            };
            let start = slice.offset as usize;
            let values = circuit.quantities[slice.quantity.index()].evaluate(&circuit.parameters);
            let values = &values[start..start + rows * columns];
            let lines: Vec<f64> = match &node.kind {
                NodeKind::Sum(_) => {
                    (0..width).map(|o| values.iter().skip(o).step_by(columns).sum()).collect()
                }
                _ => values.chunks(columns).map(|row| row.iter().sum()).collect(),
            };
            if values.iter().any(|value| value.is_nan()) {
                found.push((id, Fault::NanParameter));
            } else if is_scale {
                found.extend(values.iter().any(|v| *v <= 0.0).then_some((id, Fault::NotPositive)));
            } else if values.iter().any(|value| *value < 0.0) {
                found.push((id, Fault::NegativeWeight));
            } else if lines.iter().any(|total| (total - 1.0).abs() > 1e-6) {
                found.push((id, Fault::NotNormalised));
            }
        }
        found
    }

    #[test]
    fn valid_circuits_have_no_fault() {
        for seed in 0..500 {
            let circuit = random_circuit(seed, &CircuitOptions::default());
            assert_eq!(faults(&circuit), [], "seed {seed}");
        }
    }

    #[test]
    fn invalid_circuits_have_exactly_the_fault_they_name() {
        let mut kinds = [0; FAULTS.len()];
        for seed in 0..600 {
            let (circuit, problem) = invalid_circuit(seed);
            let (node, fault) = match problem {
                ExpectedProblem::Incomplete { node, .. } => (node, Fault::Incomplete),
                ExpectedProblem::NotDecomposable { node, .. } => (node, Fault::NotDecomposable),
                ExpectedProblem::NotNormalised { node, .. } => (node, Fault::NotNormalised),
                ExpectedProblem::NegativeWeight { node, .. } => (node, Fault::NegativeWeight),
                ExpectedProblem::NanParameter { node, .. } => (node, Fault::NanParameter),
                ExpectedProblem::NotPositive { node, .. } => (node, Fault::NotPositive),
            };
            assert_eq!(faults(&circuit), [(node, fault)], "seed {seed}");
            kinds[FAULTS.iter().position(|known| *known == fault).unwrap()] += 1;
        }
        assert!(kinds.iter().all(|count| *count > 30), "{kinds:?}");
    }

    #[test]
    fn the_witness_is_true() {
        for seed in 0..300 {
            let (circuit, problem) = invalid_circuit(seed);
            match problem {
                ExpectedProblem::Incomplete { children: (a, b), variables, .. } => {
                    let missing = circuit.scope(a).difference(circuit.scope(b));
                    assert_eq!(missing.variables().collect::<Vec<_>>(), variables);
                }
                ExpectedProblem::NotDecomposable { children: (a, b), variables, .. } => {
                    let shared = circuit.scope(a).intersection(circuit.scope(b));
                    assert_eq!(shared.variables().collect::<Vec<_>>(), variables);
                }
                _ => {}
            }
        }
    }
}
