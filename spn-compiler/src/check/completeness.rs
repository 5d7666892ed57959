//! Completeness (smoothness): all children of a sum have the same scope.

use spn_ir::{Node, NodeId, NodeKind};

use super::{Finder, ProblemKind};

/// Reports the first child whose scope differs from the first child's.
pub(super) fn check(finder: &mut Finder<'_>, id: NodeId, node: &Node) {
    let NodeKind::Sum(sum) = &node.kind else { return };
    let circuit = finder.circuit;
    let Some((&first, rest)) = sum.children.split_first() else { return };
    let expected = circuit.node(first).scope;
    if let Some(&other) = rest.iter().find(|child| circuit.node(**child).scope != expected) {
        finder.report(id, || {
            let (left, right) = (circuit.scope(first), circuit.scope(other));
            let mut variables: Vec<usize> = left.difference(right).variables().collect();
            variables.extend(right.difference(left).variables());
            variables.sort_unstable();
            ProblemKind::Incomplete { children: (first, other), variables }
        });
    }
}
