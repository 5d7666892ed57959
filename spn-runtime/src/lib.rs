//! The runtime: runs compiled sum-product networks.
//!
//! A [`Plan`](spn_ir::plan::Plan) from the compiler becomes an [`Executable`]; its methods are the
//! queries. Batches are cut into tiles (samples lie on the vector lanes), tiles run in parallel; a
//! few rows run alone (units lie on the lanes). Results do not depend on the number of threads. All
//! values are natural logarithms.

mod constants;
mod counting;
mod distribution;
mod engine;
mod error;
mod executable;
mod first_flows;
mod first_writers;
mod inference;
mod kernels;
pub mod learn;
mod matrices;
mod query;
mod reruns;
mod row;
mod rows;
mod scalar;
pub mod simd;
mod tiles;
mod workspace;

pub use counting::Counting;
pub use error::RunError;
pub use executable::{Executable, ExecutableOptions, Number};
pub use kernels::dropout::Dropping;
pub use query::{
    Completion, CompletionOptions, CompletionRule, CountOptions, Counts, FlowOptions, Gradient,
    GradientOptions, Marginals, Moments, MostProbable, QuantityCounts, SampleOptions,
};
pub use reruns::Reruns;
pub use rows::{Rows, StateRows, Statistics};
