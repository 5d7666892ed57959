//! The formats of SPFlow (versions before 1): equations, lists of named nodes, and JSON.
//!
//! Leaves of the families that circuits have are read: `Gaussian` (with a standard deviation),
//! `Bernoulli` and `Categorical`. The others are refused by name.

pub(super) mod equation;
pub(super) mod json;
mod leaf;
pub(super) mod reference;
mod tokens;
mod variables;

/// The families that are read, for messages.
const FAMILIES: &str = "a Gaussian, Bernoulli or Categorical";
