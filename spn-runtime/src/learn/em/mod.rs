//! Expectation maximisation: parameters follow what a batch used.
//!
//! One step, top to bottom: count, turn centred moments into raw ones, average over past steps, add
//! the prior, normalise; then, every so many batches, change the parameters.

mod layout;
mod leaves;
mod options;
mod weights;

pub use options::{ExpectationMaximization, Prior};

use std::sync::Arc;

use rayon::prelude::*;
use spn_ir::plan::Plan;
use spn_ir::{Formula, ParameterId};

use super::normalize::project;
use crate::error::require;
use crate::executable::Number;
use crate::query::{Groups, Role, Sums};
use crate::{CountOptions, Counting, Dropping, Executable, GradientOptions, Rows, RunError};
use layout::Layout;

/// Values of one parallel job.
const CHUNK: usize = 1 << 14;

/// Expectation maximisation with what it remembers of past batches.
#[derive(Clone, Debug, Default)]
pub(super) struct Maximizer<E> {
    /// What is known of the plan that the last step was on.
    layout: Option<(Arc<Plan>, Layout)>,
    /// Averaged counts of each quantity; empty without momentum.
    pub(super) averages: Vec<Vec<E>>,
    /// Signals of the batches since the parameters last changed; empty if they change each time.
    pub(super) collected: Vec<Vec<E>>,
    groups: Groups<E>,
}

/// One step's numbers.
struct Step<'a, E> {
    options: &'a ExpectationMaximization,
    layout: &'a Layout,
    executable: &'a Executable<E>,
    /// One divided by the rows of the batch, weights counted.
    share: f64,
}

impl<E: Number> Maximizer<E> {
    /// One step on a batch; `step` counts batches from 1. Returns the loss before the step.
    pub(super) fn step(
        &mut self,
        options: &ExpectationMaximization,
        executable: &mut Executable<E>,
        rows: Rows<'_, E>,
        gradient: &GradientOptions<'_, E>,
        (rate, step): (f64, u64),
    ) -> Result<f64, RunError> {
        options.check()?;
        require((0.0..=1.0).contains(&rate), "the learning rate of em", rate, "from 0 to 1")?;
        let plan = executable.shared_plan();
        let layout = match self.layout.take() {
            Some((known, layout)) if Arc::ptr_eq(&known, &plan) => layout,
            _ => Layout::new(&plan)?,
        };
        let counted = count_options(options.counting, gradient, step);
        let counted = executable.count(rows, &counted, &mut self.groups);
        let mut sums = std::mem::take(self.groups.total());
        let share = 1.0 / total_weight(rows, gradient.row_weights);
        let batch = Step { options, layout: &layout, executable, share };
        let usable = counted.is_ok() && share.is_finite() && share > 0.0;
        let new = usable.then(|| {
            executable.install(|| {
                batch.signals(&mut sums, &mut self.averages, step);
                let due = self.collect(options.accumulate_batches, &mut sums, step);
                due.then(|| batch.new_parameters(&mut sums, rate))
            })
        });
        if let Some(new) = new.flatten() {
            apply(options, executable, new, &mut sums);
        }
        let loss = sums.loss;
        *self.groups.total() = sums;
        self.layout = Some((plan, layout));
        counted.map(|_| loss)
    }

    /// Adds up signals of several batches; whether it is time to use their mean, which is then in
    /// `sums`.
    fn collect(&mut self, batches: u32, sums: &mut Sums<E>, step: u64) -> bool {
        if batches <= 1 {
            return true;
        }
        self.collected.resize_with(sums.quantities.len(), Vec::new);
        let due = step.is_multiple_of(u64::from(batches));
        let factor = E::from_f64(1.0 / f64::from(batches));
        for (collected, signal) in self.collected.iter_mut().zip(&mut sums.quantities) {
            collected.resize(signal.len(), E::ZERO);
            collected.iter_mut().zip(&*signal).for_each(|(sum, value)| *sum += *value * factor);
            if due {
                signal.copy_from_slice(collected);
                collected.fill(E::ZERO);
            }
        }
        due
    }
}

/// What is counted for a step with these options.
fn count_options<'a, E>(
    counting: Counting,
    gradient: &GradientOptions<'a, E>,
    step: u64,
) -> CountOptions<'a, E> {
    let seed = if let Dropping::Random { seed, .. } = gradient.dropping { seed } else { 0 };
    CountOptions {
        counting,
        objective: gradient.objective,
        labels: gradient.labels,
        row_weights: gradient.row_weights,
        statistics: gradient.statistics,
        dropping: gradient.dropping,
        seed,
        step,
    }
}

/// New values of a parameter, before its constraint.
struct New<E> {
    id: ParameterId,
    values: Vec<E>,
    /// The quantity whose buffer of counts the values are in.
    buffer: Option<usize>,
}

impl<E> New<E> {
    /// Values in a buffer of their own.
    fn own(id: ParameterId, values: Vec<E>) -> Self {
        Self { id, values, buffer: None }
    }
}

impl<E: Number> Step<'_, E> {
    /// Turns counts into what parameters go towards.
    fn signals(&self, sums: &mut Sums<E>, averages: &mut Vec<Vec<E>>, step: u64) {
        let share = E::from_f64(self.share);
        for planes in &mut sums.quantities {
            planes.par_chunks_mut(CHUNK).for_each(|chunk| {
                chunk.iter_mut().for_each(|value| *value *= share);
            });
        }
        self.uncentre(&mut sums.quantities);
        if self.options.momentum > 0.0 {
            average(self.options.momentum, step, averages, &mut sums.quantities);
        }
        self.add_prior(&mut sums.quantities);
        if self.options.counting == Counting::Soft {
            self.normalize(&mut sums.quantities);
        }
    }

    /// The new values of every trainable parameter that counts lead to.
    fn new_parameters(&self, sums: &mut Sums<E>, rate: f64) -> Vec<New<E>> {
        let plan = self.executable.plan();
        let mut new = Vec::new();
        for (index, quantity) in plan.quantities.iter().enumerate() {
            let role = self.layout.quantities[index].role;
            if role == Role::Unused || !quantity.is_trainable(&plan.parameters) {
                continue;
            }
            match (role, quantity.formula) {
                (Role::Location | Role::Scale, formula) => {
                    let planes = &sums.quantities;
                    new.extend(self.new_leaves((index, formula), planes, rate));
                }
                (_, Formula::Direct(id) | Formula::Normalized(id)) => {
                    let signal = std::mem::take(&mut sums.quantities[index]);
                    let values = self.new_linear((index, id), signal, rate);
                    new.push(New { id, values, buffer: Some(index) });
                }
                (_, Formula::Exp(id) | Formula::Softmax(id)) => {
                    let signal = std::mem::take(&mut sums.quantities[index]);
                    let values = self.new_logs(index, signal, rate);
                    new.push(New { id, values, buffer: Some(index) });
                }
                _ => {}
            }
        }
        new.retain(|new| plan.parameters.get(new.id).trainable);
        new
    }
}

/// Averages counts over past steps, corrected for the start at 0.
fn average<E: Number>(momentum: f64, step: u64, averages: &mut Vec<Vec<E>>, now: &mut [Vec<E>]) {
    averages.resize_with(now.len(), Vec::new);
    let correction = E::from_f64(1.0 / (1.0 - momentum.powf(step as f64)));
    let momentum = E::from_f64(momentum);
    for (average, now) in averages.iter_mut().zip(now) {
        average.resize(now.len(), E::ZERO);
        let chunks = average.par_chunks_mut(CHUNK).zip(now.par_chunks_mut(CHUNK));
        chunks.for_each(|(average, now)| {
            for (average, now) in average.iter_mut().zip(now) {
                *average += (E::ONE - momentum) * (*now - *average);
                *now = *average * correction;
            }
        });
    }
}

/// What one step of online expectation maximisation moves each parameter towards: its signal `s` in
/// `p ← (1 - rate) p + rate · s`, before the constraint, as [`ExpectationMaximization`] defines it. It
/// is minus the reference library's, whose optimiser subtracts. `None` for parameters that no node
/// reads and for locations and scales that stand for themselves, which move by other rules.
///
/// # Errors
/// As [`Executable::counts`], and if a trainable parameter cannot be computed from counts.
pub fn signals<E: Number>(
    executable: &Executable<E>,
    rows: Rows<'_, E>,
    options: &CountOptions<'_, E>,
) -> Result<Vec<Option<Vec<E>>>, RunError> {
    let layout = Layout::new(executable.plan())?;
    let mut groups = Groups::default();
    executable.count(rows, options, &mut groups)?;
    let share = 1.0 / total_weight(rows, options.row_weights);
    let maximization = ExpectationMaximization::new(options.counting);
    let step = Step { options: &maximization, layout: &layout, executable, share };
    let sums = groups.total();
    step.signals(sums, &mut Vec::new(), 1);
    let mut signals = vec![None; executable.parameters().len()];
    let quantities = executable.plan().quantities.iter().zip(&mut sums.quantities);
    for (quantity, planes) in quantities.filter(|(_, planes)| !planes.is_empty()) {
        let plane =
            |number: usize| Some(planes[number * quantity.len()..][..quantity.len()].to_vec());
        match quantity.formula {
            Formula::Ratio { numerator, denominator } => {
                signals[denominator.index()] = plane(0);
                signals[numerator.index()] = plane(1);
            }
            Formula::MomentScale { second_numerator, second_denominator, .. } => {
                signals[second_denominator.index()] = plane(0);
                signals[second_numerator.index()] = plane(3);
            }
            formula if planes.len() == quantity.len() => {
                signals[formula.parameters()[0].index()] = Some(std::mem::take(planes));
            }
            _ => {}
        }
    }
    Ok(signals)
}

/// How many rows a batch stands for.
fn total_weight<E: Number>(rows: Rows<'_, E>, weights: Option<&[E]>) -> f64 {
    weights.map_or(rows.len() as f64, |weights| {
        weights.iter().map(|weight| crate::simd::Real::to_f64(*weight)).sum()
    })
}

/// Puts new values into the executable, with their constraints, and old ones where the new were.
fn apply<E: Number>(
    options: &ExpectationMaximization,
    executable: &mut Executable<E>,
    new: Vec<New<E>>,
    sums: &mut Sums<E>,
) {
    let level = executable.level();
    let plan = executable.shared_plan();
    executable.update(|parameters| {
        for New { id, mut values, buffer } in new {
            let parameter = plan.parameters.get(id);
            let old = &mut parameters[id.index()];
            if let Some(constraint) = &parameter.constraint {
                project(level, constraint, &parameter.shape, &mut values);
                if options.keep_zeros {
                    constraint.restore_zeros(&parameter.shape, old, &mut values);
                }
            }
            let old = std::mem::replace(old, values);
            if let Some(index) = buffer {
                sums.quantities[index] = old;
            }
        }
        leaves::keep_above(options.minimum_scale, &plan, parameters);
    });
}
