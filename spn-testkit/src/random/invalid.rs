//! Invalid circuits: a valid one that is broken in one known place.
//!
//! In: a seed. Out: the circuit and what a check should find, and nothing else: the other nodes
//! keep their scopes and weights.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use smallvec::SmallVec;
use spn_ir::{
    Circuit, CircuitBuilder, CircuitError, Combine, Leaf, LeafFamily, Node, NodeId, NodeKind,
    NodeOptions, Origin, Parameter, PickTable, Product, Slice, Sum, VariableId,
};

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
enum Fault {
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

fn inputs(circuit: &Circuit, sum: &Sum) -> usize {
    sum.children.iter().map(|child| circuit.node(*child).width as usize).sum()
}

/// Copies a circuit node by node, one of them changed.
struct Copier<'a> {
    old: &'a Circuit,
    builder: CircuitBuilder,
    /// The new id of each old node.
    ids: Vec<NodeId>,
    rng: ChaCha8Rng,
}

impl<'a> Copier<'a> {
    fn new(old: &'a Circuit, rng: ChaCha8Rng) -> Self {
        let mut builder = CircuitBuilder::new(old.variables);
        builder.set_normalisation(old.normalisation.clone());
        for (_, parameter) in old.parameters.iter() {
            builder.parameter(parameter.clone());
        }
        for quantity in &old.quantities {
            builder.quantity(quantity.clone());
        }
        for table in &old.tables {
            builder.table(table.clone());
        }
        Self { old, builder, ids: Vec::new(), rng }
    }

    fn run(
        mut self,
        target: NodeId,
        fault: Fault,
    ) -> Result<(Circuit, ExpectedProblem), CircuitError> {
        let mut problem = None;
        for (id, node) in self.old.iter() {
            let new = if id == target {
                let (new, found) = self.broken(id, node, fault)?;
                problem = Some(found);
                new
            } else {
                self.add(node.kind.clone(), node)?
            };
            self.ids.push(new);
        }
        let root = self.ids[self.old.root.index()];
        let circuit = self.builder.finish(root)?;
        Ok((circuit, problem.expect("the target is one of the circuit's nodes")))
    }

    /// The new ids of old children.
    fn children(&self, old: &[NodeId]) -> Vec<NodeId> {
        old.iter().map(|child| self.ids[child.index()]).collect()
    }

    /// Adds a node of this kind, whose children are old ids.
    fn add(&mut self, kind: NodeKind, node: &Node) -> Result<NodeId, CircuitError> {
        let options = NodeOptions { origin: node.origin, dropout: node.dropout };
        match kind {
            NodeKind::Leaf(leaf) => self.builder.leaf(leaf, node.width, options),
            NodeKind::Product(product) if product.children.is_empty() => {
                self.builder.one(node.width, options)
            }
            NodeKind::Product(product) => {
                let children = self.children(&product.children);
                self.builder.product(&children, product.combine, options)
            }
            NodeKind::Sum(sum) => {
                let children = self.children(&sum.children);
                self.builder.sum(&children, node.width, sum.weights, options)
            }
        }
    }

    fn broken(
        &mut self,
        id: NodeId,
        node: &Node,
        fault: Fault,
    ) -> Result<(NodeId, ExpectedProblem), CircuitError> {
        match (&node.kind, fault) {
            (NodeKind::Sum(sum), Fault::Incomplete) => self.incomplete(id, node, sum),
            (NodeKind::Product(product), _) => self.overlapping(id, product),
            (kind, _) => {
                let mut kind = kind.clone();
                let problem = self.spoil(&mut kind, node.width as usize, fault);
                let node = self.add(kind, node)?;
                Ok((node, problem(node)))
            }
        }
    }

    /// A sum with one more child, which has all variables of the sum but some.
    fn incomplete(
        &mut self,
        id: NodeId,
        node: &Node,
        sum: &Sum,
    ) -> Result<(NodeId, ExpectedProblem), CircuitError> {
        let mut missing: Vec<usize> = self.old.scope(id).variables().collect();
        let width = self.rng.random_range(1..3);
        let kept = missing.remove(self.rng.random_range(0..missing.len()));
        let extra = if missing.is_empty() {
            missing.push(kept);
            self.builder.one(width, Origin::Unknown)?
        } else {
            self.indicator(kept, width)?
        };
        let mut children = self.children(&sum.children);
        let pair = (children[0], extra);
        children.push(extra);
        let rows = inputs(self.old, sum) + width as usize;
        let columns = node.width as usize;
        let weights = vec![1.0 / rows as f64; rows * columns];
        let weights = self.direct(vec![rows, columns], weights);
        let node = self.builder.sum(&children, node.width, weights, node.origin)?;
        Ok((node, ExpectedProblem::Incomplete { node, children: pair, variables: missing }))
    }

    /// A product with one more child over a variable that it has already.
    fn overlapping(
        &mut self,
        id: NodeId,
        product: &Product,
    ) -> Result<(NodeId, ExpectedProblem), CircuitError> {
        let variables: Vec<usize> = self.old.scope(id).variables().collect();
        let variable = variables[self.rng.random_range(0..variables.len())];
        let (combine, width) = match product.combine {
            Combine::ElementWise => (Combine::ElementWise, self.old.node(id).width),
            Combine::Outer => (Combine::Outer, 1),
            Combine::Table(table) => {
                let mut picks = self.old.tables[table.0 as usize].picks.clone();
                picks.push(vec![1; self.old.node(id).width as usize]);
                (Combine::Table(self.builder.table(PickTable { picks })), 2)
            }
        };
        let extra = self.indicator(variable, width)?;
        let mut children = self.children(&product.children);
        let has = |child: &&NodeId| self.builder.circuit().scope(**child).contains(variable);
        let other = *children.iter().find(has).expect("a product's scope is its children's union");
        children.push(extra);
        let origin = self.old.node(id).origin;
        let node = self.builder.product(&children, combine, origin)?;
        let (children, variables) = ((other, extra), vec![variable]);
        Ok((node, ExpectedProblem::NotDecomposable { node, children, variables }))
    }

    fn indicator(&mut self, variable: usize, width: u32) -> Result<NodeId, CircuitError> {
        let variables = SmallVec::from_slice(&[VariableId(variable as u32)]);
        let leaf = Leaf { family: LeafFamily::Indicator, variables };
        self.builder.leaf(leaf, width, Origin::Unknown)
    }

    fn direct(&mut self, shape: Vec<usize>, values: Vec<f64>) -> Slice {
        let name = format!("broken{}", self.builder.circuit().parameters.len());
        self.builder.quantity_of(Parameter::new(name, shape, values)).at(0)
    }

    /// Gives a sum or leaf parameters of its own, one of them spoilt; says what a check finds.
    fn spoil(
        &mut self,
        kind: &mut NodeKind,
        width: usize,
        fault: Fault,
    ) -> impl FnOnce(NodeId) -> ExpectedProblem + use<> {
        let unit = self.rng.random_range(0..width);
        let mut index = 0;
        let is_sum = matches!(kind, NodeKind::Sum(_));
        if let Some((slice, rows, columns)) = target_slice(self.old, kind, width) {
            let quantity = &self.old.quantities[slice.quantity.index()];
            let start = slice.offset as usize;
            let mut values = quantity.evaluate(&self.old.parameters);
            values = values[start..start + rows * columns].to_vec();
            index = match fault {
                Fault::NegativeWeight => unit,
                _ => self.rng.random_range(0..values.len()),
            };
            match fault {
                Fault::NotNormalised if is_sum => {
                    values.iter_mut().skip(unit).step_by(columns).for_each(|w| *w *= 1.5);
                }
                Fault::NotNormalised => {
                    let first = unit * (rows / width) * columns;
                    values[first..first + columns].iter_mut().for_each(|p| *p *= 1.5);
                }
                Fault::NegativeWeight => {
                    values[unit + columns] += values[unit] + 0.1;
                    values[unit] = -0.1;
                }
                Fault::NotPositive => values[index] = [0.0, -0.5][self.rng.random_range(0..2)],
                _ => values[index] = f64::NAN,
            }
            *slice = self.direct(vec![rows, columns], values);
        }
        move |node| match fault {
            Fault::NotNormalised => ExpectedProblem::NotNormalised { node, unit },
            Fault::NegativeWeight => ExpectedProblem::NegativeWeight { node, index },
            Fault::NotPositive => ExpectedProblem::NotPositive { node, index },
            _ => ExpectedProblem::NanParameter { node, index },
        }
    }
}

/// The slice of a node that is spoilt (weights, probabilities or scales), with rows and columns.
fn target_slice<'k>(
    circuit: &Circuit,
    kind: &'k mut NodeKind,
    width: usize,
) -> Option<(&'k mut Slice, usize, usize)> {
    match kind {
        NodeKind::Sum(sum) => {
            let rows = inputs(circuit, sum);
            Some((&mut sum.weights, rows, width))
        }
        NodeKind::Leaf(Leaf { family, variables }) => match family {
            LeafFamily::LocationScale { scale, .. } => Some((scale, width, variables.len())),
            LeafFamily::Categorical { states, probabilities } => {
                Some((probabilities, width * variables.len(), *states as usize))
            }
            LeafFamily::Indicator => None,
        },
        NodeKind::Product(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
