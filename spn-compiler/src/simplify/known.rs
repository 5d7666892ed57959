//! Finding a node that equals another, in a table of their hashes.

use std::hash::{BuildHasher, RandomState};

use spn_ir::{LeafFamily, Node, NodeId, NodeKind, Slice};

/// Known nodes by hash; the nodes themselves are the caller's. Which node is found does not depend
/// on the hash, only on whether there is an equal one.
pub(super) struct Known {
    /// Hash and id, or `EMPTY`; a power of two of them, at most three quarters in use: a table that
    /// is larger than needed is further away.
    entries: Vec<(u32, NodeId)>,
    /// Another one in every run, so that no file can be made whose nodes all collide.
    seed: u64,
}

/// An id that no node has: the table would hold more than it can.
const EMPTY: (u32, NodeId) = (0, NodeId(u32::MAX));

impl Known {
    /// A table for so many nodes at most.
    pub(super) fn new(nodes: usize) -> Self {
        let entries = vec![EMPTY; (nodes + nodes / 3 + 1).next_power_of_two().max(2)];
        Self { entries, seed: RandomState::new().hash_one(0) }
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
        let mut hash = Mixed(self.seed);
        hash.mix(u64::from(node.width));
        match &node.kind {
            NodeKind::Leaf(leaf) => {
                leaf.variables.iter().for_each(|variable| hash.mix(u64::from(variable.0)));
                match &leaf.family {
                    LeafFamily::LocationScale { location, scale, .. } => {
                        hash.mix(number(*location));
                        hash.mix(number(*scale));
                    }
                    LeafFamily::Indicator => {}
                    LeafFamily::Categorical { probabilities, .. } => {
                        hash.mix(number(*probabilities));
                    }
                }
            }
            NodeKind::Product(product) => hash.mix_children(&product.children),
            NodeKind::Sum(sum) => {
                hash.mix_children(&sum.children);
                hash.mix(number(sum.weights));
            }
        }
        hash.0
    }
}

/// A hash by folded multiplication: a few instructions for each number, where a general hasher
/// takes most of the time that finding equal nodes takes.
struct Mixed(u64);

impl Mixed {
    fn mix(&mut self, number: u64) {
        // An odd number without a pattern: the digits of the golden ratio.
        let product = u128::from(self.0 ^ number) * 0x9E37_79B9_7F4A_7C15;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn mix_children(&mut self, children: &[NodeId]) {
        self.mix(children.len() as u64);
        children.iter().for_each(|child| self.mix(u64::from(child.0)));
    }
}

fn number(slice: Slice) -> u64 {
    u64::from(slice.quantity.0) << 32 | u64::from(slice.offset)
}

/// Whether two nodes compute the same, whatever their origin. Dropouts are never known.
fn are_equal(left: &Node, right: &Node) -> bool {
    left.width == right.width && left.kind == right.kind
}
