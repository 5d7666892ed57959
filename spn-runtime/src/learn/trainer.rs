//! The training loop as a state machine that goes one step at a time.
//!
//! In: an executable, rows, options, perhaps a saved state. Out: after each call what happened, and
//! at any time the state to go on from. The order of rows and dropout are functions of the seed and
//! the number of the epoch or step, so the state is all there is to remember.

use std::time::Instant;

use rayon::prelude::*;

use super::batch::Batches;
use super::epoch::{best_epoch, epochs_since_best};
use super::{
    Epoch, Examples, FitError, FitOptions, Keep, NotANumber, Optimizer, Progress, RunningEpoch,
    TrainerState, evaluate,
};
use crate::executable::Number;
use crate::simd::Real;
use crate::{Dropping, Executable, GradientOptions, RunError};

/// Values of one parallel job.
const CHUNK: usize = 1 << 14;

/// A training that its caller drives, step by step.
///
/// Results depend on the options and the data only: not on the number of threads, and not on
/// whether the training was stopped and [resumed](Self::resume) in between.
#[derive(Debug)]
pub struct Trainer<'a, E> {
    executable: &'a mut Executable<E>,
    train: Examples<'a, E>,
    valid: Option<Examples<'a, E>>,
    options: FitOptions,
    optimizer: Optimizer<E>,
    batches: Batches<E>,
    epochs: Vec<Epoch>,
    running: RunningEpoch,
    /// The parameters of the best epoch, if they are kept and there is one.
    best: Option<Vec<Vec<E>>>,
}

/// Why a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All epochs are done.
    AllEpochs,
    /// The validation loss did not get better for as many epochs as the patience allows.
    NoImprovement,
    /// The caller stopped it.
    Stopped,
}

/// What a training came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The epochs that are over, those before a resume included.
    pub epochs: Vec<Epoch>,
    /// Why it ended.
    pub end: End,
    /// The epoch after which the executable's parameters were as they are now. `None` if it was
    /// stopped within an epoch or before the first one, and the last parameters are kept.
    pub kept: Option<usize>,
}

impl<'a, E: Number> Trainer<'a, E> {
    /// A training from the executable's parameters on.
    ///
    /// # Errors
    /// If columns, labels or weights do not fit, there is no row to train on, or an option needs
    /// validation rows and there are none.
    pub fn new(
        executable: &'a mut Executable<E>,
        train: Examples<'a, E>,
        valid: Option<Examples<'a, E>>,
        options: FitOptions,
    ) -> Result<Self, FitError> {
        for examples in [Some(train), valid].into_iter().flatten() {
            examples.check(executable, options.objective)?;
            examples.check_weights()?;
        }
        options.check(valid.is_some())?;
        let mut optimizer = Optimizer::new(options.method, options.learning_rate);
        optimizer.clipping = options.clipping;
        Ok(Self {
            executable,
            train,
            valid,
            options,
            optimizer,
            batches: Batches::new(options.batch, train.rows.len(), options.seed),
            epochs: Vec::new(),
            running: RunningEpoch::default(),
            best: None,
        })
    }

    /// Goes on from a saved state: the executable's parameters become those of the state.
    ///
    /// Data and options must be those that the state was taken with, except that there may be more
    /// epochs now. That lengths and positions fit is checked, the rest is the caller's.
    ///
    /// # Errors
    /// As [`new`](Self::new), and if the state does not fit; the executable is then unchanged.
    pub fn resume(
        executable: &'a mut Executable<E>,
        train: Examples<'a, E>,
        valid: Option<Examples<'a, E>>,
        options: FitOptions,
        state: TrainerState<E>,
    ) -> Result<Self, FitError> {
        let mut trainer = Self::new(executable, train, valid, options)?;
        trainer.check_state(&state)?;
        let TrainerState { epochs, running, optimizer, parameters, best } = state;
        trainer.optimizer.restore(optimizer, trainer.executable)?;
        set_parameters(trainer.executable, parameters);
        Ok(Self { epochs, running, best, ..trainer })
    }

    /// The state to go on from. Costs a copy of the parameters and of what the optimiser remembers.
    #[must_use]
    pub fn state(&self) -> TrainerState<E> {
        TrainerState {
            epochs: self.epochs.clone(),
            running: self.running,
            optimizer: self.optimizer.state(),
            parameters: self.executable.parameters().to_vec(),
            best: self.best.clone(),
        }
    }

    /// The epochs that are over.
    #[must_use]
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// The epoch that is not over.
    #[must_use]
    pub fn running(&self) -> &RunningEpoch {
        &self.running
    }

    /// Why there is nothing left to do; `None` as long as there is.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        if self.epochs.len() >= self.options.epochs {
            return Some(End::AllEpochs);
        }
        let waited = epochs_since_best(&self.epochs);
        let impatient = self.options.patience.is_some_and(|patience| waited >= patience);
        impatient.then_some(End::NoImprovement)
    }

    /// Does the next thing: a step or, behind the last batch of an epoch, validation. `None` when
    /// the training has [ended](Self::end).
    ///
    /// # Errors
    /// If a loss or a parameter became NaN: the training has diverged, and neither its parameters
    /// nor its [state](Self::state) may be kept.
    pub fn step(&mut self) -> Result<Option<Progress>, FitError> {
        if self.end().is_some() {
            return Ok(None);
        }
        if self.running.rows < self.train.rows.len() {
            return self.run_batch().map(Some);
        }
        self.end_epoch().map(Some)
    }

    /// Ends the training, wherever it stands. With [`Keep::Best`] the executable gets the
    /// parameters of the best epoch, if one is over.
    #[must_use]
    pub fn finish(self) -> Fitted {
        let end = self.end().unwrap_or(End::Stopped);
        let Self { executable, epochs, running, best, .. } = self;
        let last = if running.rows == 0 { epochs.last() } else { None };
        let kept = if best.is_some() { best_epoch(&epochs) } else { last };
        let kept = kept.map(|epoch| epoch.epoch);
        if let Some(best) = best {
            set_parameters(executable, best);
        }
        Fitted { epochs, end, kept }
    }

    /// One step on the next batch.
    fn run_batch(&mut self) -> Result<Progress, FitError> {
        let start = Instant::now();
        let (epoch, seed) = (self.epochs.len() + 1, self.options.seed);
        let steps = self.batches.each_epoch(self.train.rows.len()) * self.options.epochs;
        let factor = self.options.schedule.factor(self.optimizer.steps(), steps as u64);
        let batch = self.batches.get(self.train, epoch, self.running.rows)?;
        let options = GradientOptions {
            objective: self.options.objective,
            labels: batch.labels,
            row_weights: batch.row_weights,
            dropping: Dropping::Random { seed, step: self.optimizer.steps() },
            regularization: self.options.regularization,
            ..GradientOptions::default()
        };
        // The one place where a step's rate is set.
        self.optimizer.learning_rate = self.options.learning_rate * factor;
        let loss = self.optimizer.step(self.executable, batch.rows, &options)?;
        let rows = batch.rows.len();
        self.running.rows += rows;
        self.running.weight += batch.total_weight();
        self.running.loss += loss * rows as f64;
        if loss.is_nan() {
            return Err(self.not_a_number(NotANumber::Loss));
        }
        if has_nan(self.executable) {
            return Err(self.not_a_number(NotANumber::Parameter));
        }
        self.running.training_time += start.elapsed();
        let (rows, loss) = (self.running.rows, self.running.mean_loss());
        Ok(Progress::Step { epoch, rows, loss })
    }

    /// Validation and the count of epochs.
    fn end_epoch(&mut self) -> Result<Progress, FitError> {
        let objective = self.options.objective;
        let valid = self.valid.map(|set| evaluate(self.executable, set, objective)).transpose()?;
        if valid.is_some_and(|quality| quality.loss.is_nan()) {
            return Err(self.not_a_number(NotANumber::ValidationLoss));
        }
        let RunningEpoch { training_time, .. } = self.running;
        let (epoch, train) = (self.epochs.len() + 1, self.running.mean_loss());
        let done = Epoch { epoch, train, valid, training_time };
        self.epochs.push(done);
        self.running = RunningEpoch::default();
        if self.options.keep == Keep::Best && epochs_since_best(&self.epochs) == 0 {
            self.best = Some(self.executable.parameters().to_vec());
        }
        Ok(Progress::Epoch(done))
    }

    fn not_a_number(&self, what: NotANumber) -> FitError {
        FitError::NotANumber { what, epoch: self.epochs.len() + 1, rows: self.running.rows }
    }

    /// Checks that a state can be gone on from.
    fn check_state(&self, state: &TrainerState<E>) -> Result<(), FitError> {
        let wrong = |problem: String| Err(FitError::State { problem });
        check_lengths(self.executable, &state.parameters)?;
        if let Some(best) = &state.best {
            check_lengths(self.executable, best)?;
        }
        let (rows, count) = (state.running.rows, self.train.rows.len());
        if !self.batches.can_begin(rows, count) {
            return wrong(format!("no batch of {count} rows begins behind row {rows}"));
        }
        let (done, epochs) = (state.epochs.len(), self.options.epochs);
        let begun = done + usize::from(rows > 0);
        if begun > epochs {
            return wrong(format!("it is in epoch {begun}, but {epochs} epochs are asked for"));
        }
        let numbered = state.epochs.iter().zip(1..).all(|(epoch, number)| epoch.epoch == number);
        let validated = state.epochs.iter().all(|e| e.valid.is_some() == self.valid.is_some());
        let keeps = self.options.keep == Keep::Best && done > 0;
        if !numbered || !validated || keeps != state.best.is_some() {
            return wrong("its epochs were trained with other options".to_owned());
        }
        Ok(())
    }
}

/// Checks that there is a value for each of the executable's.
fn check_lengths<E: Number>(
    executable: &Executable<E>,
    parameters: &[Vec<E>],
) -> Result<(), FitError> {
    let (expected, found) = (executable.parameters().len(), parameters.len());
    if found != expected {
        let problem = format!("it has {found} parameters, but the network has {expected}");
        return Err(FitError::State { problem });
    }
    let named = executable.plan().parameters.iter();
    for (((_, parameter), expected), found) in named.zip(executable.parameters()).zip(parameters) {
        let (expected, found, name) = (expected.len(), found.len(), parameter.name.clone());
        if found != expected {
            return Err(RunError::WrongParameter { name, found, expected }.into());
        }
    }
    Ok(())
}

/// Replaces all parameters; their lengths must fit.
fn set_parameters<E: Number>(executable: &mut Executable<E>, parameters: Vec<Vec<E>>) {
    executable.update(|held| {
        held.iter_mut().zip(parameters).for_each(|(held, new)| *held = new);
    });
}

/// Whether any parameter is NaN.
fn has_nan<E: Number>(executable: &Executable<E>) -> bool {
    let in_chunk = |chunk: &[E]| chunk.iter().fold(false, |nan, value| nan | Real::is_nan(*value));
    executable.install(|| {
        executable.parameters().iter().any(|values| values.par_chunks(CHUNK).any(in_chunk))
    })
}
