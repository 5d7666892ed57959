//! One training run: progress is shown, and a loss that is no number stops it.
//!
//! In: an executable, rows and options. Out: the epochs, with the executable trained; or a
//! failure, and then nothing may be written.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use spn_runtime::learn::{self, Epoch, Progress, fit};
use spn_runtime::{Executable, RunError};

use super::TrainingOptions;
use super::progress::Display;
use crate::precision::Real;
use crate::prepared::Rows;
use crate::{Failure, Session};

/// Rows with their labels.
#[derive(Clone, Debug)]
pub(crate) struct Examples<E> {
    pub(crate) rows: Rows<E>,
    pub(crate) labels: Option<Vec<u32>>,
}

impl<E: Real> Examples<E> {
    fn borrow(&self) -> Result<learn::Examples<'_, E>, Failure> {
        Ok(learn::Examples { rows: self.rows.borrow()?, labels: self.labels.as_deref() })
    }
}

/// Where a loss was no number.
struct NotANumber {
    epoch: usize,
    rows: usize,
}

/// Trains an executable.
pub(crate) fn train<E: Real>(
    executable: &mut Executable<E>,
    examples: &Examples<E>,
    valid: Option<&Examples<E>>,
    options: &TrainingOptions,
    session: &Session,
) -> Result<Vec<Epoch>, Failure> {
    let examples = examples.borrow()?;
    let valid = valid.map(Examples::borrow).transpose()?;
    let display = Display::new(session, examples.rows.len(), options.epochs);
    let fit_options = options.fit_options();
    let epochs = until_not_a_number(|check| {
        fit(executable, examples, valid, &fit_options, |progress| {
            check(&progress);
            display.show(&progress);
        })
    });
    drop(display);
    let stopped = |where_: String| {
        Failure::misuse(format!(
            "the loss became NaN {where_}, so training stopped and nothing was written; try a \
             smaller --learning-rate than {:?}",
            options.learning_rate
        ))
    };
    let epochs = epochs.map_err(|NotANumber { epoch, rows }| {
        stopped(format!("in epoch {epoch}, after {rows} rows"))
    })??;
    let parameters = executable.parameters().iter();
    if parameters.flatten().any(|value| value.double().is_nan()) {
        return Err(stopped("with the last step".to_owned()));
    }
    if epochs.last().is_some_and(|epoch| epoch.train.is_infinite()) {
        session.say(
            "warning: the training loss is infinite: some rows are impossible under the network, \
             or training diverged",
        );
    }
    Ok(epochs)
}

/// Runs a training until it is done or a loss is NaN. The runtime's loop cannot be told to stop,
/// so its progress callback leaves it by unwinding, which calls no panic handler.
fn until_not_a_number<R>(
    run: impl FnOnce(&dyn Fn(&Progress)) -> Result<R, RunError>,
) -> Result<Result<R, RunError>, NotANumber> {
    let check = |progress: &Progress| {
        if let Progress::Step { epoch, rows, loss } = *progress
            && loss.is_nan()
        {
            resume_unwind(Box::new(NotANumber { epoch, rows }));
        }
    };
    match catch_unwind(AssertUnwindSafe(|| run(&check))) {
        Ok(result) => Ok(result),
        Err(payload) => match payload.downcast::<NotANumber>() {
            Ok(stopped) => Err(*stopped),
            Err(other) => resume_unwind(other),
        },
    }
}
