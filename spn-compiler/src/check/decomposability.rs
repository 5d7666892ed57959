//! Decomposability: the children of a product have pairwise disjoint scopes.

use spn_ir::{Node, NodeId, NodeKind, Scope};

use super::{Finder, ProblemKind};

/// Reports the first pair of children that share variables.
pub(super) fn check(finder: &mut Finder<'_>, id: NodeId, node: &Node) {
    let NodeKind::Product(product) = &node.kind else { return };
    let circuit = finder.circuit;
    let mut seen = Scope::empty();
    for (index, &child) in product.children.iter().enumerate() {
        let scope = circuit.scope(child);
        if !seen.is_disjoint(scope) {
            // Only now look for the partner: valid products stay linear in their children.
            finder.report(id, || {
                let overlaps = |other: &&NodeId| !circuit.scope(**other).is_disjoint(scope);
                // There is one: together the earlier children overlap.
                let partner = *product.children[..index].iter().find(overlaps).unwrap_or(&child);
                let variables = circuit.scope(partner).intersection(scope).variables().collect();
                ProblemKind::NotDecomposable { children: (partner, child), variables }
            });
            return;
        }
        seen.union_with(scope);
    }
}
