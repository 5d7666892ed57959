//! Walking a circuit from children to parents, for which the arena alone is not enough.

use std::iter::{Copied, Map};
use std::ops::Range;
use std::slice;

use petgraph::Direction;
use petgraph::visit::{
    EdgeCount, GraphBase, IntoNeighbors, IntoNeighborsDirected, IntoNodeIdentifiers, Visitable,
};

use super::{EdgeId, Visited};
use crate::{Circuit, Node, NodeId};

/// A borrowed circuit with an index of every node's parents: a graph that can be walked both ways.
///
/// ```
/// use petgraph::algo::toposort;
/// use spn_ir::graph::WithParents;
/// use spn_ir::text;
///
/// let circuit = text::parse(
///     "spn 1
///      variables 1
///      a = leaf indicator(0) x2
///      s = sum(a) weights=[0.3 0.7]
///      root s",
/// )?;
/// let order = toposort(&WithParents::new(&circuit), None);
/// assert_eq!(order.map(|order| order[0]), Ok(circuit.root));
/// # Ok::<(), spn_ir::text::TextError>(())
/// ```
#[derive(Clone, Debug)]
pub struct WithParents<'a> {
    circuit: &'a Circuit,
    /// Parents of all nodes one after the other, a parent once for each edge.
    parents: Vec<NodeId>,
    /// Where each node's parents begin, and the end of the last one's.
    starts: Vec<usize>,
}

impl<'a> WithParents<'a> {
    /// Finds the parents of every node, in time linear in nodes and edges.
    #[must_use]
    pub fn new(circuit: &'a Circuit) -> Self {
        let mut starts = vec![0; circuit.nodes.len() + 1];
        for child in circuit.nodes.iter().flat_map(Node::children) {
            starts[child.index() + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        let mut parents = vec![NodeId::default(); circuit.edge_count()];
        for (parent, node) in circuit.iter() {
            for child in node.children() {
                parents[next[child.index()]] = parent;
                next[child.index()] += 1;
            }
        }
        Self { circuit, parents, starts }
    }

    /// The parents of a node in the order of the arena, once for each edge.
    #[must_use]
    pub fn parents(&self, node: NodeId) -> &[NodeId] {
        &self.parents[self.starts[node.index()]..self.starts[node.index() + 1]]
    }
}

impl GraphBase for WithParents<'_> {
    type NodeId = NodeId;
    type EdgeId = EdgeId;
}

impl Visitable for WithParents<'_> {
    type Map = Visited;

    fn visit_map(&self) -> Visited {
        self.circuit.visit_map()
    }

    fn reset_map(&self, map: &mut Visited) {
        self.circuit.reset_map(map);
    }
}

impl<'a> IntoNeighbors for &'a WithParents<'_> {
    type Neighbors = Copied<slice::Iter<'a, NodeId>>;

    fn neighbors(self, node: NodeId) -> Self::Neighbors {
        self.circuit.neighbors(node)
    }
}

impl<'a> IntoNeighborsDirected for &'a WithParents<'_> {
    type NeighborsDirected = Copied<slice::Iter<'a, NodeId>>;

    fn neighbors_directed(self, node: NodeId, direction: Direction) -> Self::NeighborsDirected {
        match direction {
            Direction::Outgoing => self.circuit.neighbors(node),
            Direction::Incoming => self.parents(node).iter().copied(),
        }
    }
}

impl IntoNodeIdentifiers for &WithParents<'_> {
    type NodeIdentifiers = Map<Range<u32>, fn(u32) -> NodeId>;

    fn node_identifiers(self) -> Self::NodeIdentifiers {
        self.circuit.node_identifiers()
    }
}
