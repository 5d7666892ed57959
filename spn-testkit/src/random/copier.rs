//! Copies of circuits with one node broken. In: a circuit, a node and a fault. Out: the copy and
//! what is wrong with it, under the copy's node ids.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use smallvec::SmallVec;
use spn_ir::{
    Circuit, CircuitBuilder, CircuitError, Combine, Leaf, LeafFamily, Node, NodeId, NodeKind,
    NodeOptions, Origin, Parameter, PickTable, Product, Slice, Sum, VariableId,
};

use super::ExpectedProblem;
use super::invalid::{Fault, inputs};

/// Copies a circuit node by node, one of them changed.
pub(super) struct Copier<'a> {
    old: &'a Circuit,
    builder: CircuitBuilder,
    /// The new id of each old node.
    ids: Vec<NodeId>,
    rng: ChaCha8Rng,
}

impl<'a> Copier<'a> {
    pub(super) fn new(old: &'a Circuit, rng: ChaCha8Rng) -> Self {
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

    /// The copy with `target` broken, and what is wrong with it.
    pub(super) fn run(
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
pub(super) fn target_slice<'k>(
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
