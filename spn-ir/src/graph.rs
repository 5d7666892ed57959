//! petgraph sees a circuit through its visitor traits, without a copy: `&Circuit` is a graph whose
//! nodes are the arena's and whose edges go from parents to children.
//!
//! What follows edges forwards works on `&Circuit` as it is: depth-first search, breadth-first
//! search, dominators, [`Dot`](petgraph::dot::Dot). What follows them backwards (`toposort`, strong components) needs
//! each node's parents, which the arena does not hold: for that there is [`WithParents`], an index
//! over the borrowed circuit.
//!
//! ```
//! use petgraph::algo::dominators::simple_fast;
//! use petgraph::visit::Dfs;
//! use spn_ir::{NodeId, graph, text};
//!
//! let circuit = text::parse(
//!     "spn 1
//!      variables 2
//!      a = leaf indicator(0) x2
//!      b = leaf indicator(1) x2
//!      p = product(a, b)
//!      s = sum(p) weights=[0.3 0.7]
//!      root s",
//! )?;
//! // Every path from the root to the first leaf goes through the product.
//! let dominators = simple_fast(&circuit, circuit.root);
//! assert_eq!(dominators.immediate_dominator(NodeId(0)), Some(NodeId(2)));
//! // What the root depends on.
//! let mut search = Dfs::new(&circuit, circuit.root);
//! let mut reached = 0;
//! while search.next(&circuit).is_some() {
//!     reached += 1;
//! }
//! assert_eq!(reached, 4);
//! assert!(graph::dot(&circuit).contains("3 -> 2"));
//! # Ok::<(), spn_ir::text::TextError>(())
//! ```

mod parents;
mod picture;

use std::iter::{Copied, Enumerate, Map};
use std::ops::Range;
use std::slice;

use petgraph::Directed;
use petgraph::visit::{
    Data, EdgeCount, EdgeRef, GraphBase, GraphProp, IntoEdgeReferences, IntoEdges, IntoNeighbors,
    IntoNodeIdentifiers, IntoNodeReferences, NodeCompactIndexable, NodeCount, NodeIndexable,
    VisitMap, Visitable,
};

pub use parents::WithParents;
pub use picture::dot;

use crate::{Circuit, Node, NodeId};

/// An edge: a parent and which of its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeId {
    /// The parent.
    pub parent: NodeId,
    /// Position among the parent's children.
    pub position: u32,
}

/// An edge with its child, which lies in the arena.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge<'a> {
    id: EdgeId,
    child: &'a NodeId,
}

impl EdgeRef for Edge<'_> {
    type NodeId = NodeId;
    type EdgeId = EdgeId;
    type Weight = NodeId;

    fn source(&self) -> NodeId {
        self.id.parent
    }

    fn target(&self) -> NodeId {
        *self.child
    }

    /// The child again: an edge of a circuit holds nothing else (weights are units' matters).
    fn weight(&self) -> &NodeId {
        self.child
    }

    fn id(&self) -> EdgeId {
        self.id
    }
}

/// The edges from one node to its children.
#[derive(Clone, Debug)]
pub struct NodeEdges<'a> {
    parent: NodeId,
    children: Enumerate<slice::Iter<'a, NodeId>>,
}

impl<'a> Iterator for NodeEdges<'a> {
    type Item = Edge<'a>;

    fn next(&mut self) -> Option<Edge<'a>> {
        let (position, child) = self.children.next()?;
        Some(Edge { id: EdgeId { parent: self.parent, position: position as u32 }, child })
    }
}

/// All edges, parents in the order of the arena.
#[derive(Clone, Debug)]
pub struct Edges<'a> {
    circuit: &'a Circuit,
    current: NodeEdges<'a>,
}

impl<'a> Iterator for Edges<'a> {
    type Item = Edge<'a>;

    fn next(&mut self) -> Option<Edge<'a>> {
        loop {
            if let Some(edge) = self.current.next() {
                return Some(edge);
            }
            let next = NodeId(self.current.parent.0 + 1);
            if next.index() >= self.circuit.nodes.len() {
                return None;
            }
            self.current = IntoEdges::edges(self.circuit, next);
        }
    }
}

/// Which nodes a search has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visited {
    seen: Vec<bool>,
}

impl VisitMap<NodeId> for Visited {
    fn visit(&mut self, node: NodeId) -> bool {
        !std::mem::replace(&mut self.seen[node.index()], true)
    }

    fn is_visited(&self, node: &NodeId) -> bool {
        self.seen[node.index()]
    }

    fn unvisit(&mut self, node: NodeId) -> bool {
        std::mem::replace(&mut self.seen[node.index()], false)
    }
}

impl GraphBase for Circuit {
    type NodeId = NodeId;
    type EdgeId = EdgeId;
}

impl Data for Circuit {
    type NodeWeight = Node;
    type EdgeWeight = NodeId;
}

impl GraphProp for Circuit {
    type EdgeType = Directed;
}

impl NodeCount for Circuit {
    fn node_count(&self) -> usize {
        self.nodes.len()
    }
}

impl EdgeCount for Circuit {
    fn edge_count(&self) -> usize {
        self.nodes.iter().map(|node| node.children().len()).sum()
    }
}

impl NodeIndexable for Circuit {
    fn node_bound(&self) -> usize {
        self.nodes.len()
    }

    fn to_index(&self, node: NodeId) -> usize {
        node.index()
    }

    fn from_index(&self, index: usize) -> NodeId {
        NodeId(index as u32)
    }
}

impl NodeCompactIndexable for Circuit {}

impl Visitable for Circuit {
    type Map = Visited;

    fn visit_map(&self) -> Visited {
        Visited { seen: vec![false; self.nodes.len()] }
    }

    fn reset_map(&self, map: &mut Visited) {
        map.seen.clear();
        map.seen.resize(self.nodes.len(), false);
    }
}

impl<'a> IntoNeighbors for &'a Circuit {
    type Neighbors = Copied<slice::Iter<'a, NodeId>>;

    fn neighbors(self, node: NodeId) -> Self::Neighbors {
        self.node(node).children().iter().copied()
    }
}

impl IntoNodeIdentifiers for &Circuit {
    type NodeIdentifiers = Map<Range<u32>, fn(u32) -> NodeId>;

    fn node_identifiers(self) -> Self::NodeIdentifiers {
        (0..self.nodes.len() as u32).map(NodeId)
    }
}

impl<'a> IntoNodeReferences for &'a Circuit {
    type NodeRef = (NodeId, &'a Node);
    type NodeReferences =
        Map<Enumerate<slice::Iter<'a, Node>>, fn((usize, &'a Node)) -> (NodeId, &'a Node)>;

    fn node_references(self) -> Self::NodeReferences {
        self.nodes.iter().enumerate().map(|(index, node)| (NodeId(index as u32), node))
    }
}

impl<'a> IntoEdges for &'a Circuit {
    type Edges = NodeEdges<'a>;

    fn edges(self, node: NodeId) -> NodeEdges<'a> {
        NodeEdges { parent: node, children: self.node(node).children().iter().enumerate() }
    }
}

impl<'a> IntoEdgeReferences for &'a Circuit {
    type EdgeRef = Edge<'a>;
    type EdgeReferences = Edges<'a>;

    fn edge_references(self) -> Edges<'a> {
        // Before the first node there is nothing: a leaf's children, of no circuit.
        let children = self.nodes.first().map_or(&[] as &[NodeId], Node::children);
        let current = NodeEdges { parent: NodeId(0), children: children.iter().enumerate() };
        Edges { circuit: self, current }
    }
}

#[cfg(test)]
mod tests;
