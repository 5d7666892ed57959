//! Queries: what can be asked of an executable. One file for each.

mod class;
mod complete;
mod conditional;
mod counts;
mod determinism;
mod gradient;
mod groups;
mod induced_tree;
mod k_best;
mod log_likelihood;
mod marginals;
mod mpe;
mod output;
mod prepared;
mod roles;
mod sample;
mod units;

pub use complete::{Completion, CompletionOptions, CompletionRule};
pub use counts::{CountOptions, Counts, QuantityCounts};
pub use gradient::{Gradient, GradientOptions};
pub(crate) use groups::{Groups, Sums};
pub use marginals::{Marginals, Moments};
pub use mpe::MostProbable;
pub use output::FlowOptions;
pub(crate) use prepared::PreparedQueries;
pub(crate) use roles::{Role, roles};
pub use sample::SampleOptions;
