//! Queries: what can be asked of an executable. One file for each.

mod class;
mod complete;
mod gradient;
mod log_likelihood;
mod output;

pub use complete::{Completion, CompletionOptions, CompletionRule};
pub(crate) use gradient::Derivatives;
pub use gradient::{Gradient, GradientOptions};
pub(crate) use log_likelihood::check_length;
