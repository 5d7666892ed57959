//! Problems: what is wrong at which node, with its witness, and how it is said.

use std::fmt;

use spn_ir::{Circuit, NodeId};

/// What is wrong at a node.
#[derive(Clone, Debug, PartialEq)]
pub enum ProblemKind {
    /// Two children of a sum have different scopes (Poon and Domingos 2011, completeness).
    Incomplete {
        /// The two children.
        children: (NodeId, NodeId),
        /// Variables of the one that the other lacks, both ways.
        variables: Vec<usize>,
    },
    /// Two children of a product share variables (decomposability).
    NotDecomposable {
        /// The two children.
        children: (NodeId, NodeId),
        /// The shared variables.
        variables: Vec<usize>,
    },
    /// The weights of a unit do not sum to 1.
    NotNormalised {
        /// Which unit of the sum, or component of a categorical leaf.
        unit: usize,
        /// What they sum to.
        total: f64,
    },
    /// A weight or probability is negative.
    NegativeWeight {
        /// Index of the first one, row-major in the node's matrix.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// A parameter is NaN or infinite.
    NotFinite {
        /// `weight`, `location`, `scale` or `probability`.
        what: &'static str,
        /// Index of the first one in the node's own slice.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// A scale is zero or negative.
    NotPositive {
        /// Index of the first one in the node's own slice.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// The root does not depend on every variable; the others are ignored. Not an error.
    UnusedVariables {
        /// The variables.
        variables: Vec<usize>,
    },
}

/// One violated property at one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The node.
    pub node: NodeId,
    /// Where the node comes from, in words.
    pub origin: String,
    /// What is wrong with it.
    pub kind: ProblemKind,
}

impl Problem {
    pub(super) fn new(circuit: &Circuit, node: NodeId, kind: ProblemKind) -> Self {
        let origin = circuit.describe_origin(circuit.node(node).origin);
        Self { node, origin, kind }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        let node = self.node.0;
        match &self.kind {
            ProblemKind::Incomplete { children: (a, b), variables } => write!(
                f,
                "sum n{node} is not complete: its children n{} and n{} differ in {}; \
                 all children of a sum need the same variables",
                a.0,
                b.0,
                variable_list(variables)
            ),
            ProblemKind::NotDecomposable { children: (a, b), variables } => write!(
                f,
                "product n{node} is not decomposable: its children n{} and n{} share {}; \
                 children of a product must not share variables",
                a.0,
                b.0,
                variable_list(variables)
            ),
            ProblemKind::NotNormalised { unit, total } => write!(
                f,
                "n{node} is not normalised: the weights of unit {unit} sum to {total}; \
                 divide them by that"
            ),
            ProblemKind::NegativeWeight { index, value } => write!(
                f,
                "n{node} has the negative weight {value} at index {index}; weights are \
                 probabilities"
            ),
            ProblemKind::NotFinite { what, index, value } => {
                write!(f, "n{node} has the {what} {value} at index {index}; it must be finite")
            }
            ProblemKind::NotPositive { index, value } => {
                write!(f, "n{node} has the scale {value} at index {index}; it must be positive")
            }
            ProblemKind::UnusedVariables { variables } => {
                write!(f, "the root does not depend on {}", variable_list(variables))
            }
        }
    }
}

/// `variable 3` or `variables 1, 2, 5, … (20 in all)`.
fn variable_list(variables: &[usize]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = variables.iter().take(SHOWN).map(ToString::to_string).collect();
    let shown = shown.join(", ");
    match variables.len() {
        1 => format!("variable {shown}"),
        count if count > SHOWN => format!("variables {shown}, … ({count} in all)"),
        _ => format!("variables {shown}"),
    }
}
