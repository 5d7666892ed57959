//! Queries: what can be asked of an executable. One file for each.

mod class;
mod complete;
mod counts;
mod gradient;
mod groups;
mod log_likelihood;
mod output;
mod roles;

pub use complete::{Completion, CompletionOptions, CompletionRule};
pub use counts::{CountOptions, Counts, QuantityCounts};
pub use gradient::{Gradient, GradientOptions};
pub(crate) use groups::{Groups, Sums};
pub(crate) use log_likelihood::check_length;
pub use output::FlowOptions;
pub(crate) use roles::{Role, roles};
