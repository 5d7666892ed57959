//! What formats of nested nodes need to know of a network: its size as a tree, and numbers for its
//! nodes that do not depend on the order in which the circuit has them.

use super::{ScalarKind, Scalars, Unrolled, Values};
use crate::formats::error::WriteError;
use crate::{Circuit, Scope};

/// The most nodes that a network may have when shared nodes are written wherever they are used.
const MAXIMUM_TREE: u64 = 1 << 20;

/// Size and depth of a network written as a tree.
pub(in crate::formats) struct Tree {
    /// How many nodes it has with a copy of a shared node for each of its parents.
    pub(in crate::formats) nodes: u64,
    /// Length of the longest path.
    pub(in crate::formats) depth: u64,
}

impl Unrolled {
    /// The size as a tree.
    ///
    /// # Errors
    /// If that is too large to be written.
    pub(in crate::formats) fn tree(&self) -> Result<Tree, WriteError> {
        let (mut sizes, mut depths): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
        for node in &self.scalars.nodes {
            let (mut size, mut depth) = (1_u64, 0);
            for &child in node.kind.children() {
                size = size.saturating_add(sizes[child as usize]);
                depth = depth.max(depths[child as usize]);
            }
            sizes.push(size);
            depths.push(depth + 1);
        }
        let (nodes, depth) = (sizes[self.root as usize], depths[self.root as usize]);
        if nodes > MAXIMUM_TREE {
            let mend = "with a copy of each shared node for each parent; write it in a format \
                that keeps shared nodes";
            return Err(WriteError::TooLarge { what: "nodes", limit: MAXIMUM_TREE, mend });
        }
        Ok(Tree { nodes, depth })
    }

    /// Numbers the nodes from the root down, each when it is first met from left to right, and
    /// lists them in this order.
    pub(in crate::formats) fn numbering(&self) -> (Vec<u32>, Vec<u32>) {
        let nodes = &self.scalars.nodes;
        let (mut numbers, mut order) = (vec![u32::MAX; nodes.len()], Vec::new());
        let mut stack = vec![self.root];
        while let Some(node) = stack.pop() {
            if numbers[node as usize] != u32::MAX {
                continue;
            }
            numbers[node as usize] = order.len() as u32;
            order.push(node);
            stack.extend(nodes[node as usize].kind.children().iter().rev());
        }
        (numbers, order)
    }

    /// The scope of each node.
    pub(in crate::formats) fn scopes(&self) -> Vec<Scope> {
        let mut scopes: Vec<Scope> = Vec::with_capacity(self.scalars.nodes.len());
        for node in &self.scalars.nodes {
            let mut scope = Scope::from_variables(node.kind.variable().map(|v| v as usize));
            for &child in node.kind.children() {
                scope.union_with(&scopes[child as usize]);
            }
            scopes.push(scope);
        }
        scopes
    }

    /// Notes that a format without a number of variables forgets those behind the last used one.
    pub(in crate::formats) fn forget_variables(&mut self, circuit: &Circuit) {
        let unused = circuit.variables.saturating_sub(self.scalars.variables());
        if unused > 0 {
            self.lost.push(format!("variables: the last {unused} are used by no leaf"));
        }
    }

    /// Makes categorical leaves of indicators, for formats without them.
    pub(in crate::formats) fn replace_indicators(&mut self) {
        let mut found = false;
        for node in &mut self.scalars.nodes {
            if let ScalarKind::Indicator { variable, value, states } = node.kind {
                found = true;
                let one = |state| f64::from(u8::from(state == value));
                let probabilities = Values::Linear((0..states.max(2)).map(one).collect());
                node.kind = ScalarKind::Categorical { variable, probabilities };
            }
        }
        if found {
            self.lost.push(
                "indicators: they become categorical leaves, which training changes".to_owned(),
            );
        }
    }

    /// Notes that logarithms are stored as numbers.
    pub(in crate::formats) fn replace_logarithms(&mut self) {
        let is_log = |scalars: &Scalars| {
            scalars.nodes.iter().any(|node| match &node.kind {
                ScalarKind::Categorical { probabilities: values, .. }
                | ScalarKind::Sum { weights: values, .. } => matches!(values, Values::Log(_)),
                _ => false,
            })
        };
        if is_log(&self.scalars) {
            self.lost.push("logarithms: weights are stored as numbers".to_owned());
        }
    }

    /// Notes that numbers are stored as logarithms, which rounds them.
    pub(in crate::formats) fn round_logarithms(&mut self) {
        let linear = self.scalars.nodes.iter().any(|node| match &node.kind {
            ScalarKind::Categorical { probabilities: values, .. }
            | ScalarKind::Sum { weights: values, .. } => matches!(values, Values::Linear(_)),
            _ => false,
        });
        if linear {
            self.lost.push("the last digits of weights: they are stored as logarithms".to_owned());
        }
    }
}
