//! Dynamic networks over left-padded sequences.
//!
//! The reference pads and masks; here sequences of one length are one circuit, those with padding
//! one that begins as the reference's does behind it. Values at padded steps are 0. Signals are
//! gradients of the mean over all sequences, so those of a length count with their share of the
//! batch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;
use spn_compiler::Options;
use spn_ir::layers::{BuildOptions, DynamicModel, DynamicNetwork};
use spn_ir::plan::Plan;
use spn_runtime::{GradientOptions, Number, Rows, Statistics};

use crate::case::{Case, text_of};
use crate::compare::Kind;
use crate::machine::{Job, Machine, everywhere, narrow, widen};
use crate::setup::{Setup, compile, fill, forget_drawn};

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
        if !run.is_gradient {
            case.leave(&format!("{name}/signal/"));
        }
    }
    Ok(())
}

/// The network with the parameters of one sum operation.
struct Run<'a> {
    case: &'a Case,
    name: &'a str,
    /// Whether the signals are gradients.
    is_gradient: bool,
    model: DynamicModel,
    /// `[sequences, steps, variables]`
    rows: &'a [f64],
    steps: usize,
    variables: usize,
    /// The sequences of each length, with the circuit for them.
    lengths: BTreeMap<usize, (Vec<usize>, Unrolled)>,
    sequences: usize,
}

/// The plans of one length.
struct Unrolled {
    plan: Arc<Plan>,
    with_steps: Arc<Plan>,
}

impl<'a> Run<'a> {
    fn new(case: &'a Case, name: &'a str) -> Result<Self, String> {
        let prefix = format!("{name}/params/");
        let has_moments = case.keys_in(&prefix).any(|key| key.contains("_moment_"));
        let (setup, is_gradient) = match name {
            "log" => (Setup::Log, true),
            "lin" => (Setup::Linear, true),
            "em" | "hard" | "uhard" if has_moments => (Setup::Accumulators, false),
            "em" | "hard" | "uhard" => (Setup::Linear, false),
            other => return Err(format!("unknown sum operation `{other}`")),
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
        Ok(Self { case, name, is_gradient, model, rows, steps, variables, lengths, sequences })
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

impl Unrolled {
    fn new(model: &DynamicModel, length: usize, steps: usize) -> Result<Self, String> {
        let unrolled =
            if length < steps { model.unroll_padded(length) } else { model.unroll(length) };
        let unrolled = unrolled.map_err(text_of)?;
        let plan = compile(&unrolled.circuit, &Options::default())?;
        let options = Options { outputs: unrolled.steps, ..Options::default() };
        Ok(Self { plan, with_steps: compile(&unrolled.circuit, &options)? })
    }
}

impl Job for Run<'_> {
    fn run<E: Number>(&self, machine: &Machine) -> Result<(), String> {
        let mut last = vec![0.0; self.sequences];
        let mut all = vec![0.0; self.sequences * self.steps];
        let mut signals: Vec<Vec<f64>> =
            self.model.parameters.iter().map(|(_, p)| vec![0.0; p.values.len()]).collect();
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
            let gradient = executable.gradient(rows, &GradientOptions::default());
            let share = sequences.len() as f64 / self.sequences as f64;
            for (signal, part) in signals.iter_mut().zip(gradient.map_err(text_of)?.parameters) {
                for (signal, part) in signal.iter_mut().zip(widen(&part)) {
                    *signal += share * part;
                }
            }
        }
        let place = machine.name.as_str();
        let name = self.name;
        self.case.compare(&format!("{name}/last"), Kind::LogProbability, place, &last);
        self.case.compare(&format!("{name}/all_steps"), Kind::LogProbability, place, &all);
        if self.is_gradient {
            for ((_, parameter), signal) in self.model.parameters.iter().zip(&signals) {
                let key = format!("{name}/signal/{}", parameter.name);
                let shaped = (parameter.shape.as_slice(), signal.as_slice());
                self.case.compare_shaped(&key, Kind::Signal, place, shaped);
            }
        }
        Ok(())
    }
}
