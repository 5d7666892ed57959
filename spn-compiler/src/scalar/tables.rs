//! Tables: which sub-circuits have so few states that a lookup takes their place, and how the small
//! factors of one product share tables.

use smallvec::SmallVec;
use spn_ir::plan::{StateTable, TableNode};
use spn_ir::{Leaf, LeafFamily, NodeId, NodeKind};

use super::{Pass, Reading, at};

/// The most nodes of a sub-circuit in a table; it is evaluated for each combination of states.
const MOST_NODES: u32 = 1000;

/// The most nodes of a sub-circuit that several nodes read, each in a table of its own.
const MOST_SHARED_NODES: u32 = 16;

/// A sub-circuit that fits into a table.
#[derive(Clone, Debug)]
pub(super) struct Small {
    /// Its variables, ascending, by their index among those that are read as states.
    pub(super) variables: SmallVec<[u32; 4]>,
    /// How many nodes it has, shared ones counted each time.
    nodes: u32,
}

/// A factor of a product that fits into a table.
pub(super) struct Factor {
    pub(super) node: NodeId,
    pub(super) variables: SmallVec<[u32; 4]>,
}

/// The table's node for one variable of a leaf, which is the table's variable number `local`.
pub(super) fn leaf(leaf: &Leaf, dimension: u32, local: u8) -> TableNode {
    match leaf.family {
        LeafFamily::Categorical { states, probabilities } => {
            let probabilities = Some(at(probabilities, dimension * states));
            TableNode::Leaf { variable: local, states, probabilities }
        }
        LeafFamily::Indicator | LeafFamily::LocationScale { .. } => {
            TableNode::Leaf { variable: local, states: 1, probabilities: None }
        }
    }
}

impl Pass<'_> {
    /// What is known of a node if it fits into a table; its children were asked before.
    pub(super) fn small_node(&self, id: NodeId) -> Option<Small> {
        let node = self.circuit.node(id);
        let (mut variables, mut nodes) = (SmallVec::<[u32; 4]>::new(), 1_u32);
        match &node.kind {
            NodeKind::Leaf(leaf) => {
                for variable in &leaf.variables {
                    if self.variables[variable.index()] == Reading::Value {
                        return None;
                    }
                    variables = self.union(&variables, &[self.state(*variable)])?;
                    nodes += 1;
                }
            }
            NodeKind::Product(_) | NodeKind::Sum(_) => {
                for child in node.children() {
                    let child = self.small[child.index()].as_ref()?;
                    variables = self.union(&variables, &child.variables)?;
                    nodes = nodes.saturating_add(child.nodes);
                }
            }
        }
        let leaf = matches!(node.kind, NodeKind::Leaf(_));
        let shared = self.readers[id.index()] > 1 && !leaf;
        let most = if shared { MOST_SHARED_NODES } else { MOST_NODES };
        (nodes <= most).then_some(Small { variables, nodes })
    }

    /// The union of two sets of variables, if it fits into a table.
    fn union(&self, first: &[u32], second: &[u32]) -> Option<SmallVec<[u32; 4]>> {
        let mut union = SmallVec::from_slice(first);
        union.extend(second.iter().copied().filter(|variable| !first.contains(variable)));
        union.sort_unstable();
        let bits: u32 = union.iter().map(|v| self.program.states[*v as usize].bits()).sum();
        (bits <= self.bits).then_some(union)
    }

    /// Tables for the product of some factors: the largest factor first, each into the first table
    /// that has room for it.
    pub(super) fn pack(&self, mut factors: Vec<Factor>) -> Vec<StateTable> {
        let bits = |factor: &Factor| -> u32 {
            factor.variables.iter().map(|v| self.program.states[*v as usize].bits()).sum()
        };
        factors.sort_by_key(|factor| std::cmp::Reverse(bits(factor)));
        let mut bins: Vec<(SmallVec<[u32; 4]>, Vec<NodeId>)> = Vec::new();
        for factor in factors {
            let place = bins.iter_mut().find_map(|(variables, nodes)| {
                self.union(variables, &factor.variables).map(|union| (variables, nodes, union))
            });
            match place {
                Some((variables, nodes, union)) => {
                    *variables = union;
                    nodes.push(factor.node);
                }
                None => bins.push((factor.variables, vec![factor.node])),
            }
        }
        bins.into_iter().map(|(variables, nodes)| self.table(variables, &nodes)).collect()
    }

    fn table(&self, variables: SmallVec<[u32; 4]>, nodes: &[NodeId]) -> StateTable {
        let mut expression = Vec::new();
        for &node in nodes {
            self.write(node, &variables, &mut expression);
        }
        if nodes.len() > 1 {
            expression.push(TableNode::Product(nodes.len() as u32));
        }
        StateTable { variables, expression }
    }

    /// Writes a small node in postfix order.
    fn write(&self, id: NodeId, variables: &[u32], expression: &mut Vec<TableNode>) {
        match &self.circuit.node(id).kind {
            NodeKind::Leaf(node) => {
                for (dimension, variable) in node.variables.iter().enumerate() {
                    let state = self.state(*variable);
                    let local = variables.iter().position(|v| *v == state).unwrap_or(0);
                    expression.push(leaf(node, dimension as u32, local as u8));
                }
                if node.variables.len() != 1 {
                    expression.push(TableNode::Product(node.variables.len() as u32));
                }
            }
            NodeKind::Product(product) => {
                product.children.iter().for_each(|c| self.write(*c, variables, expression));
                expression.push(TableNode::Product(product.children.len() as u32));
            }
            NodeKind::Sum(sum) => {
                sum.children.iter().for_each(|c| self.write(*c, variables, expression));
                let count = sum.children.len() as u32;
                expression.push(TableNode::Sum { count, weights: sum.weights });
            }
        }
    }
}
