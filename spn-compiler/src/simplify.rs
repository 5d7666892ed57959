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

mod known;

use smallvec::SmallVec;
use spn_ir::{Circuit, Combine, Node, NodeId, NodeKind, Product};

use crate::Options;
use crate::check::reachable;
use known::Known;

/// A simplified circuit and where the requested outputs went.
#[derive(Clone, Debug)]
pub struct Simplified {
    /// The circuit.
    pub circuit: Circuit,
    /// The nodes of [`Options::outputs`], in the same order.
    pub outputs: Vec<NodeId>,
}

/// Runs the rewrites until nothing changes, which mostly is once: only where products turned out to
/// be equal may there be more to do, since one that has lost all readers but one may be spliced.
#[must_use]
pub fn run(circuit: &Circuit, options: &Options) -> Simplified {
    let mut kept = vec![circuit.root];
    kept.extend(&options.outputs);
    let mut rewritten = rewrite_once(&circuit.nodes, &kept, options.dropout);
    while rewritten.again {
        rewritten = rewrite_once(&rewritten.nodes, &rewritten.kept, options.dropout);
    }
    let Rewritten { nodes, kept, .. } = rewritten;
    let circuit = Circuit {
        variables: circuit.variables,
        normalisation: circuit.normalisation.clone(),
        scopes: circuit.scopes.clone(),
        nodes,
        tables: circuit.tables.clone(),
        parameters: circuit.parameters.clone(),
        quantities: circuit.quantities.clone(),
        layers: circuit.layers.clone(),
        root: kept[0],
    };
    Simplified { circuit, outputs: kept[1..].to_vec() }
}

/// What one run gives.
struct Rewritten {
    nodes: Vec<Node>,
    /// The new ids of the root and the outputs.
    kept: Vec<NodeId>,
    /// Whether another run may find more.
    again: bool,
}

/// Runs the rewrites once, bottom up; each sees already simplified children. `kept` are the root
/// and the outputs.
fn rewrite_once(old: &[Node], kept: &[NodeId], keep_dropout: bool) -> Rewritten {
    let reachable = reachable(old, kept);
    let uses = count_uses(old, &reachable, kept);
    let mut rewriter = Rewriter {
        nodes: Vec::with_capacity(old.len()),
        renamed: vec![NodeId::default(); old.len()],
        uses_after: Vec::with_capacity(old.len()),
        known: Known::new(old.len()),
        again: false,
    };
    for (index, node) in old.iter().enumerate().filter(|(index, _)| reachable[*index]) {
        // The root stays what it is: whether it is a sum decides what its joints are.
        let is_root = kept[0].index() == index;
        rewriter.renamed[index] = rewriter.rewrite(node, uses[index], keep_dropout, is_root);
    }
    let Rewriter { nodes, renamed, again, .. } = rewriter;
    let kept: Vec<NodeId> = kept.iter().map(|id| renamed[id.index()]).collect();
    let (nodes, kept) = compact(nodes, &kept);
    Rewritten { nodes, kept, again }
}

/// How often each node is read; requested ones count as read once more, so they stay.
fn count_uses(nodes: &[Node], reachable: &[bool], kept: &[NodeId]) -> Vec<u32> {
    let mut uses = vec![0_u32; nodes.len()];
    for (_, node) in nodes.iter().enumerate().filter(|(index, _)| reachable[*index]) {
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
    known: Known,
    /// Whether products turned out to be equal.
    again: bool,
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
        let new = NodeId(self.nodes.len() as u32);
        // Two dropouts draw different numbers: never one node.
        if node.dropout.is_none()
            && let Some(id) = self.known.find_or_add(&node, new, &self.nodes)
        {
            self.uses_after[id.index()] += uses;
            self.again |= matches!(node.kind, NodeKind::Product(_));
            return id;
        }
        self.nodes.push(node);
        self.uses_after.push(uses);
        new
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
