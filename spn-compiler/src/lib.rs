//! The compiler: from a [`Circuit`](spn_ir::Circuit) to an execution [`Plan`](spn_ir::plan::Plan).
//!
//! The pipeline stands in [`pipeline`], one call for each pass, each pass in a file of its name:
//!
//! | pass | takes | gives |
//! |---|---|---|
//! | [`mod@check`] | circuit | the same, known to be valid, or problems with witnesses |
//! | [`simplify`] | circuit | a smaller circuit with the same function |
//! | [`fuse`] | circuit | operations: leaves, products, sums with the products they read |
//! | [`schedule`] | operations | steps: isomorphic operations of one level grouped |
//! | [`order`] | steps | the order in which their instances run |
//! | [`memory`] | steps, order | where every value lives, for inference and for training |
//! | [`reverse`] | steps | the reverse pass |
//! | [`scalar`] | circuit | a second way to log-likelihoods, where every block has one unit |
//!
//! The compiler evaluates parameters to check them, but never a network on data; it uses no
//! threads, and the same circuit and options give the same plan, byte for byte.

pub mod check;
mod error;
pub mod fuse;
pub mod memory;
pub mod numbers;
mod options;
pub mod order;
pub mod pipeline;
pub mod reverse;
pub mod scalar;
pub mod schedule;
pub mod simplify;

pub use check::{Problem, ProblemKind, Report, check};
pub use error::CompileError;
pub use options::Options;
pub use pipeline::{Stages, compile, compile_stages};
