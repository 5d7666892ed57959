//! Fusion: a product that only one sum reads becomes part of that sum.
//!
//! ```text
//! p = product(a, b) x16
//! s = sum(p) x32          ->   s = sum(product(a, b)) x32
//! ```
//!
//! The fused operation multiplies the children in cache and feeds the matrix product; the product
//! block is never written to memory. Products that several nodes read, or whose values were asked
//! for, stay operations of their own. So do wide products of a sum with very many inputs, which
//! would keep all their factors alive until the last one is there.

use std::fmt;

use smallvec::SmallVec;
use spn_ir::plan::{Pick, Term};
use spn_ir::{Circuit, Combine, Node, NodeId, NodeKind, Product};

use crate::schedule::kernel;
use crate::simplify::Simplified;

/// Inputs of a sum from which on its products are computed one by one, each when its factors are
/// there: with 64 samples in single precision they are as large as a quarter of the second-level
/// cache of current processors.
const MANY_INPUTS: u64 = 1024;

/// Rows of a product that is worth an operation of its own.
const WIDE: u32 = 16;

/// Operations in topological order; each writes the values of one node.
#[derive(Clone, Debug)]
pub struct Fused {
    /// The simplified circuit that the operations compute.
    pub circuit: Circuit,
    /// The nodes whose values were asked for.
    pub outputs: Vec<NodeId>,
    /// The operations.
    pub operations: Vec<Operation>,
    /// The terms of the last sum, or the root itself if it is none.
    pub root: Vec<FusedTerm>,
}

/// Computes the values of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The node.
    pub node: NodeId,
    /// How.
    pub kind: OperationKind,
}

/// The kinds of operations, one for each kind of plan step.
#[derive(Clone, Debug, PartialEq)]
pub enum OperationKind {
    /// Leaf components.
    Leaf,
    /// A product that is written to memory.
    Product(FusedTerm),
    /// A sum over products.
    SumProduct(Vec<FusedTerm>),
    /// Dropout on the values of the given node.
    Dropout(NodeId),
}

/// A product inside a sum.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedTerm {
    /// Its shape.
    pub term: Term,
    /// The nodes that are multiplied.
    pub factors: SmallVec<[NodeId; 4]>,
}

impl Fused {
    /// The nodes whose values are read after the last operation: by the last sum or the caller.
    #[must_use]
    pub fn read_last(&self) -> Vec<NodeId> {
        let factors = self.root.iter().flat_map(|term| &term.factors);
        factors.chain(&self.outputs).copied().collect()
    }
}

/// Decides which products are fused.
#[must_use]
pub fn run(simplified: Simplified) -> Fused {
    let Simplified { circuit, outputs } = simplified;
    let root_is_sum = matches!(circuit.node(circuit.root).kind, NodeKind::Sum(_));
    // Outputs may stand above the root and read it.
    let root_is_read = circuit.nodes.iter().any(|node| node.children().contains(&circuit.root));
    let root_is_kept = outputs.contains(&circuit.root) || root_is_read || !root_is_sum;
    let fusible = fusible(&circuit, &outputs, root_is_kept);
    let mut operations = Vec::with_capacity(circuit.nodes.len());
    for (id, node) in circuit.iter() {
        if fusible[id.index()] || (id == circuit.root && !root_is_kept) {
            continue;
        }
        let kind = match (&node.kind, node.dropout) {
            (NodeKind::Product(product), Some(_)) => OperationKind::Dropout(product.children[0]),
            (NodeKind::Product(product), None) => {
                OperationKind::Product(term(&circuit, node, product))
            }
            (NodeKind::Sum(sum), _) => {
                OperationKind::SumProduct(terms(&circuit, &sum.children, &fusible))
            }
            (NodeKind::Leaf(_), _) => OperationKind::Leaf,
        };
        operations.push(Operation { node: id, kind });
    }
    let root = match &circuit.node(circuit.root).kind {
        NodeKind::Sum(sum) => terms(&circuit, &sum.children, &fusible),
        _ => terms(&circuit, &[circuit.root], &fusible),
    };
    Fused { circuit, outputs, operations, root }
}

/// Products with exactly one reader, which is a sum, and whose values nobody asked for.
fn fusible(circuit: &Circuit, outputs: &[NodeId], root_is_kept: bool) -> Vec<bool> {
    let mut sums = vec![0_u32; circuit.nodes.len()];
    let mut others = vec![0_u32; circuit.nodes.len()];
    for (id, node) in circuit.iter() {
        let readers = if matches!(node.kind, NodeKind::Sum(_)) { &mut sums } else { &mut others };
        // A root that is kept is computed twice: as an operation and as the last sum.
        let times = if id == circuit.root && root_is_kept { 2 } else { 1 };
        for child in node.children() {
            readers[child.index()] += times;
        }
    }
    let mut fusible: Vec<bool> = circuit
        .iter()
        .map(|(id, node)| {
            matches!(node.kind, NodeKind::Product(_))
                && node.dropout.is_none()
                && sums[id.index()] == 1
                && others[id.index()] == 0
        })
        .collect();
    for id in outputs.iter().chain([&circuit.root]) {
        fusible[id.index()] = false;
    }
    for node in &circuit.nodes {
        if let NodeKind::Sum(sum) = &node.kind {
            keep_wide_products(circuit, &sum.children, &mut fusible);
        }
    }
    fusible
}

/// Leaves the element-wise products of a sum with many inputs alone. An operation that multiplies
/// `k` blocks leaves one in their place; of an outer product it would leave more than there were.
fn keep_wide_products(circuit: &Circuit, children: &[NodeId], fusible: &mut [bool]) {
    let inputs: u64 = children.iter().map(|child| u64::from(circuit.node(*child).width)).sum();
    if inputs < MANY_INPUTS || children.len() == 1 {
        return;
    }
    for child in children {
        let node = circuit.node(*child);
        if let NodeKind::Product(product) = &node.kind
            && product.combine == Combine::ElementWise
            && product.children.len() > 1
            && node.width >= WIDE
        {
            fusible[child.index()] = false;
        }
    }
}

fn terms(circuit: &Circuit, children: &[NodeId], fusible: &[bool]) -> Vec<FusedTerm> {
    children
        .iter()
        .map(|&child| {
            let node = circuit.node(child);
            match &node.kind {
                NodeKind::Product(product) if fusible[child.index()] => {
                    term(circuit, node, product)
                }
                _ => FusedTerm {
                    term: Term { rows: node.width, factors: 1, pick: Pick::Same },
                    factors: SmallVec::from_slice(&[child]),
                },
            }
        })
        .collect()
}

fn term(circuit: &Circuit, node: &Node, product: &Product) -> FusedTerm {
    let pick = match product.combine {
        Combine::ElementWise => Pick::Same,
        Combine::Table(id) => Pick::Table(id),
        Combine::Outer => {
            let mut stride = node.width;
            let digits = product.children.iter().map(|child| {
                let rows = circuit.node(*child).width;
                stride /= rows;
                (stride, rows)
            });
            Pick::Outer { digits: digits.collect() }
        }
    };
    let factors = product.children.len() as u32;
    FusedTerm { term: Term { rows: node.width, factors, pick }, factors: product.children.clone() }
}

/// `product(n0, n1)`; a block that is summed as it is, is only its name.
impl fmt::Display for FusedTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.factors.iter().map(|id| format!("n{}", id.0)).collect();
        let names = names.join(", ");
        match &self.term.pick {
            _ if self.factors.is_empty() => write!(f, "one x{}", self.term.rows),
            Pick::Same if self.factors.len() == 1 => write!(f, "{names}"),
            Pick::Same => write!(f, "product({names})"),
            Pick::Outer { .. } => write!(f, "outer({names})"),
            Pick::Table(id) => write!(f, "pick t{}({names})", id.0),
        }
    }
}

/// One line for each operation, then the root; operations are named after their nodes.
impl fmt::Display for Fused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |terms: &[FusedTerm]| {
            terms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        for operation in &self.operations {
            let node = self.circuit.node(operation.node);
            let (id, width) = (operation.node.0, node.width);
            let asked = if self.outputs.contains(&operation.node) { " (output)" } else { "" };
            match &operation.kind {
                OperationKind::Leaf => {
                    if let NodeKind::Leaf(leaf) = &node.kind {
                        write!(f, "n{id} = leaf {} x{width}", kernel(leaf))?;
                    }
                }
                OperationKind::Product(term) if term.factors.is_empty() => {
                    write!(f, "n{id} = {term}")?;
                }
                OperationKind::Product(term) => write!(f, "n{id} = {term} x{width}")?,
                OperationKind::Dropout(child) => {
                    write!(f, "n{id} = dropout(n{}) x{width}", child.0)?;
                }
                OperationKind::SumProduct(terms) => {
                    write!(f, "n{id} = sum({}) x{width}", join(terms))?;
                }
            }
            writeln!(f, "{asked}")?;
        }
        match self.circuit.node(self.circuit.root).kind {
            NodeKind::Sum(_) => writeln!(f, "root = sum({})", join(&self.root)),
            _ => writeln!(f, "root = {}", join(&self.root)),
        }
    }
}
