//! For tests only: what the compiler and the runtime are compared with.
//!
//! * [`reference`](mod@reference) says what a circuit means: an obvious evaluator in f64 log space; [`reverse`](mod@reverse) is its
//!   derivative, [`counting`] what expectation maximisation counts. None is fast, all are meant to
//!   be read.
//! * [`random`] makes circuits and rows from a seed, valid ones and ones with a known fault.
//! * [`max_product`] is the value of the best induced tree.
//! * [`brute_force`] sums a small discrete circuit over all its states.
//! * [`golden`] runs directories of test files, [`close`] compares numbers.

pub mod brute_force;
pub mod close;
pub mod counting;
mod density;
mod flows;
pub mod golden;
mod max_product;
pub mod normalise;
pub mod random;
pub mod reference;
pub mod reverse;

pub use close::{Difference, compare, compare_each};
pub use counting::{Counting, Counts, QuantityCounts, Target, count, count_seeds, root_seeds};
pub use max_product::max_product;
pub use normalise::Statistics;
pub use random::{
    CircuitOptions, RowOptions, deterministic_circuit, invalid_circuit, random_circuit, random_row,
};
pub use reference::{
    DropoutMasks, EvaluateOptions, evaluate, evaluate_with, log_likelihood, root_joints,
};
pub use reverse::{Gradients, reverse, reverse_log_likelihood};
