//! How to train, and the training loop for callers who only watch.

use std::ops::ControlFlow;

use super::{
    Batch, Clipping, Examples, FitError, Fitted, Method, Objective, Progress, Regularization,
    Schedule, Trainer,
};
use crate::Executable;
use crate::executable::Number;

/// Which parameters a training ends with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The last ones.
    #[default]
    Last,
    /// Those after the epoch with the lowest validation loss. Costs a copy of the parameters.
    Best,
}

/// How to train.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitOptions {
    /// What is minimised.
    pub objective: Objective,
    /// How parameters change.
    pub method: Method,
    /// Step size.
    pub learning_rate: f64,
    /// How the step size changes from step to step.
    pub schedule: Schedule,
    /// Limits of gradients.
    pub clipping: Clipping,
    /// Penalties on weights.
    pub regularization: Regularization,
    /// Rows of a step.
    pub batch: Batch,
    /// How often every row is seen.
    pub epochs: usize,
    /// Seed of the order of rows and of dropout.
    pub seed: u64,
    /// Stops after so many epochs in a row without a lower validation loss than the lowest before.
    pub patience: Option<usize>,
    /// Which parameters the training ends with.
    pub keep: Keep,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            objective: Objective::Generative,
            method: Method::default(),
            learning_rate: 1e-2,
            schedule: Schedule::default(),
            clipping: Clipping::default(),
            regularization: Regularization::default(),
            batch: Batch::Rows(128),
            epochs: 10,
            seed: 0,
            patience: None,
            keep: Keep::Last,
        }
    }
}

impl FitOptions {
    /// Checks the options against each other.
    pub(super) fn check(&self, validates: bool) -> Result<(), FitError> {
        self.schedule.check()?;
        if self.patience == Some(0) {
            return Err(FitError::NoPatience);
        }
        let what = match (self.patience, self.keep) {
            (Some(_), _) => "early stopping",
            (None, Keep::Best) => "keeping the best parameters",
            (None, Keep::Last) => return Ok(()),
        };
        if validates { Ok(()) } else { Err(FitError::NoValidation { what }) }
    }
}

/// Trains an executable; `progress` is told of every step and epoch, and may stop the training by
/// breaking: then what was done so far is kept. A training that shall be saved and resumed is a
/// [`Trainer`].
///
/// The result depends on the options and the data only, not on the number of threads.
///
/// # Errors
/// If columns, labels, weights or options do not fit, or if the training diverges to NaN.
pub fn fit<E: Number>(
    executable: &mut Executable<E>,
    train: Examples<'_, E>,
    valid: Option<Examples<'_, E>>,
    options: &FitOptions,
    mut progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Fitted, FitError> {
    let mut trainer = Trainer::new(executable, train, valid, *options)?;
    while let Some(happened) = trainer.step()? {
        if progress(happened).is_break() {
            break;
        }
    }
    Ok(trainer.finish())
}
