//! One training run, with its progress shown and its records written.
//!
//! In: an executable, rows and options. Out: what it came to, with the executable trained; or a
//! failure, and then no model may be written.

use spn_runtime::Executable;
use spn_runtime::learn::{self, End, FitError, FitOptions, Fitted, Trainer};

use super::Records;
use super::progress::Display;
use crate::format::thousands;
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

/// What a training works on and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a, E> {
    pub(crate) train: &'a Examples<E>,
    pub(crate) valid: Option<&'a Examples<E>>,
    pub(crate) options: &'a FitOptions,
    pub(crate) session: &'a Session,
}

impl<E: Real> Run<'_, E> {
    /// Trains an executable, or goes on with a training of the records' checkpoint.
    pub(crate) fn train(
        &self,
        executable: &mut Executable<E>,
        records: &mut Records,
    ) -> Result<Fitted, Failure> {
        let mut trainer = self.start(executable, records)?;
        let rows = self.train.rows.len();
        let seen = trainer.epochs().len() * rows + trainer.running().rows;
        let display = Display::new(self.session, rows, self.options.epochs, seen);
        while let Some(progress) = trainer.step().map_err(|error| self.failure(error, records))? {
            display.show(&progress);
            records.note(&progress, &trainer)?;
        }
        drop(display);
        let fitted = trainer.finish();
        self.tell(&fitted);
        Ok(fitted)
    }

    /// A new training or the saved one.
    fn start<'e>(
        &'e self,
        executable: &'e mut Executable<E>,
        records: &Records,
    ) -> Result<Trainer<'e, E>, Failure> {
        let (train, options) = (self.train.borrow()?, *self.options);
        let valid = self.valid.map(Examples::borrow).transpose()?;
        let Some(checkpoints) = &records.checkpoints else {
            return Ok(Trainer::new(executable, train, valid, options)?);
        };
        let Some(state) = checkpoints.read(self.session)? else {
            return Ok(Trainer::new(executable, train, valid, options)?);
        };
        let folder = checkpoints.folder();
        let trainer = Trainer::resume(executable, train, valid, options, state)
            .map_err(|error| Failure::from(error).in_file(folder))?;
        let (epoch, rows) = (trainer.epochs().len() + 1, trainer.running().rows);
        let (epochs, folder) = (self.options.epochs, folder.display());
        if trainer.end().is_some() {
            let done = trainer.epochs().len();
            self.session.say(&format!(
                "{folder}: training had ended after epoch {done}; only a higher --epochs trains on"
            ));
        } else if rows == 0 {
            self.session.say(&format!("{folder}: going on with epoch {epoch} of {epochs}"));
        } else {
            self.session.say(&format!(
                "{folder}: going on in epoch {epoch} of {epochs}, after {} of {} rows",
                thousands(rows as u64),
                thousands(train.rows.len() as u64)
            ));
        }
        Ok(trainer)
    }

    /// Tells how the training ended, where that is not as asked for.
    fn tell(&self, fitted: &Fitted) {
        let Some(last) = fitted.epochs.last() else { return };
        if fitted.end == End::NoImprovement {
            let patience = self.options.patience.unwrap_or_default();
            self.session.say(&format!(
                "stopped after epoch {}: the validation loss did not get better for {patience} \
                 epoch{}",
                last.epoch,
                if patience == 1 { "" } else { "s" }
            ));
        }
        if let Some(kept) = fitted.kept.filter(|kept| *kept != last.epoch) {
            self.session.say(&format!(
                "kept the parameters of epoch {kept}, whose validation loss was the lowest"
            ));
        }
        if last.train.is_infinite() {
            self.session.say(
                "warning: the training loss is infinite: some rows are impossible under the \
                 network, or training diverged",
            );
        }
    }

    /// Says what to do about a training that went wrong.
    fn failure(&self, error: FitError, records: &Records) -> Failure {
        if !matches!(error, FitError::NotANumber { .. }) {
            return error.into();
        }
        let rate = self.options.learning_rate;
        let failure = Failure::misuse(format!(
            "{error}, so training stopped and no model was written; try a smaller --learning-rate \
             than {rate:?}"
        ));
        match &records.checkpoints {
            Some(_) => failure.with_hint("a new rate needs a new --checkpoint folder"),
            None => failure,
        }
    }
}
