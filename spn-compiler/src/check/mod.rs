//! The checks: is a circuit a valid sum-product network?
//!
//! In goes any circuit; out comes a [`Report`] with the smallest evidence (*witness*) against each
//! property that does not hold, worded so that a person can mend it. One file per property.

mod completeness;
mod decomposability;
mod parameters;

use std::fmt;

use spn_ir::{Circuit, NodeId};

/// The most problems that are collected; the first ones are what a person reads.
pub const MOST_PROBLEMS: usize = 100;

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

/// What the checks found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Whether children of every sum have equal scopes.
    pub complete: bool,
    /// Whether children of every product have disjoint scopes.
    pub decomposable: bool,
    /// Whether all weights are non-negative and finite, and those of each unit sum to 1.
    pub normalised: bool,
    /// The evidence against, at most [`MOST_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// What is worth knowing but not wrong.
    pub notes: Vec<Problem>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Checks every node that the root depends on.
#[must_use]
pub fn check(circuit: &Circuit) -> Report {
    let mut finder = Finder { circuit, problems: Vec::new() };
    let reachable = reachable(circuit, &[circuit.root]);
    let nodes = || circuit.iter().filter(|(id, _)| reachable[id.index()]);

    nodes().for_each(|(id, node)| completeness::check(&mut finder, id, node));
    let complete = finder.problems.is_empty();
    let before = finder.problems.len();
    nodes().for_each(|(id, node)| decomposability::check(&mut finder, id, node));
    let decomposable = finder.problems.len() == before;
    let before = finder.problems.len();
    parameters::check(&mut finder, nodes());
    let normalised = finder.problems.len() == before;

    let mut problems = finder.problems;
    problems.truncate(MOST_PROBLEMS);
    Report { complete, decomposable, normalised, problems, notes: notes(circuit) }
}

/// Which nodes the given ones depend on, themselves included.
pub(crate) fn reachable(circuit: &Circuit, from: &[NodeId]) -> Vec<bool> {
    let mut reached = vec![false; circuit.nodes.len()];
    for id in from {
        reached[id.index()] = true;
    }
    for (id, node) in circuit.iter().rev() {
        if reached[id.index()] {
            for child in node.children() {
                reached[child.index()] = true;
            }
        }
    }
    reached
}

fn notes(circuit: &Circuit) -> Vec<Problem> {
    let scope = circuit.scope(circuit.root);
    let unused: Vec<usize> =
        (0..circuit.variables as usize).filter(|&v| !scope.contains(v)).collect();
    if unused.is_empty() {
        return Vec::new();
    }
    let origin = circuit.describe_origin(circuit.node(circuit.root).origin);
    let kind = ProblemKind::UnusedVariables { variables: unused };
    vec![Problem { node: circuit.root, origin, kind }]
}

/// Collects problems of one circuit.
pub(crate) struct Finder<'a> {
    circuit: &'a Circuit,
    problems: Vec<Problem>,
}

impl Finder<'_> {
    fn report(&mut self, node: NodeId, kind: ProblemKind) {
        let origin = self.circuit.describe_origin(self.circuit.node(node).origin);
        self.problems.push(Problem { node, origin, kind });
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
