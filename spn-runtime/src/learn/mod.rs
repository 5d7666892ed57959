//! Learning: objectives, regularisers, optimisers and the training loop. One file for each.

mod adam;
mod adamw;
mod clipping;
mod em;
mod evaluate;
mod fit;
mod normalize;
pub(crate) mod objective;
mod optimizer;
mod regularization;
mod rmsprop;
mod schedule;
mod sgd;

pub use adam::Adam;
pub use adamw::AdamW;
pub use clipping::Clipping;
pub use em::{ExpectationMaximization, Prior, signals};
pub use evaluate::{Quality, evaluate};
pub use fit::{Epoch, Examples, FitOptions, Progress, fit};
pub use objective::Objective;
pub use optimizer::{Method, Optimizer};
pub use regularization::Regularization;
pub use rmsprop::RmsProp;
pub use schedule::Schedule;
pub use sgd::Sgd;
