//! Dynamic networks over left-padded sequences.
//!
//! The reference pads and masks; here sequences of one length are one circuit, those with padding
//! one that begins as the reference's does behind it. Values at padded steps are 0. Signals are
//! gradients of the mean over all sequences, so those of a length count with their share of the
//! batch; or uses of weights by all sequences, step by step.
//!
//! What the last padded step hands on are ones only, between which unweighted winners are ties. The
//! reference breaks ties at random, and so do we: some seed has to give what it found.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use spn_ir::layers::{BuildOptions, DynamicModel, DynamicNetwork};
use spn_runtime::{CountOptions, Counting, Number, Rows, Statistics};

use crate::case::{Case, text_of};
use crate::compare::Kind;
use crate::expectation_maximization::{counting, normalise};
use crate::machine::{Job, Machine, everywhere, narrow, widen};
use crate::setup::{Setup, fill, forget_drawn};
use crate::unrolled::{Sent, Unrolled};

/// Seeds of ties: many more than there are ways to break those of a few sequences.
const SEEDS: u64 = 5000;

/// Compares a dynamic network with the parameters of every sum operation.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let runs: BTreeSet<&str> = case
        .groups()
        .into_iter()
        .filter(|group| case.has_in(&format!("{group}/params/")))
        .collect();
    for name in runs {
        let run = Run::new(case, name).map_err(|problem| format!("{name}: {problem}"))?;
        everywhere(&run).map_err(|problem| format!("{name}: {problem}"))?;
    }
    Ok(())
}

/// The network with the parameters of one sum operation.
struct Run<'a> {
    case: &'a Case,
    name: &'a str,
    /// How uses are counted; `None` if the signals are gradients.
    counting: Option<Counting>,
    model: DynamicModel,
    /// `[sequences, steps, variables]`
    rows: &'a [f64],
    steps: usize,
    variables: usize,
    /// The sequences of each length, with the circuit for them.
    lengths: BTreeMap<usize, (Vec<usize>, Unrolled)>,
    sequences: usize,
}

impl<'a> Run<'a> {
    fn new(case: &'a Case, name: &'a str) -> Result<Self, String> {
        let prefix = format!("{name}/params/");
        let has_moments = case.keys_in(&prefix).any(|key| key.contains("_moment_"));
        let setup = match (name, counting(name)) {
            ("log", _) => Setup::Log,
            ("lin", _) => Setup::Linear,
            (_, Some(_)) if has_moments => Setup::Accumulators,
            (_, Some(_)) => Setup::Linear,
            (other, None) => return Err(format!("unknown sum operation `{other}`")),
        };
        let x = case.input("x")?;
        let &[sequences, steps, ref variables @ ..] = x.shape.as_slice() else {
            return Err(format!("sequences of shape {:?}", x.shape));
        };
        let model = model(case, name, setup, variables)?;
        let lengths = &case.input("sequence_lengths")?.values;
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (sequence, &length) in lengths.iter().enumerate() {
            groups.entry(length as usize).or_default().push(sequence);
        }
        if lengths.len() != sequences || groups.keys().any(|length| *length > steps) {
            return Err("the lengths do not fit the sequences".to_owned());
        }
        let unrolled = groups
            .into_iter()
            .filter(|(length, _)| *length > 0)
            .map(|(length, group)| Ok((length, (group, Unrolled::new(&model, length, steps)?))));
        let lengths = unrolled.collect::<Result<_, String>>()?;
        let variables = variables.iter().product();
        let rows = x.values.as_slice();
        let counting = counting(name);
        Ok(Self { case, name, counting, model, rows, steps, variables, lengths, sequences })
    }

    /// The active steps of some sequences.
    fn active(&self, sequences: &[usize], length: usize) -> Vec<f64> {
        let rows = sequences.iter().flat_map(|sequence| {
            let end = (sequence + 1) * self.steps * self.variables;
            &self.rows[end - length * self.variables..end]
        });
        rows.copied().collect()
    }
}

/// The dynamic network of a case with the parameters of a run.
fn model(
    case: &Case,
    name: &str,
    setup: Setup,
    variables: &[usize],
) -> Result<DynamicModel, String> {
    let mut file = json!({ "variables": variables });
    for part in ["template", "interface_t0", "interface_t_minus_1", "top"] {
        file[part] = case.entry(part)?.clone();
    }
    let mut network = DynamicNetwork::from_json(&file.to_string()).map_err(text_of)?;
    let DynamicNetwork { template, interface_t0, interface_t_minus_1, top, .. } = &mut network;
    for layers in [template, interface_t0, interface_t_minus_1, top] {
        setup.apply(layers);
    }
    let build = |seed| network.build(&BuildOptions { seed, data: None }).map_err(text_of);
    let mut model = build(0)?;
    forget_drawn(&mut model.parameters, &build(1)?.parameters);
    let group = format!("{name}/params");
    fill(case, &[&group, "log/params"], &mut model.parameters, &str::to_owned)?;
    Ok(model)
}

impl Run<'_> {
    /// The signals of all parameters. Ties are broken with the seed.
    fn signals<E: Number>(&self, machine: &Machine, seed: u64) -> Result<Vec<Vec<f64>>, String> {
        let mut sent = Sent::new();
        for (&length, (sequences, unrolled)) in &self.lengths {
            let values = narrow::<E>(&self.active(sequences, length));
            let rows = Rows::new(&values, length * self.variables).map_err(text_of)?;
            if let Some(counting) = self.counting {
                let step = length as u64;
                let options = CountOptions { counting, seed, step, ..CountOptions::default() };
                let executable = machine.prepare(&unrolled.untied)?;
                unrolled.add_counts(&executable, rows, &options, &mut sent)?;
            } else {
                let share = sequences.len() as f64 / self.sequences as f64;
                let executable = machine.prepare(&unrolled.plan)?;
                Unrolled::add_gradient(&executable, rows, share, &mut sent)?;
            }
        }
        let parameters = &self.model.parameters;
        let mut signals: Vec<Vec<f64>> =
            parameters.iter().map(|(_, parameter)| vec![0.0; parameter.values.len()]).collect();
        let shapes: Vec<&[usize]> = parameters.iter().map(|(_, p)| p.shape.as_slice()).collect();
        for ((parameter, _), mut values) in sent {
            let factor = match self.counting {
                None => 1.0,
                Some(Counting::Soft) => {
                    normalise(shapes[parameter], &mut values);
                    -1.0
                }
                Some(_) => -1.0 / self.sequences as f64,
            };
            for (signal, value) in signals[parameter].iter_mut().zip(values) {
                *signal += factor * value;
            }
        }
        Ok(signals)
    }

    /// Signals with ties broken as the reference happened to break them, if a seed does that.
    fn matching_signals<E: Number>(&self, machine: &Machine) -> Result<Vec<Vec<f64>>, String> {
        let first = self.signals::<E>(machine, 0)?;
        if matches!(self.counting, None | Some(Counting::Soft)) {
            return Ok(first);
        }
        let parameters = &self.model.parameters;
        let fits = |signals: &[Vec<f64>]| {
            parameters.iter().zip(signals).all(|((_, parameter), signal)| {
                let expected = self.case.expected(&self.key(&parameter.name));
                expected.is_none_or(|expected| {
                    Kind::Signal.difference(signal, &expected.values).problem.is_none()
                })
            })
        };
        for seed in 0..SEEDS {
            let signals = self.signals::<E>(machine, seed)?;
            if fits(&signals) {
                return Ok(signals);
            }
        }
        Ok(first)
    }

    /// The array of a parameter's signal.
    fn key(&self, parameter: &str) -> String {
        format!("{}/signal/{parameter}", self.name)
    }
}

impl Job for Run<'_> {
    fn run<E: Number>(&self, machine: &Machine) -> Result<(), String> {
        let mut last = vec![0.0; self.sequences];
        let mut all = vec![0.0; self.sequences * self.steps];
        for (&length, (sequences, unrolled)) in &self.lengths {
            let values = narrow::<E>(&self.active(sequences, length));
            let rows = Rows::new(&values, length * self.variables).map_err(text_of)?;
            let executable = machine.prepare::<E>(&unrolled.plan)?;
            let found = widen(&executable.log_likelihood(rows).map_err(text_of)?);
            let with_steps = machine.prepare::<E>(&unrolled.with_steps)?;
            let steps = with_steps.output_values(rows, Statistics::Observed).map_err(text_of)?;
            for ((&sequence, &value), steps) in
                sequences.iter().zip(&found).zip(widen(&steps).chunks_exact(length))
            {
                last[sequence] = value;
                let end = (sequence + 1) * self.steps;
                all[end - length..end].copy_from_slice(steps);
            }
        }
        let signals = self.matching_signals::<E>(machine)?;
        let place = machine.name.as_str();
        let name = self.name;
        self.case.compare(&format!("{name}/last"), Kind::LogProbability, place, &last);
        self.case.compare(&format!("{name}/all_steps"), Kind::LogProbability, place, &all);
        for ((_, parameter), signal) in self.model.parameters.iter().zip(&signals) {
            let shaped = (parameter.shape.as_slice(), signal.as_slice());
            self.case.compare_shaped(&self.key(&parameter.name), Kind::Signal, place, shaped);
        }
        Ok(())
    }
}
