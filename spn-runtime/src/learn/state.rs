//! A training as plain data: everything it needs to go on as if it had never stopped.

use serde::{Deserialize, Serialize};

use super::{Epoch, RunningEpoch};

/// What an optimiser remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OptimizerState<E> {
    /// Steps taken.
    pub steps: u64,
    /// Lists of tensors. Of a method that follows gradients there is one list for each value
    /// remembered beside a parameter's, with a tensor for each parameter of the plan, as long as it
    /// or empty. Of expectation maximisation they are the averaged counts and the signals collected
    /// since the last change, with a tensor for each quantity. Empty lists remember nothing yet.
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
