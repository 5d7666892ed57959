//! Finding a node that equals another, in a table of their hashes.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use spn_ir::{LeafFamily, Node, NodeId, NodeKind, Slice};

/// Known nodes by hash; the nodes themselves are the caller's. Which node is found does not depend
/// on the hash, only on whether there is an equal one.
pub(super) struct Known {
    /// Hash and id, or `EMPTY`; a power of two of them, at most half in use.
    entries: Vec<(u32, NodeId)>,
    state: RandomState,
}

/// An id that no node has: the table would hold more than it can.
const EMPTY: (u32, NodeId) = (0, NodeId(u32::MAX));

impl Known {
    /// A table for so many nodes at most.
    pub(super) fn new(nodes: usize) -> Self {
        let entries = vec![EMPTY; (2 * nodes).next_power_of_two().max(2)];
        Self { entries, state: RandomState::new() }
    }

    /// The known node that equals `node`, or `None`, and `node` is then known as `new`.
    pub(super) fn find_or_add(
        &mut self,
        node: &Node,
        new: NodeId,
        nodes: &[Node],
    ) -> Option<NodeId> {
        let hash = self.hash(node);
        let mask = self.entries.len() - 1;
        let mut place = hash as usize & mask;
        let hash = (hash >> 32) as u32;
        while self.entries[place].1 != EMPTY.1 {
            let (other, id) = self.entries[place];
            if other == hash && are_equal(&nodes[id.index()], node) {
                return Some(id);
            }
            place = (place + 1) & mask;
        }
        self.entries[place] = (hash, new);
        None
    }

    fn hash(&self, node: &Node) -> u64 {
        let mut hasher = self.state.build_hasher();
        node.width.hash(&mut hasher);
        match &node.kind {
            NodeKind::Leaf(leaf) => {
                leaf.variables.hash(&mut hasher);
                match &leaf.family {
                    LeafFamily::LocationScale { location, scale, .. } => {
                        number(*location).hash(&mut hasher);
                        number(*scale).hash(&mut hasher);
                    }
                    LeafFamily::Indicator => {}
                    LeafFamily::Categorical { probabilities, .. } => {
                        number(*probabilities).hash(&mut hasher);
                    }
                }
            }
            NodeKind::Product(product) => product.children.hash(&mut hasher),
            NodeKind::Sum(sum) => {
                sum.children.hash(&mut hasher);
                number(sum.weights).hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}

fn number(slice: Slice) -> u64 {
    u64::from(slice.quantity.0) << 32 | u64::from(slice.offset)
}

/// Whether two nodes compute the same, whatever their origin. Dropouts are never known.
fn are_equal(left: &Node, right: &Node) -> bool {
    left.width == right.width && left.kind == right.kind
}
