//! Several steps of an optimiser: variables before, after the first and after the last step, and
//! the loss before each step.
//!
//! A run's name says `<optimiser>_<loss>_<weights>`, or `oem_<rule>` for online expectation
//! maximisation (with `_joint` behind it where labels are used), its description the constants.
//! Step `t` uses the rows `x[t]` with the labels `y[t]`.

use std::sync::Arc;

use serde_json::Value;
use spn_compiler::Options;
use spn_ir::Parameters;
use spn_ir::plan::Plan;
use spn_runtime::learn::{
    Adam, ExpectationMaximization, Method, Objective, Optimizer, RmsProp, Sgd,
};
use spn_runtime::{Executable, GradientOptions, Number, Rows};

use crate::case::{Case, text_of};
use crate::compare::Kind;
use crate::expectation_maximization::{counting, options};
use crate::machine::{Job, Machine, everywhere, narrow, widen};
use crate::setup::{Setup, build, compile, fill, network};

/// Compares all runs.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let runs = case.entry("runs")?.as_object().ok_or("`runs` is no object")?;
    for name in runs.keys() {
        let run = Run::new(case, name).map_err(|problem| format!("run {name}: {problem}"))?;
        everywhere(&run).map_err(|problem| format!("run {name}: {problem}"))?;
    }
    Ok(())
}

/// One run.
struct Run<'a> {
    case: &'a Case,
    name: &'a str,
    method: Method,
    learning_rate: f64,
    objective: Objective,
    plan: Arc<Plan>,
    parameters: Parameters,
    /// `[steps, rows, variables]` and `[steps, rows]`
    rows: &'a [f64],
    labels: Vec<u32>,
    steps: usize,
}

impl<'a> Run<'a> {
    fn new(case: &'a Case, name: &'a str) -> Result<Self, String> {
        let Named { optimizer, objective, setup } = Named::parse(name)?;
        let text = case.entry("optimizers")?.get(name).and_then(Value::as_str);
        let (method, learning_rate) = method(optimizer, text.ok_or("no optimiser is described")?)?;
        let mut network = network(case)?;
        setup.apply(&mut network.layers);
        let mut model = build(&network)?;
        let group = format!("{name}/init");
        fill(case, &[&group], &mut model.parameters, &str::to_owned)?;
        let lowered = model.lower().map_err(text_of)?;
        let plan = compile(&lowered.circuit, &Options::default())?;
        let steps = case.number("steps")? as usize;
        let x = case.input("x")?;
        let labels = case.labels("y")?;
        if x.shape.first() != Some(&steps) || x.values.is_empty() {
            return Err(format!("`x` of shape {:?} for {steps} steps", x.shape));
        }
        let parameters = model.parameters;
        let rows = x.values.as_slice();
        Ok(Self {
            case,
            name,
            method,
            learning_rate,
            objective,
            plan,
            parameters,
            rows,
            labels,
            steps,
        })
    }

    /// Compares the variables after step `step`, if they are recorded.
    fn compare<E: Number>(&self, step: usize, executable: &Executable<E>, machine: &Machine) {
        for ((_, parameter), values) in self.parameters.iter().zip(executable.parameters()) {
            let key = format!("{}/step{step}/{}", self.name, parameter.name);
            let values = widen(values);
            let shaped = (parameter.shape.as_slice(), values.as_slice());
            self.case.compare_shaped(&key, Kind::Signal, &machine.name, shaped);
        }
    }
}

impl Job for Run<'_> {
    fn run<E: Number>(&self, machine: &Machine) -> Result<(), String> {
        let mut executable = machine.prepare::<E>(&self.plan)?;
        let mut optimizer = Optimizer::new(self.method, self.learning_rate);
        let rows = narrow::<E>(self.rows);
        let batch = rows.len() / self.steps;
        let labels_each = self.labels.len() / self.steps;
        let columns = self.plan.variables as usize;
        let mut losses = Vec::with_capacity(self.steps);
        for step in 0..self.steps {
            let rows = Rows::new(&rows[step * batch..(step + 1) * batch], columns);
            let labels = &self.labels[step * labels_each..(step + 1) * labels_each];
            let objective = self.objective;
            let options =
                GradientOptions { objective, labels: Some(labels), ..GradientOptions::default() };
            let loss = optimizer.step(&mut executable, rows.map_err(text_of)?, &options);
            losses.push(loss.map_err(text_of)?);
            self.compare(step + 1, &executable, machine);
        }
        let key = format!("{}/losses", self.name);
        self.case.compare(&key, Kind::LogProbability, &machine.name, &losses);
        Ok(())
    }
}

/// What a run's name says.
struct Named<'a> {
    /// The optimiser; of expectation maximisation the rule.
    optimizer: &'a str,
    objective: Objective,
    setup: Setup,
}

impl<'a> Named<'a> {
    fn parse(name: &'a str) -> Result<Self, String> {
        let words: Vec<&str> = name.split('_').collect();
        if let ["oem", rule, rest @ ..] = words.as_slice() {
            let objective = match rest {
                // Constants stand in the description.
                [] | ["accumulate2"] => Objective::Generative,
                ["joint"] => Objective::Joint,
                other => return Err(format!("unknown run of EM {other:?}")),
            };
            return Ok(Self { optimizer: rule, objective, setup: Setup::Accumulators });
        }
        let &[optimizer, loss, weights] = words.as_slice() else {
            return Err("the name is not <optimiser>_<loss>_<weights>".to_owned());
        };
        let objective = match loss {
            "nll" => Objective::Generative,
            "nlj" | "joint" => Objective::Joint,
            "ce" => Objective::Discriminative,
            other => return Err(format!("unknown loss `{other}`")),
        };
        let setup = match weights {
            "log" => Setup::Log,
            "lin" => Setup::Linear,
            other => return Err(format!("unknown weights `{other}`")),
        };
        Ok(Self { optimizer, objective, setup })
    }
}

/// The optimiser that a description names: words with a number behind them.
fn method(name: &str, text: &str) -> Result<(Method, f64), String> {
    let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let constant = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at + 1)?.parse::<f64>().ok()
    };
    let needed = |name: &str| constant(name).ok_or_else(|| format!("no `{name}` in `{text}`"));
    let rate = needed("lr")?;
    let method = match name {
        "adam" => Method::Adam(Adam {
            beta_1: needed("b1")?,
            beta_2: needed("b2")?,
            epsilon: needed("eps")?,
        }),
        "sgd" => Method::Sgd(Sgd::default()),
        "sgdm" => Method::Sgd(Sgd { momentum: needed("momentum")?, ..Sgd::default() }),
        "rmsprop" => Method::RmsProp(RmsProp { rho: needed("rho")?, epsilon: needed("eps")? }),
        rule => {
            let counting = counting(rule).ok_or_else(|| format!("unknown optimiser `{rule}`"))?;
            let accumulate_batches = constant("accumulate_batches").unwrap_or(1.0) as u32;
            let options = ExpectationMaximization { accumulate_batches, ..options(counting) };
            Method::ExpectationMaximization(options)
        }
    };
    Ok((method, rate))
}
