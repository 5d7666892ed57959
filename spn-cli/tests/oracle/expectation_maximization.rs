//! Expectation maximisation of networks of layers: the signals of every counting rule, and the
//! variables and log-likelihoods after a step along them.
//!
//! The network has linear weights and leaves of moment accumulators. The reference's optimiser
//! subtracts signals, so they are minus ours.

use std::sync::Arc;

use spn_ir::Parameters;
use spn_ir::plan::Plan;
use spn_runtime::learn::{ExpectationMaximization, Method, Objective, Optimizer, signals};
use spn_runtime::{CountOptions, Counting, GradientOptions, Number, Rows};

use crate::case::{Case, text_of};
use crate::compare::Kind;
use crate::machine::{Machine, widen};
use crate::setup::{Prepared, Setup, model};

/// What is computed together.
struct Group {
    /// The groups of arrays that hold its signals. Whether the root keeps its children apart does
    /// not matter.
    signals: &'static [&'static str],
    /// The group that holds what comes after a step.
    step: Option<&'static str>,
    counting: Counting,
    objective: Objective,
}

const GROUPS: [Group; 4] = [
    Group {
        signals: &["em", "em_children_root"],
        step: Some("em_step"),
        counting: Counting::Soft,
        objective: Objective::Generative,
    },
    Group {
        signals: &["em_joint"],
        step: None,
        counting: Counting::Soft,
        objective: Objective::Joint,
    },
    Group {
        signals: &["hard"],
        step: Some("hard_step"),
        counting: Counting::HARD,
        objective: Objective::Generative,
    },
    Group {
        signals: &["uhard"],
        step: Some("uhard_step"),
        counting: Counting::UNWEIGHTED_HARD,
        objective: Objective::Generative,
    },
];

/// The rule of a run or an operation that the reference calls so.
pub(crate) fn counting(name: &str) -> Option<Counting> {
    match name {
        "em" | "soft" => Some(Counting::Soft),
        "hard" => Some(Counting::HARD),
        "uhard" => Some(Counting::UNWEIGHTED_HARD),
        _ => None,
    }
}

/// The options of the reference's optimiser with a rule: it keeps no scale from vanishing.
pub(crate) fn options(counting: Counting) -> ExpectationMaximization {
    ExpectationMaximization { minimum_scale: 0.0, ..ExpectationMaximization::new(counting) }
}

/// Divides the uses of each sum's weights by the magnitude of their sum, where it is not 0: soft
/// signals. `shape` is that of the weights, `[.., inputs, sums]`.
pub(crate) fn normalise(shape: &[usize], uses: &mut [f64]) {
    let &[.., inputs, sums] = shape else { return };
    for matrix in uses.chunks_exact_mut((inputs * sums).max(1)) {
        for sum in 0..sums {
            let total: f64 = matrix.iter().skip(sum).step_by(sums).sum();
            if total != 0.0 {
                let uses = matrix.iter_mut().skip(sum).step_by(sums);
                uses.for_each(|uses| *uses /= total.abs());
            }
        }
    }
}

/// What expectation maximisation does with the network of a case.
pub(crate) struct Maximization<'a> {
    case: &'a Case,
    parameters: Parameters,
    plan: Arc<Plan>,
    learning_rate: Option<f64>,
}

impl<'a> Maximization<'a> {
    /// The network, if the case has signals of it.
    pub(crate) fn new(case: &'a Case) -> Result<Option<Self>, String> {
        let has = |group: &&str| case.has_in(&format!("{group}/"));
        if !GROUPS.iter().flat_map(|group| group.signals).any(has) {
            return Ok(None);
        }
        let prepared = Prepared::new(case, model(case, Setup::Accumulators)?)?;
        let learning_rate = case.number("em_learning_rate").ok();
        let Prepared { model, plan, .. } = prepared;
        Ok(Some(Self { case, parameters: model.parameters, plan, learning_rate }))
    }

    /// Compares everything.
    pub(crate) fn compare<E: Number>(
        &self,
        machine: &Machine,
        rows: Rows<'_, E>,
        labels: Option<&[u32]>,
    ) -> Result<(), String> {
        for group in &GROUPS {
            let in_case = |name: &&str| self.case.has_in(&format!("{name}/"));
            if group.signals.iter().any(in_case) {
                self.compare_signals(machine, rows, (group, labels))?;
            }
            if let Some(step) = group.step.filter(in_case) {
                self.compare_step(machine, rows, (group.counting, step))?;
            }
        }
        Ok(())
    }

    fn compare_signals<E: Number>(
        &self,
        machine: &Machine,
        rows: Rows<'_, E>,
        (group, labels): (&Group, Option<&[u32]>),
    ) -> Result<(), String> {
        let executable = machine.prepare::<E>(&self.plan)?;
        let &Group { counting, objective, .. } = group;
        let options = CountOptions { counting, objective, labels, ..CountOptions::default() };
        let signals = signals(&executable, rows, &options).map_err(text_of)?;
        let log_likelihoods = widen(&executable.log_likelihood(rows).map_err(text_of)?);
        for name in group.signals {
            let key = format!("{name}/log_prob");
            self.case.compare(&key, Kind::LogProbability, &machine.name, &log_likelihoods);
            for ((_, parameter), signal) in self.parameters.iter().zip(&signals) {
                // What no node reads gets no signal.
                let mut values = vec![0.0; parameter.values.len()];
                if let Some(signal) = signal {
                    values = widen(signal).into_iter().map(|value| -value).collect();
                }
                let key = format!("{name}/{}", parameter.name);
                let shaped = (parameter.shape.as_slice(), values.as_slice());
                self.case.compare_shaped(&key, Kind::Signal, &machine.name, shaped);
            }
        }
        Ok(())
    }

    fn compare_step<E: Number>(
        &self,
        machine: &Machine,
        rows: Rows<'_, E>,
        (counting, name): (Counting, &str),
    ) -> Result<(), String> {
        let rate = self.learning_rate.ok_or("no `em_learning_rate`")?;
        let mut executable = machine.prepare::<E>(&self.plan)?;
        let method = Method::ExpectationMaximization(options(counting));
        let mut optimizer = Optimizer::new(method, rate);
        let step = optimizer.step(&mut executable, rows, &GradientOptions::default());
        step.map_err(text_of)?;
        for ((_, parameter), values) in self.parameters.iter().zip(executable.parameters()) {
            let key = format!("{name}/{}", parameter.name);
            let shaped = (parameter.shape.as_slice(), &*widen(values));
            self.case.compare_shaped(&key, Kind::Signal, &machine.name, shaped);
        }
        let after = widen(&executable.log_likelihood(rows).map_err(text_of)?);
        let key = format!("{name}/log_prob");
        self.case.compare(&key, Kind::LogProbability, &machine.name, &after);
        Ok(())
    }
}

#[test]
fn uses_are_normalised_for_each_sum() {
    let mut uses = [1.0, 0.0, -2.0, 3.0, 0.0, -6.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0];
    normalise(&[2, 2, 3], &mut uses);
    assert_eq!(uses, [0.25, 0.0, -0.25, 0.75, 0.0, -0.75, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
}
