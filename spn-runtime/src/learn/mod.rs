//! Learning: objectives, optimisers and the training loop. One file for each.

mod adam;
mod batch;
mod em;
mod epoch;
mod error;
mod evaluate;
mod examples;
mod fit;
mod normalize;
pub(crate) mod objective;
mod optimizer;
mod rmsprop;
mod sgd;
mod state;
mod trainer;

pub use adam::Adam;
pub use batch::Batch;
pub use em::{ExpectationMaximization, Prior, signals};
pub use epoch::{Epoch, Progress, RunningEpoch};
pub use error::{FitError, NotANumber};
pub use evaluate::{Quality, evaluate};
pub use examples::Examples;
pub use fit::{FitOptions, Keep, fit};
pub use objective::Objective;
pub use optimizer::{Method, Optimizer};
pub use rmsprop::RmsProp;
pub use sgd::Sgd;
pub use state::{OptimizerState, TrainerState};
pub use trainer::{End, Fitted, Trainer};
