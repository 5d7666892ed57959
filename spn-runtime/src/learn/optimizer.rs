//! Optimisers: one step from derivatives to new parameter values, then the projections.
//!
//! A rule (Adam, SGD, RMSprop) works value by value, so it is written as a plain loop that the
//! compiler vectorises; parameters are cut into chunks that run in parallel.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::normalize::project;
use super::{Adam, OptimizerState, RmsProp, Sgd};
use crate::executable::{Executable, Number};
use crate::query::{Derivatives, check_length};
use crate::simd::{Level, dispatch};
use crate::{GradientOptions, Rows, RunError};

/// Values of one parallel job.
const CHUNK: usize = 1 << 14;

/// Which rule changes the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Method {
    /// Adam.
    Adam(Adam),
    /// Gradient descent.
    Sgd(Sgd),
    /// RMSprop.
    #[serde(rename = "rmsprop")]
    RmsProp(RmsProp),
}

impl Default for Method {
    fn default() -> Self {
        Self::Adam(Adam::default())
    }
}

/// How one value changes, with up to two remembered values beside it.
pub(super) trait Rule: Sync {
    /// How many values are remembered.
    const SLOTS: usize;

    /// Changes a chunk of values; unused slots are empty. `step` counts from 1.
    fn apply<E: Number>(
        &self,
        rate: f64,
        step: u64,
        gradient: &[E],
        values: &mut [E],
        slots: [&mut [E]; 2],
    );
}

/// An optimiser with what it remembers of past gradients.
#[derive(Clone, Debug)]
pub struct Optimizer<E> {
    method: Method,
    /// Step size.
    pub learning_rate: f64,
    step: u64,
    /// For each parameter the remembered values, made with the first step.
    slots: Vec<[Vec<E>; 2]>,
    groups: Vec<Derivatives<E>>,
}

impl<E: Number> Optimizer<E> {
    /// An optimiser that has not seen a gradient yet.
    #[must_use]
    pub fn new(method: Method, learning_rate: f64) -> Self {
        Self { method, learning_rate, step: 0, slots: Vec::new(), groups: Vec::new() }
    }

    /// How many steps were taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// What it remembers, to go on from with [`restore`](Self::restore).
    #[must_use]
    pub fn state(&self) -> OptimizerState<E> {
        let slots = self.slots.iter().map(|slots| slots.to_vec());
        OptimizerState { steps: self.step, slots: slots.collect() }
    }

    /// Goes on from what an optimiser of the same method remembered of these parameters.
    ///
    /// # Errors
    /// If the lengths are not theirs; nothing changes then.
    pub fn restore(
        &mut self,
        state: OptimizerState<E>,
        parameters: &[Vec<E>],
    ) -> Result<(), RunError> {
        const WHAT: &str = "the optimiser's saved state";
        if !state.slots.is_empty() {
            check_length(WHAT, state.slots.len(), parameters.len())?;
        }
        let mut restored = Vec::with_capacity(state.slots.len());
        for (slots, values) in state.slots.into_iter().zip(parameters) {
            for slot in slots.iter().filter(|slot| !slot.is_empty()) {
                check_length(WHAT, slot.len(), values.len())?;
            }
            check_length(WHAT, slots.len(), slots.len().min(2))?;
            let mut slots = slots.into_iter();
            restored.push([slots.next().unwrap_or_default(), slots.next().unwrap_or_default()]);
        }
        (self.step, self.slots) = (state.steps, restored);
        Ok(())
    }

    /// One step on a batch: gradient, update of every trainable parameter, projections. Returns
    /// the loss before the step.
    ///
    /// # Errors
    /// If columns, labels or weights do not fit; nothing changes then.
    pub fn step(
        &mut self,
        executable: &mut Executable<E>,
        rows: Rows<'_, E>,
        options: &GradientOptions<'_, E>,
    ) -> Result<f64, RunError> {
        let mut inputs = Vec::new();
        executable.derivatives(rows, options, &mut self.groups, &mut inputs)?;
        self.step += 1;
        let mut derivatives = std::mem::take(&mut self.groups[0]);
        let gradients = executable.parameter_gradients(&mut derivatives.quantities);
        let level = executable.level();
        let constraints: Vec<_> = executable
            .plan()
            .parameters
            .iter()
            .map(|(_, p)| (p.trainable, p.constraint, p.shape.clone()))
            .collect();
        executable.update(|parameters| {
            self.slots.resize_with(parameters.len(), Default::default);
            let all = parameters.iter_mut().zip(gradients).zip(&constraints).zip(&mut self.slots);
            for (((values, gradient), (trainable, constraint, shape)), slots) in all {
                let Some(gradient) = gradient.filter(|_| *trainable) else { continue };
                let step = (self.learning_rate, self.step);
                match self.method {
                    Method::Adam(rule) => apply(&rule, level, step, &gradient, values, slots),
                    Method::Sgd(rule) => apply(&rule, level, step, &gradient, values, slots),
                    Method::RmsProp(rule) => apply(&rule, level, step, &gradient, values, slots),
                }
                if let Some(constraint) = constraint {
                    project(level, constraint, shape, values);
                }
            }
        });
        let loss = derivatives.loss;
        self.groups[0] = derivatives;
        Ok(loss)
    }
}

/// Applies a rule to a parameter, chunk by chunk.
fn apply<E: Number, R: Rule>(
    rule: &R,
    level: Level,
    (rate, step): (f64, u64),
    gradient: &[E],
    values: &mut [E],
    slots: &mut [Vec<E>; 2],
) {
    let [first, second] = slots;
    first.resize(values.len(), E::ZERO);
    second.resize(if R::SLOTS > 1 { values.len() } else { 0 }, E::ZERO);
    let mut seconds: Vec<&mut [E]> = second.chunks_mut(CHUNK).collect();
    seconds.resize_with(values.len().div_ceil(CHUNK), Default::default);
    let state = first.par_chunks_mut(CHUNK).zip(seconds);
    let jobs = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK)).zip(state);
    jobs.for_each(|((values, gradient), (first, second))| {
        let slots = [first, second];
        dispatch!(level, _isa => rule.apply(rate, step, gradient, values, slots));
    });
}
