//! A training as plain data: everything it needs to go on as if it had never stopped.

use serde::{Deserialize, Serialize};

use super::{Epoch, RunningEpoch};

/// What an optimiser remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OptimizerState<E> {
    /// Steps taken.
    pub steps: u64,
    /// For each parameter of the plan the tensors remembered beside it, each as long as the
    /// parameter or empty. Empty before the first step.
    pub slots: Vec<Vec<Vec<E>>>,
}

/// A training between two steps.
///
/// With the executable's plan, the data and the options of the training it was taken from,
/// [`Trainer::resume`](super::Trainer::resume) goes on to the same bits. Times are in it for
/// reports; nothing depends on them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainerState<E> {
    /// The epochs that are over.
    pub epochs: Vec<Epoch>,
    /// The one that is not.
    pub running: RunningEpoch,
    /// What the optimiser remembers.
    pub optimizer: OptimizerState<E>,
    /// The parameters, exactly as they are held, in the plan's order.
    pub parameters: Vec<Vec<E>>,
    /// Those after the epoch with the lowest validation loss, if the best are kept and there is
    /// such an epoch.
    pub best: Option<Vec<Vec<E>>>,
}
