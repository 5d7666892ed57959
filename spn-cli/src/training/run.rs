//! One training run, with its progress shown.
//!
//! In: an executable, rows and options. Out: what it came to, with the executable trained; or a
//! failure, and then nothing may be written.

use spn_runtime::Executable;
use spn_runtime::learn::{self, FitError, Fitted, Trainer};

use super::TrainingOptions;
use super::progress::Display;
use crate::precision::Real;
use crate::prepared::Rows;
use crate::{Failure, Session};

/// Rows with their labels and weights.
#[derive(Clone, Debug)]
pub(crate) struct Examples<E> {
    pub(crate) rows: Rows<E>,
    pub(crate) labels: Option<Vec<u32>>,
    pub(crate) row_weights: Option<Vec<E>>,
}

impl<E: Real> Examples<E> {
    /// The rows as the runtime borrows them.
    pub(crate) fn borrow(&self) -> Result<learn::Examples<'_, E>, Failure> {
        Ok(learn::Examples {
            rows: self.rows.borrow()?,
            labels: self.labels.as_deref(),
            row_weights: self.row_weights.as_deref(),
        })
    }
}

/// Trains an executable.
pub(crate) fn train<E: Real>(
    executable: &mut Executable<E>,
    examples: &Examples<E>,
    valid: Option<&Examples<E>>,
    options: &TrainingOptions,
    session: &Session,
) -> Result<Fitted, Failure> {
    let examples = examples.borrow()?;
    let valid = valid.map(Examples::borrow).transpose()?;
    let display = Display::new(session, examples.rows.len(), options.epochs);
    let mut trainer = Trainer::new(executable, examples, valid, options.fit_options())?;
    while let Some(progress) = trainer.step().map_err(|error| failure(error, options))? {
        display.show(&progress);
    }
    drop(display);
    let fitted = trainer.finish();
    if fitted.epochs.last().is_some_and(|epoch| epoch.train.is_infinite()) {
        session.say(
            "warning: the training loss is infinite: some rows are impossible under the network, \
             or training diverged",
        );
    }
    Ok(fitted)
}

/// Says what to do about a training that went wrong.
fn failure(error: FitError, options: &TrainingOptions) -> Failure {
    match error {
        FitError::NotANumber { .. } => Failure::misuse(format!(
            "{error}, so training stopped and nothing was written; try a smaller --learning-rate \
             than {:?}",
            options.learning_rate
        )),
        error => error.into(),
    }
}
