//! Pieces of text that the printer puts together: lists, heads of leaves, constraints, dropout.

use super::words::number;
use crate::{
    Combine, Constraint, Dropout, DropoutKind, Leaf, LeafFamily, LocationScale, Node, NodeId,
    NodeKind, PickTableId, Slice,
};

/// Lists longer than this go over several lines.
const LINE: usize = 88;

/// A slice that a node reads, under its attribute's name.
pub(super) struct Read {
    pub(super) name: &'static str,
    pub(super) slice: Slice,
}

/// Everything a node reads, in the order in which the text names it.
pub(super) fn reads(node: &Node) -> Vec<Read> {
    let read = |name, slice| Read { name, slice };
    match &node.kind {
        NodeKind::Leaf(Leaf { family, .. }) => match family {
            LeafFamily::LocationScale { location, scale, .. } => {
                vec![read("location", *location), read("scale", *scale)]
            }
            LeafFamily::Categorical { probabilities, .. } => {
                vec![read("probabilities", *probabilities)]
            }
            LeafFamily::Indicator => Vec::new(),
        },
        NodeKind::Product(_) => Vec::new(),
        NodeKind::Sum(sum) => vec![read("weights", sum.weights)],
    }
}

/// The pick table of a product that has one.
pub(super) fn table_of(node: &Node) -> Option<PickTableId> {
    match &node.kind {
        NodeKind::Product(product) => match product.combine {
            Combine::Table(id) => Some(id),
            _ => None,
        },
        _ => None,
    }
}

/// `leaf normal(0 1) x2`
pub(super) fn leaf_text(leaf: &Leaf, width: u32) -> String {
    let family = match &leaf.family {
        LeafFamily::LocationScale { density, .. } => match density {
            LocationScale::Normal => "normal",
            LocationScale::Cauchy => "cauchy",
            LocationScale::Laplace => "laplace",
        },
        LeafFamily::Indicator => "indicator",
        LeafFamily::Categorical { .. } => "categorical",
    };
    let variables: Vec<String> = leaf.variables.iter().map(|v| v.0.to_string()).collect();
    format!("leaf {family}({}) x{width}", variables.join(", "))
}

/// The names of nodes, with commas.
pub(super) fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(|node| format!("n{}", node.0)).collect::<Vec<_>>().join(", ")
}

/// `sum rate=0.5 stream=3 first=0 stride=1 keep-one`
pub(super) fn dropout_text(dropout: Dropout) -> String {
    let (kind, flag) = match dropout.kind {
        DropoutKind::Sum { keep_one } => ("sum", if keep_one { " keep-one" } else { "" }),
        DropoutKind::Input { rescale } => ("input", if rescale { " rescale" } else { "" }),
    };
    let Dropout { rate, stream, first, stride, .. } = dropout;
    let rate = number(rate);
    format!("{kind} rate={rate} stream={stream} first={first} stride={stride}{flag}")
}

/// `clip(0, 1)`
pub(super) fn constraint_text(constraint: Constraint) -> String {
    match constraint {
        Constraint::Clip { minimum, maximum } => {
            format!("clip({}, {})", number(minimum), number(maximum))
        }
        Constraint::GreaterEqualEpsilon { epsilon } => {
            format!("greater-equal({})", number(epsilon))
        }
        Constraint::GreaterEqualEpsilonNormalized { epsilon, axis } => {
            format!("greater-equal-normalized({}, {axis})", number(epsilon))
        }
        Constraint::LogNormalized { axis } => format!("log-normalized({axis})"),
    }
}

/// `[2 3]`
pub(super) fn shape_list(shape: &[usize]) -> String {
    let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("[{}]", lengths.join(" "))
}

/// `[0 0 1; 0 1 1]`
pub(super) fn picks_list(picks: &[Vec<u32>]) -> String {
    let rows = picks.iter().map(|row| row.iter().map(u32::to_string).collect());
    bracketed(rows)
}

/// `[0.3 0.7; 0.5 0.5]`
pub(super) fn number_list(values: &[f64], columns: usize) -> String {
    let rows = values.chunks(columns.max(1));
    bracketed(rows.map(|row| row.iter().map(|value| number(*value)).collect()))
}

/// Rows in brackets: in one line if it is a short one, else a row (or a part of one) in each.
fn bracketed(rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    let length: usize = rows.iter().flatten().map(|word| word.len() + 1).sum();
    if length <= LINE {
        let rows: Vec<String> = rows.iter().map(|row| row.join(" ")).collect();
        return format!("[{}]", rows.join("; "));
    }
    let mut text = String::from("[");
    for (index, row) in rows.iter().enumerate() {
        text.push_str(if index == 0 { "\n " } else { ";\n " });
        let mut column = 0;
        for word in row {
            if column + word.len() > LINE {
                text.push_str("\n   ");
                column = 0;
            }
            column += word.len() + 1;
            text.push(' ');
            text.push_str(word);
        }
    }
    text + "\n]"
}
