//! An operation on a network, ready to be called again and again.
//!
//! In: a plan, an operation, rows. Out: the time of each call. Nothing but the runtime's own call lies
//! between two looks at the clock.

use std::time::Instant;

use spn_ir::plan::Plan;
use spn_runtime::learn::{Objective, Optimizer};
use spn_runtime::{
    Executable, ExecutableOptions, GradientOptions, Number, Rows, RunError, SampleOptions,
    Statistics,
};

use super::{Operation, Times};

/// The step size of training steps: so small that the network stays what it is however long it is
/// timed. The work of a step does not depend on it.
const LEARNING_RATE: f64 = 1e-6;

/// Samples shorter than this many seconds would measure the clock.
const SHORTEST_SAMPLE: f64 = 2e-6;

/// An operation on batches of rows.
#[derive(Debug)]
pub struct Work<E> {
    executable: Executable<E>,
    operation: Operation,
    optimizer: Option<Optimizer<E>>,
    batch: usize,
    values: Vec<E>,
    /// For every row of a batch; empty unless the operation needs labels.
    labels: Vec<u32>,
    /// Which values of a batch are observed; empty unless some are not.
    observed: Vec<bool>,
    out: Vec<E>,
    /// The batch of the next call.
    next: usize,
    calls_per_sample: usize,
}

impl<E: Number> Work<E> {
    /// Prepares an operation on batches of `batch` rows, which are taken in turn from the given ones;
    /// rows that do not fill a batch are repeated until they do. Gradients are those of the classifier
    /// if the network tells classes apart, with labels in turn, else of the log-likelihood.
    ///
    /// # Errors
    /// If the values are no rows of the plan, there is none, or the operating system gives no threads.
    pub fn new(
        plan: Plan,
        operation: Operation,
        batch: usize,
        values: &[E],
        options: ExecutableOptions,
    ) -> Result<Self, RunError> {
        let columns = plan.variables as usize;
        Rows::new(values, columns)?;
        let executable = Executable::with_options(plan, options)?;
        let given = values.len() / columns.max(1);
        let expected = columns;
        if given == 0 || batch == 0 {
            return Err(RunError::WrongLength { what: "the batch", found: 0, expected });
        }
        let rows = if given < batch { batch } else { given / batch * batch };
        let values = values.iter().copied().cycle().take(rows * columns).collect();
        let labels = labels(&executable, operation, batch);
        let optimizer = operation.method().map(|method| Optimizer::new(method, LEARNING_RATE));
        let masked = if operation.hides_values() { batch * columns } else { 0 };
        let observed = (0..masked).map(|value| value % 2 == 0).collect();
        let out = vec![E::from_f64(0.0); batch];
        let (next, calls_per_sample) = (0, 1);
        Ok(Self {
            executable,
            operation,
            optimizer,
            batch,
            values,
            labels,
            observed,
            out,
            next,
            calls_per_sample,
        })
    }

    /// The network.
    #[must_use]
    pub fn executable(&self) -> &Executable<E> {
        &self.executable
    }

    /// Rows of a call.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Calls that are timed as one, because a single one is too short for the clock.
    #[must_use]
    pub fn calls_per_sample(&self) -> usize {
        self.calls_per_sample
    }

    /// Operations that a call cannot do without, two for each multiply-add.
    #[must_use]
    pub fn flops(&self) -> f64 {
        let row = self.executable.plan().multiply_adds() * u64::from(self.operation.passes());
        2.0 * row as f64 * self.batch as f64
    }

    /// One call.
    ///
    /// # Errors
    /// If the runtime refuses, which after the first call it does not.
    pub fn call(&mut self) -> Result<(), RunError> {
        let columns = self.executable.plan().variables as usize;
        let length = self.batch * columns;
        let start = self.next * length;
        self.next = (self.next + 1) % (self.values.len() / length).max(1);
        let rows = Rows::new(&self.values[start..start + length], columns)?;
        let statistics = Statistics::Observed;
        let samples = SampleOptions { seed: self.next as u64, ..SampleOptions::default() };
        match self.operation {
            Operation::Loglik => {
                return self.executable.log_likelihood_into(rows, statistics, &mut self.out);
            }
            Operation::Moments => {
                let rows = rows.with_mask(&self.observed)?;
                return self.executable.moments(rows, statistics).map(drop);
            }
            Operation::Mpe => {
                let rows = rows.with_mask(&self.observed)?;
                return self.executable.mpe(rows, statistics).map(drop);
            }
            Operation::SampleGiven => {
                let rows = rows.with_mask(&self.observed)?;
                return self.executable.sample_given(rows, 1, samples).map(drop);
            }
            Operation::Sample => return self.executable.sample(self.batch, samples).map(drop),
            _ => {}
        }
        let labels = Some(self.labels.as_slice()).filter(|labels| !labels.is_empty());
        let objective = labels.map_or(Objective::Generative, |_| Objective::Discriminative);
        let options = GradientOptions { objective, labels, ..GradientOptions::default() };
        match &mut self.optimizer {
            Some(optimizer) => optimizer.step(&mut self.executable, rows, &options).map(drop),
            None => self.executable.gradient(rows, &options).map(drop),
        }
    }

    /// Calls for at least so many seconds, three times at least, and decides how many calls are timed as
    /// one.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn warm_up(&mut self, seconds: f64) -> Result<(), RunError> {
        let start = Instant::now();
        let mut calls = 0_u32;
        let mut shortest = f64::INFINITY;
        while calls < 3 || start.elapsed().as_secs_f64() < seconds {
            let before = Instant::now();
            self.call()?;
            shortest = shortest.min(before.elapsed().as_secs_f64());
            calls += 1;
        }
        self.calls_per_sample = (SHORTEST_SAMPLE / shortest.max(1e-9)).ceil().max(1.0) as usize;
        Ok(())
    }

    /// Times calls for so many seconds, one sample at least, and gives the seconds that it took. A call
    /// before them is not timed: it brings back what other work has driven out of the caches.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn time(&mut self, seconds: f64, times: &mut Times) -> Result<f64, RunError> {
        self.call()?;
        let start = Instant::now();
        loop {
            let before = Instant::now();
            for _ in 0..self.calls_per_sample {
                self.call()?;
            }
            times.add(before.elapsed().as_secs_f64() / self.calls_per_sample as f64);
            let spent = start.elapsed().as_secs_f64();
            if spent >= seconds {
                return Ok(spent);
            }
        }
    }
}

/// Classes in turn, if the operation is of a classifier.
fn labels<E: Number>(executable: &Executable<E>, operation: Operation, batch: usize) -> Vec<u32> {
    let classes = executable.classes() as u32;
    let gradients = matches!(operation, Operation::Gradient | Operation::Adam);
    if !gradients || classes < 2 {
        return Vec::new();
    }
    (0..batch as u32).map(|row| row % classes).collect()
}
