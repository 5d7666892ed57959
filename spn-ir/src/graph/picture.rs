//! Circuits as Graphviz pictures.

use petgraph::dot::{Config, Dot};

use crate::{Circuit, Node, NodeId, NodeKind};

/// The circuit as a picture for Graphviz: `dot -Tsvg`. Shapes tell sums, products and leaves
/// apart; the root has a double line.
#[must_use]
pub fn dot(circuit: &Circuit) -> String {
    let attributes = |_, (id, node): (NodeId, &Node)| {
        let (what, shape) = match &node.kind {
            NodeKind::Leaf(leaf) => {
                let variables: Vec<String> =
                    leaf.variables.iter().map(|variable| format!("x{}", variable.0)).collect();
                (variables.join(" "), "box")
            }
            NodeKind::Product(product) if product.children.is_empty() => {
                ("1".to_owned(), "plaintext")
            }
            NodeKind::Product(_) if node.dropout.is_some() => ("dropout".to_owned(), "hexagon"),
            NodeKind::Product(_) => ("×".to_owned(), "circle"),
            NodeKind::Sum(_) => ("+".to_owned(), "circle"),
        };
        let lines = if id == circuit.root { 2 } else { 1 };
        let width = if node.width == 1 { String::new() } else { format!(" ({})", node.width) };
        format!("label = \"n{}: {what}{width}\" shape = {shape} peripheries = {lines}", id.0)
    };
    let config = [Config::EdgeNoLabel, Config::NodeNoLabel];
    let dot = Dot::with_attr_getters(circuit, &config, &|_, _| String::new(), &attributes);
    format!("{dot:?}")
}
