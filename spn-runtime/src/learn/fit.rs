//! The training loop: epochs of shuffled batches, progress to the caller, validation.

use std::time::{Duration, Instant};

use spn_ir::random::uniform_at;

use super::{Method, Objective, Optimizer, Quality, evaluate};
use crate::executable::Number;
use crate::{Dropping, Executable, GradientOptions, Rows, RunError};

/// Rows with their labels.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a, E> {
    /// The rows.
    pub rows: Rows<'a, E>,
    /// A class for each row, where the objective needs them.
    pub labels: Option<&'a [u32]>,
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
    /// Rows of a step.
    pub batch: usize,
    /// How often every row is seen.
    pub epochs: usize,
    /// Seed of the order of rows and of dropout.
    pub seed: u64,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            objective: Objective::Generative,
            method: Method::default(),
            learning_rate: 1e-2,
            batch: 128,
            epochs: 10,
            seed: 0,
        }
    }
}

/// What one epoch did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Mean loss of its batches, each before its step.
    pub train: f64,
    /// Quality on the validation rows after it, if there are any.
    pub valid: Option<Quality>,
    /// Time for its steps.
    pub training_time: Duration,
}

/// Where the training stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// After a step.
    Step {
        /// Number of the epoch, from 1.
        epoch: usize,
        /// Rows seen in this epoch.
        rows: usize,
        /// Mean loss of this epoch so far.
        loss: f64,
    },
    /// After an epoch.
    Epoch(Epoch),
}

/// Trains an executable; `progress` is told of every step and epoch.
///
/// The result depends on the options and the data only, not on the number of threads.
///
/// # Errors
/// If columns or labels do not fit.
pub fn fit<E: Number>(
    executable: &mut Executable<E>,
    train: Examples<'_, E>,
    valid: Option<Examples<'_, E>>,
    options: &FitOptions,
    mut progress: impl FnMut(Progress),
) -> Result<Vec<Epoch>, RunError> {
    let mut optimizer = Optimizer::new(options.method, options.learning_rate);
    let mut epochs = Vec::with_capacity(options.epochs);
    for epoch in 1..=options.epochs {
        let start = Instant::now();
        let train = run_epoch(executable, train, options, epoch, &mut optimizer, &mut progress)?;
        let training_time = start.elapsed();
        let valid = match valid {
            None => None,
            Some(set) => Some(evaluate(executable, set.rows, set.labels, options.objective)?),
        };
        let done = Epoch { epoch, train, valid, training_time };
        progress(Progress::Epoch(done));
        epochs.push(done);
    }
    Ok(epochs)
}

/// One pass over the rows in a new order; the mean loss.
fn run_epoch<E: Number>(
    executable: &mut Executable<E>,
    train: Examples<'_, E>,
    options: &FitOptions,
    epoch: usize,
    optimizer: &mut Optimizer<E>,
    progress: &mut impl FnMut(Progress),
) -> Result<f64, RunError> {
    let order = shuffled(train.rows.len(), options.seed, epoch as u64);
    let (mut total, mut seen) = (0.0, 0);
    let mut batch = Batch::default();
    for indices in order.chunks(options.batch.max(1)) {
        batch.gather(train, indices);
        let rows = Rows::new(&batch.values, train.rows.columns())?;
        let dropping = Dropping::Random { seed: options.seed, step: optimizer.steps() };
        let labels = train.labels.map(|_| batch.labels.as_slice());
        let objective = options.objective;
        let gradient = GradientOptions { objective, labels, dropping, ..Default::default() };
        let loss = optimizer.step(executable, rows, &gradient)?;
        seen += indices.len();
        total += loss * indices.len() as f64;
        progress(Progress::Step { epoch, rows: seen, loss: total / seen as f64 });
    }
    Ok(total / seen.max(1) as f64)
}

/// A copy of the rows of one step.
#[derive(Default)]
struct Batch<E> {
    values: Vec<E>,
    labels: Vec<u32>,
}

impl<E: Number> Batch<E> {
    /// Copies the rows; values hidden by a mask become NaN.
    fn gather(&mut self, examples: Examples<'_, E>, indices: &[usize]) {
        self.values.clear();
        self.labels.clear();
        for &index in indices {
            let row = examples.rows.row(index);
            match examples.rows.mask(index) {
                None => self.values.extend_from_slice(row),
                Some(mask) => {
                    let masked = row.iter().zip(mask);
                    self.values.extend(masked.map(|(v, seen)| if *seen { *v } else { E::NAN }));
                }
            }
            self.labels.extend(examples.labels.map(|labels| labels[index]));
        }
    }
}

/// A random order of `0..count` (Fisher and Yates), a function of seed and epoch.
fn shuffled(count: usize, seed: u64, epoch: u64) -> Vec<usize> {
    /// Keeps the order's random numbers apart from those of dropout layers.
    const STREAM: u32 = u32::MAX;
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let other = uniform_at(seed, STREAM, epoch, last as u64) * (last + 1) as f64;
        order.swap(last, (other as usize).min(last));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_every_row_once_and_differs_by_epoch() {
        let first = shuffled(100, 7, 1);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        assert_ne!(first, shuffled(100, 7, 2));
        assert_eq!(first, shuffled(100, 7, 1));
    }
}
