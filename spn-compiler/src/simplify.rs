//! Simplification: a smaller circuit that computes the same function.
//!
//! ```text
//! p = product(q)            ->  q                (a product of one child)
//! p = product(a, one)       ->  product(a)       (a constant factor of 1)
//! p = product(a, one x1) outer -> product(a) outer
//! p = product(a, product(b, c)) -> product(a, b, c), if nothing else reads the inner product
//! two equal nodes           ->  one node
//! nodes nothing depends on  ->  gone
//! ```
//!
//! Weights are never multiplied into each other: they are parameters that training changes. What
//! stays is exact, so parameters, gradients and values are those of the original circuit.

use std::collections::HashMap;

use smallvec::SmallVec;
use spn_ir::{Circuit, Combine, LeafFamily, Node, NodeId, NodeKind, Product, VariableId};

use crate::Options;
use crate::check::reachable;

/// A simplified circuit and where the requested outputs went.
#[derive(Clone, Debug)]
pub struct Simplified {
    /// The circuit.
    pub circuit: Circuit,
    /// The nodes of [`Options::outputs`], in the same order.
    pub outputs: Vec<NodeId>,
}

/// Runs the rewrites until nothing changes. Mostly the second run only finds that out; a product
/// whose readers turned out to be equal has one reader in the next run and may be spliced then.
#[must_use]
pub fn run(circuit: &Circuit, options: &Options) -> Simplified {
    let mut circuit = circuit.clone();
    let mut outputs = options.outputs.clone();
    loop {
        let (nodes, kept) = rewrite_once(&circuit, &outputs, options.dropout);
        let unchanged = nodes == circuit.nodes;
        circuit.nodes = nodes;
        circuit.root = kept[0];
        outputs = kept[1..].to_vec();
        if unchanged {
            return Simplified { circuit, outputs };
        }
    }
}

/// Runs the rewrites once, bottom up; each sees already simplified children. Gives the new nodes,
/// and the new ids of the root and the outputs.
fn rewrite_once(
    circuit: &Circuit,
    outputs: &[NodeId],
    keep_dropout: bool,
) -> (Vec<Node>, Vec<NodeId>) {
    let mut kept = vec![circuit.root];
    kept.extend(outputs);
    let reachable = reachable(&circuit.nodes, &kept);
    let uses = count_uses(circuit, &reachable, &kept);
    let mut rewriter = Rewriter {
        nodes: Vec::with_capacity(circuit.nodes.len()),
        renamed: vec![NodeId::default(); circuit.nodes.len()],
        uses_after: Vec::with_capacity(circuit.nodes.len()),
        known: HashMap::new(),
    };
    for (id, node) in circuit.iter().filter(|(id, _)| reachable[id.index()]) {
        // The root stays what it is: whether it is a sum decides what its joints are.
        let renamed = rewriter.rewrite(node, uses[id.index()], keep_dropout, id == circuit.root);
        rewriter.renamed[id.index()] = renamed;
    }
    let Rewriter { nodes, renamed, .. } = rewriter;
    let kept: Vec<NodeId> = kept.iter().map(|id| renamed[id.index()]).collect();
    compact(nodes, &kept)
}

/// How often each node is read; requested ones count as read once more, so they stay.
fn count_uses(circuit: &Circuit, reachable: &[bool], kept: &[NodeId]) -> Vec<u32> {
    let mut uses = vec![0_u32; circuit.nodes.len()];
    for (_, node) in circuit.iter().filter(|(id, _)| reachable[id.index()]) {
        for child in node.children() {
            uses[child.index()] += 1;
        }
    }
    for id in kept {
        uses[id.index()] += 2;
    }
    uses
}

struct Rewriter {
    /// The new nodes.
    nodes: Vec<Node>,
    /// New id of each old node.
    renamed: Vec<NodeId>,
    /// How often the old nodes behind each new one are read.
    uses_after: Vec<u32>,
    known: HashMap<Key, NodeId>,
}

/// What makes two nodes equal: everything but their origin.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Leaf(u8, [u32; 5], SmallVec<[VariableId; 1]>, u32),
    Product(SmallVec<[NodeId; 4]>, Combine, u32),
    Sum(SmallVec<[NodeId; 4]>, u32, u32, u32),
}

impl Rewriter {
    /// The new node that stands for `node`.
    fn rewrite(&mut self, node: &Node, uses: u32, keep_dropout: bool, is_root: bool) -> NodeId {
        let mut node = node.clone();
        if !keep_dropout {
            node.dropout = None;
        }
        match &mut node.kind {
            NodeKind::Leaf(_) => {}
            NodeKind::Sum(sum) => {
                sum.children.iter_mut().for_each(|c| *c = self.renamed[c.index()]);
            }
            NodeKind::Product(product) => {
                product.children.iter_mut().for_each(|c| *c = self.renamed[c.index()]);
                // A dropout has one child, whose units it keeps or drops as a whole.
                if node.dropout.is_none() {
                    self.flatten(product);
                }
                if let ([child], Combine::ElementWise | Combine::Outer, None) =
                    (product.children.as_slice(), product.combine, node.dropout)
                    && !is_root
                {
                    self.uses_after[child.index()] += uses.saturating_sub(1);
                    return *child;
                }
            }
        }
        self.intern(node, uses)
    }

    /// Drops factors that are the constant 1 and splices in inner products of the same kind.
    fn flatten(&self, product: &mut Product) {
        let combine = product.combine;
        let mut children: SmallVec<[NodeId; 4]> = SmallVec::new();
        for &child in &product.children {
            match self.inner(child) {
                Some(inner) if inner.children.is_empty() => {
                    // Of an outer product, a constant of several units repeats the others.
                    let width = self.nodes[child.index()].width;
                    let neutral = match combine {
                        Combine::ElementWise => true,
                        Combine::Outer => width == 1,
                        Combine::Table(_) => false,
                    };
                    if !neutral {
                        children.push(child);
                    }
                }
                Some(inner)
                    if inner.combine == combine
                        && !matches!(combine, Combine::Table(_))
                        && self.uses_after[child.index()] == 1 =>
                {
                    children.extend_from_slice(&inner.children);
                }
                _ => children.push(child),
            }
        }
        product.children = children;
        if product.children.is_empty() {
            product.combine = Combine::ElementWise;
        }
    }

    fn inner(&self, id: NodeId) -> Option<&Product> {
        let node = &self.nodes[id.index()];
        match &node.kind {
            NodeKind::Product(product) if node.dropout.is_none() => Some(product),
            _ => None,
        }
    }

    /// Adds the node unless an equal one is there.
    fn intern(&mut self, node: Node, uses: u32) -> NodeId {
        // Two dropouts draw different numbers: never one node.
        let key = if node.dropout.is_some() { None } else { Some(key(&node)) };
        if let Some(&id) = key.as_ref().and_then(|key| self.known.get(key)) {
            self.uses_after[id.index()] += uses;
            return id;
        }
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(node);
        self.uses_after.push(uses);
        if let Some(key) = key {
            self.known.insert(key, id);
        }
        id
    }
}

fn key(node: &Node) -> Key {
    match &node.kind {
        NodeKind::Leaf(leaf) => {
            let (family, numbers) = match &leaf.family {
                LeafFamily::LocationScale { density, location, scale } => {
                    let (l, s) = (location, scale);
                    let numbers = [*density as u32, l.quantity.0, l.offset, s.quantity.0, s.offset];
                    (0, numbers)
                }
                LeafFamily::Indicator => (1, [0; 5]),
                LeafFamily::Categorical { states, probabilities: p } => {
                    (2, [*states, p.quantity.0, p.offset, 0, 0])
                }
            };
            Key::Leaf(family, numbers, leaf.variables.clone(), node.width)
        }
        NodeKind::Product(p) => Key::Product(p.children.clone(), p.combine, node.width),
        NodeKind::Sum(sum) => {
            let weights = sum.weights;
            Key::Sum(sum.children.clone(), weights.quantity.0, weights.offset, node.width)
        }
    }
}

/// Drops nodes that became unreachable and renumbers the rest.
fn compact(nodes: Vec<Node>, kept: &[NodeId]) -> (Vec<Node>, Vec<NodeId>) {
    let reachable = reachable(&nodes, kept);
    let mut renamed = vec![NodeId::default(); nodes.len()];
    let mut left = Vec::with_capacity(nodes.len());
    for (index, mut node) in nodes.into_iter().enumerate().filter(|(index, _)| reachable[*index]) {
        match &mut node.kind {
            NodeKind::Leaf(_) => {}
            NodeKind::Product(p) => p.children.iter_mut().for_each(|c| *c = renamed[c.index()]),
            NodeKind::Sum(s) => s.children.iter_mut().for_each(|c| *c = renamed[c.index()]),
        }
        renamed[index] = NodeId(left.len() as u32);
        left.push(node);
    }
    (left, kept.iter().map(|id| renamed[id.index()]).collect())
}
