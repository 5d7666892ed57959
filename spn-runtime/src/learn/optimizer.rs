//! Optimisers: one step from derivatives to new parameter values, then the projections.
//!
//! A rule (Adam, AdamW, SGD, RMSprop) works value by value, so it is written as a plain loop that the
//! compiler vectorises; parameters are cut into chunks that run in parallel.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::em::Maximizer;
use super::normalize::project;
use super::{
    Adam, AdamW, Clipping, ExpectationMaximization, OptimizerState, Regularization, RmsProp, Sgd,
};
use crate::error::check_length;
use crate::executable::{Executable, Number};
use crate::query::Groups;
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
    /// Adam with decoupled weight decay.
    #[serde(rename = "adamw")]
    AdamW(AdamW),
    /// Gradient descent.
    Sgd(Sgd),
    /// RMSprop.
    #[serde(rename = "rmsprop")]
    RmsProp(RmsProp),
    /// Expectation maximisation.
    #[serde(rename = "em")]
    ExpectationMaximization(ExpectationMaximization),
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
    /// What is done to gradients that are too large, before the method sees them.
    pub clipping: Clipping,
    step: u64,
    /// For each parameter the remembered values, made with the first step.
    slots: Vec<[Vec<E>; 2]>,
    groups: Groups<E>,
    maximizer: Maximizer<E>,
}

impl<E: Number> Optimizer<E> {
    /// An optimiser that has not seen a gradient yet and clips none.
    #[must_use]
    pub fn new(method: Method, learning_rate: f64) -> Self {
        Self {
            method,
            learning_rate,
            clipping: Clipping::default(),
            step: 0,
            slots: Vec::new(),
            groups: Groups::default(),
            maximizer: Maximizer::default(),
        }
    }

    /// How many steps were taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// What it remembers, to go on from with [`restore`](Self::restore).
    #[must_use]
    pub fn state(&self) -> OptimizerState<E> {
        let slot = |number: usize| self.slots.iter().map(|slots| slots[number].clone()).collect();
        let slots = match self.method {
            Method::ExpectationMaximization(_) => {
                vec![self.maximizer.averages.clone(), self.maximizer.collected.clone()]
            }
            _ => vec![slot(0), slot(1)],
        };
        OptimizerState { steps: self.step, slots }
    }

    /// Goes on from what an optimiser of the same method remembered of the same plan.
    ///
    /// # Errors
    /// If there are more or fewer tensors, or longer or shorter ones; nothing changes then.
    pub fn restore(
        &mut self,
        state: OptimizerState<E>,
        executable: &Executable<E>,
    ) -> Result<(), RunError> {
        const WHAT: &str = "the optimiser's saved state";
        let OptimizerState { steps, mut slots } = state;
        check_length(WHAT, slots.len(), 2)?;
        let maximizes = matches!(self.method, Method::ExpectationMaximization(_));
        let parameters = executable.parameters();
        let count = if maximizes { executable.plan().quantities.len() } else { parameters.len() };
        for tensors in slots.iter().filter(|tensors| !tensors.is_empty()) {
            check_length(WHAT, tensors.len(), count)?;
            for (tensor, values) in tensors.iter().zip(parameters).filter(|_| !maximizes) {
                let expected = if tensor.is_empty() { 0 } else { values.len() };
                check_length(WHAT, tensor.len(), expected)?;
            }
        }
        let (second, first) = (slots.pop().unwrap_or_default(), slots.pop().unwrap_or_default());
        if maximizes {
            (self.maximizer.averages, self.maximizer.collected) = (first, second);
        } else {
            check_length(WHAT, second.len(), first.len())?;
            self.slots = first.into_iter().zip(second).map(<[_; 2]>::from).collect();
        }
        self.step = steps;
        Ok(())
    }

    /// One step on a batch: gradient, clipping, update of every trainable parameter, projections.
    /// Returns the loss before the step, with the penalty of the regularisation.
    ///
    /// # Errors
    /// If columns, labels or weights do not fit or an option is out of its range; nothing changes
    /// then.
    pub fn step(
        &mut self,
        executable: &mut Executable<E>,
        rows: Rows<'_, E>,
        options: &GradientOptions<'_, E>,
    ) -> Result<f64, RunError> {
        if let Method::ExpectationMaximization(em) = &self.method {
            let clips = self.clipping != Clipping::default();
            let penalised = options.regularization != Regularization::default();
            if let Some(option) = clips.then_some("clipping").or(penalised.then_some("a penalty")) {
                return Err(RunError::NeedsGradients { option });
            }
            let step = (self.learning_rate, self.step + 1);
            let loss = self.maximizer.step(em, executable, rows, options, step)?;
            self.step += 1;
            return Ok(loss);
        }
        self.clipping.check()?;
        let mut inputs = Vec::new();
        executable.derivatives(rows, options, &mut self.groups, &mut inputs)?;
        self.step += 1;
        let mut derivatives = std::mem::take(self.groups.total());
        let mut gradients = executable.parameter_gradients(&mut derivatives.quantities);
        executable.install(|| self.clipping.clip(&executable.plan().parameters, &mut gradients));
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
                    Method::AdamW(rule) => apply(&rule, level, step, &gradient, values, slots),
                    Method::Sgd(rule) => apply(&rule, level, step, &gradient, values, slots),
                    Method::RmsProp(rule) => apply(&rule, level, step, &gradient, values, slots),
                    Method::ExpectationMaximization(_) => {}
                }
                if let Some(constraint) = constraint {
                    project(level, constraint, shape, values);
                }
            }
        });
        let loss = derivatives.loss;
        *self.groups.total() = derivatives;
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

#[cfg(test)]
mod tests {
    use spn_compiler::{Options, compile};

    use super::*;
    use crate::Counting;
    use crate::learn::Regularization;

    const CIRCUIT: &str = "spn 1
        variables 1
        parameter weights [3 1] = [0.1 0.2 0.3]
        quantity weights = softmax(weights)
        parameter location [3 1] = [-1; 0; 2]
        quantity location = direct(location)
        parameter scale [3 1] frozen = [1; 1; 1]
        quantity scale = direct(scale)
        a = leaf normal(0) x3 location=location scale=scale
        r = sum(a) weights=weights
        root r";

    /// A step of gradient descent of size 1 is as long as the clipped gradient, and goes the way of
    /// the gradient of the trainable parameters.
    #[test]
    fn a_step_is_no_longer_than_the_clipped_gradient() {
        let plan = compile(&spn_ir::text::parse(CIRCUIT).unwrap(), &Options::default()).unwrap();
        let mut executable = Executable::<f64>::new(plan).unwrap();
        let rows = Rows::new(&[4.0], 1).unwrap();
        let options = GradientOptions::default();
        let before = executable.parameters().concat();
        let gradient = executable.gradient(rows, &options).unwrap().parameters;
        let trainable: Vec<bool> =
            executable.plan().parameters.iter().map(|(_, p)| p.trainable).collect();
        assert!(trainable.contains(&false));
        let pairs = gradient.into_iter().zip(trainable);
        let gradient = pairs.map(|(g, trained)| if trained { g } else { vec![0.0; g.len()] });
        let gradient: Vec<f64> = gradient.flatten().collect();
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        assert!(norm > 0.5, "{norm}");

        let mut optimizer = Optimizer::new(Method::Sgd(Sgd::default()), 1.0);
        optimizer.clipping = Clipping { norm: Some(0.25), value: None };
        optimizer.step(&mut executable, rows, &options).unwrap();
        let after = executable.parameters().concat();
        for ((before, after), g) in before.iter().zip(after).zip(gradient) {
            let expected = before - g * 0.25 / norm;
            assert!((after - expected).abs() < 1e-14, "{after} {expected}");
        }
    }

    #[test]
    fn wrong_options_change_nothing() {
        let plan = compile(&spn_ir::text::parse(CIRCUIT).unwrap(), &Options::default()).unwrap();
        let mut executable = Executable::<f64>::new(plan).unwrap();
        let rows = Rows::new(&[4.0], 1).unwrap();
        let before = executable.parameters().to_vec();
        let mut optimizer = Optimizer::new(Method::default(), 1.0);
        let regularization = Regularization { l2: -1.0, ..Regularization::default() };
        let wrong = GradientOptions { regularization, ..GradientOptions::default() };
        assert!(optimizer.step(&mut executable, rows, &wrong).is_err());
        optimizer.clipping = Clipping { norm: Some(0.0), value: None };
        assert!(optimizer.step(&mut executable, rows, &GradientOptions::default()).is_err());
        assert_eq!((executable.parameters(), optimizer.steps()), (before.as_slice(), 0));
    }

    #[test]
    fn names_in_files() {
        let cases = [
            (r#"{"name": "adam"}"#, Method::Adam(Adam::default())),
            (r#"{"name": "adamw"}"#, Method::AdamW(AdamW::default())),
            (r#"{"name": "sgd"}"#, Method::Sgd(Sgd::default())),
            (r#"{"name": "rmsprop"}"#, Method::RmsProp(RmsProp::default())),
            (
                r#"{"name": "em", "counting": {"hard": {"sample_probability": 1.0}}}"#,
                Method::ExpectationMaximization(ExpectationMaximization::new(Counting::SAMPLED)),
            ),
        ];
        for (text, method) in cases {
            assert_eq!(serde_json::from_str::<Method>(text).unwrap(), method);
            let again = serde_json::to_string(&method).unwrap();
            assert_eq!(serde_json::from_str::<Method>(&again).unwrap(), method);
        }
        let wrong = r#"{"name": "adam", "weight_decay": 0.1}"#;
        assert!(serde_json::from_str::<Method>(wrong).is_err());
    }
}
