//! The text formats of Juice (ProbabilisticCircuits.jl): circuits `.jpc`, PSDDs `.psdd`, and the
//! variable trees `.vtree` beside them.
//!
//! Lines of words; `c` begins a comment. Nodes have numbers, children precede parents, the last node
//! is the root. Weights are natural logarithms, and stay logarithms here, so that nothing is
//! rounded. Variables count from 1 there and from 0 here.

pub(super) mod jpc;
mod lines;
mod nodes;
pub(super) mod psdd;
pub(super) mod vtree;
