//! The checks: is a circuit a valid sum-product network?
//!
//! In goes any circuit; out comes a [`Report`] with the smallest evidence (*witness*) against each
//! property that does not hold, worded so that a person can mend it. One file per property.

mod completeness;
mod decomposability;
mod parameters;
mod problem;

use std::fmt;

use spn_ir::{Circuit, Node, NodeId};

pub use problem::{Problem, ProblemKind};

/// The most problems that are collected; the first ones are what a person reads.
pub const MOST_PROBLEMS: usize = 100;

/// What the checks found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Whether children of every sum have equal scopes.
    pub complete: bool,
    /// Whether children of every product have disjoint scopes.
    pub decomposable: bool,
    /// Whether all weights are non-negative and finite, and those of each unit sum to 1, and
    /// locations and scales are what densities can have.
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

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = |holds: bool| if holds { "yes" } else { "no" };
        writeln!(f, "complete: {}", answer(self.complete))?;
        writeln!(f, "decomposable: {}", answer(self.decomposable))?;
        writeln!(f, "normalised: {}", answer(self.normalised))?;
        for problem in &self.problems {
            writeln!(f, "problem: {problem}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}

/// Checks every node that the root depends on.
///
/// ```
/// use spn_compiler::{ProblemKind, check};
///
/// // Height is measured twice: a product may not multiply two densities of one variable.
/// let circuit = spn_ir::text::parse(
///     "spn 1
///      variables height
///      a = leaf normal(height) location=[1.7] scale=[0.1]
///      b = leaf normal(height) location=[1.8] scale=[0.2]
///      p = product(a, b)
///      root p",
/// )?;
/// let report = check(&circuit);
/// assert!(report.complete && !report.decomposable);
/// let problem = &report.problems[0];
/// assert!(matches!(&problem.kind, ProblemKind::NotDecomposable { variables, .. }
///     if variables == &[0]));
/// assert_eq!(
///     problem.to_string(),
///     "line 5: product n2 is not decomposable: its children n0 and n1 share variable 0; \
///      children of a product must not share variables"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn check(circuit: &Circuit) -> Report {
    check_below(circuit, &[circuit.root])
}

/// Checks every node that the given ones depend on.
pub(crate) fn check_below(circuit: &Circuit, from: &[NodeId]) -> Report {
    let mut finder = Finder { circuit, problems: Vec::new(), found: 0 };
    let reachable = reachable(&circuit.nodes, from);
    let nodes = || circuit.iter().filter(|(id, _)| reachable[id.index()]);

    nodes().for_each(|(id, node)| completeness::check(&mut finder, id, node));
    let complete = finder.take_found() == 0;
    nodes().for_each(|(id, node)| decomposability::check(&mut finder, id, node));
    let decomposable = finder.take_found() == 0;
    parameters::check(&mut finder, nodes());
    let normalised = finder.take_found() == 0;

    let problems = finder.problems;
    Report { complete, decomposable, normalised, problems, notes: notes(circuit) }
}

/// Which nodes the given ones depend on, themselves included.
pub(crate) fn reachable(nodes: &[Node], from: &[NodeId]) -> Vec<bool> {
    let mut reached = vec![false; nodes.len()];
    for id in from {
        reached[id.index()] = true;
    }
    for (index, node) in nodes.iter().enumerate().rev() {
        if reached[index] {
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
    let kind = ProblemKind::UnusedVariables { variables: unused };
    vec![Problem::new(circuit, circuit.root, kind)]
}

/// Collects problems of one circuit.
pub(crate) struct Finder<'a> {
    circuit: &'a Circuit,
    problems: Vec<Problem>,
    /// Problems since the last [`take_found`](Self::take_found), collected or not.
    found: usize,
}

impl Finder<'_> {
    /// Counts a problem and, while there is room, asks for its witness: a large circuit that is
    /// wrong everywhere must not cost a list of variables for every node.
    fn report(&mut self, node: NodeId, witness: impl FnOnce() -> ProblemKind) {
        self.found += 1;
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem::new(self.circuit, node, witness()));
        }
    }

    fn take_found(&mut self) -> usize {
        std::mem::take(&mut self.found)
    }
}
