//! Sums alone: extreme and infinite inputs, arbitrary signals from above.
//!
//! The inputs are made by leaves. A number up to `-ln 2` is a Laplace density, anything larger a
//! Laplace density times a number of very narrow normal ones at their centre, each of which is
//! worth exactly [`BOOST`]; those that are not needed in a sample are missing there. Signals come
//! in one sum unit at a time: with the unit as the root, they are the weights of the rows.

use std::f64::consts::{LN_2, PI};
use std::sync::Arc;

use spn_cli::data::NpyArray;
use spn_compiler::Options;
use spn_ir::plan::Plan;
use spn_ir::{
    Circuit, CircuitBuilder, CircuitError, Combine, Formula, Leaf, LeafFamily, LocationScale,
    NodeId, Origin, Parameter, PickTable, Quantity, QuantityId, VariableId,
};
use spn_runtime::{
    CountOptions, Counting, Executable, FlowOptions, GradientOptions, Number, QuantityCounts, Rows,
};

use crate::case::{Case, text_of};
use crate::compare::Kind;
use crate::expectation_maximization::{counting, normalise};
use crate::machine::{Job, Machine, everywhere, narrow, widen};
use crate::setup::compile;

/// The logarithm of a boosting density. In single precision its scale is just normal.
const BOOST: f64 = 86.0;

/// Compares all sum operations of a case.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let sums = Sums::new(case)?;
    for group in case.groups().into_iter().filter(|group| *group != "conv") {
        for prefix in ["", "conv/"] {
            let name = format!("{prefix}{group}");
            if !case.has_in(&format!("{name}/")) {
                continue;
            }
            let operation = Operation::new(&sums, case, name)?;
            everywhere(&operation).map_err(|problem| format!("{}: {problem}", operation.name))?;
        }
    }
    Ok(())
}

/// Inputs, weights and signals of a case.
struct Sums<'a> {
    inputs: &'a NpyArray,
    weights: &'a NpyArray,
    normalized: &'a NpyArray,
    upstream: &'a NpyArray,
    /// Samples, cells, inputs and outputs of a cell.
    samples: usize,
    cells: usize,
    units: usize,
    sums: usize,
    /// Boosting densities per input.
    boosts: usize,
}

impl<'a> Sums<'a> {
    fn new(case: &'a Case) -> Result<Self, String> {
        let (inputs, upstream) = (case.input("x")?, case.input("upstream")?);
        let (weights, normalized) = (case.input("w")?, case.input("w_normalized")?);
        let &[samples, first, second, units] = inputs.shape.as_slice() else {
            return Err(format!("`x` has the shape {:?}", inputs.shape));
        };
        let sums = upstream.shape.last().copied().unwrap_or_default();
        let fits = upstream.shape == [samples, first, second, sums]
            && weights.shape == [first, second, units, sums]
            && normalized.shape == weights.shape;
        if !fits {
            return Err("the shapes of `x`, `w`, `w_normalized` and `upstream` do not fit".into());
        }
        let boosts = inputs.values.iter().map(|&value| boosts(value)).max().unwrap_or_default();
        let cells = first * second;
        Ok(Self { inputs, weights, normalized, upstream, samples, cells, units, sums, boosts })
    }

    /// Variables of one input: its Laplace density and the boosting ones.
    fn variables_each(&self) -> usize {
        1 + self.boosts
    }

    /// The rows that make the inputs of a cell.
    fn rows(&self, cell: usize) -> Vec<f64> {
        let mut rows = Vec::new();
        for sample in 0..self.samples {
            for unit in 0..self.units {
                let value = self.inputs.values[(sample * self.cells + cell) * self.units + unit];
                let needed = boosts(value);
                rows.push(-(value - BOOST * needed as f64 + LN_2));
                rows.extend((0..self.boosts).map(|at| if at < needed { 0.0 } else { f64::NAN }));
            }
        }
        rows
    }
}

/// How many boosting densities a value needs.
fn boosts(value: f64) -> usize {
    ((value + LN_2) / BOOST).ceil().max(0.0) as usize
}

/// One way to compute with the sums.
struct Operation<'a> {
    sums: &'a Sums<'a>,
    case: &'a Case,
    name: String,
    /// The counting rule; `None` for gradients.
    counting: Option<Counting>,
    /// Whether all cells share the weights of the first.
    shared: bool,
    /// The plans of each cell: its root is one of the sums. The sums' inputs are outputs, too.
    plans: Vec<Vec<Arc<Plan>>>,
}

impl<'a> Operation<'a> {
    fn new(sums: &'a Sums<'a>, case: &'a Case, name: String) -> Result<Self, String> {
        let shared = name.starts_with("conv/");
        let (operation, normalised) = match name.trim_start_matches("conv/") {
            text if text.ends_with("_forward_normalize") => {
                (text.trim_end_matches("_forward_normalize"), false)
            }
            text if text.ends_with("_normalized") => (text.trim_end_matches("_normalized"), true),
            other => return Err(format!("unknown sum operation `{other}`")),
        };
        let (log, counting) = match operation {
            "grad_log" => (true, None),
            "grad_lin" => (false, None),
            other => {
                let known = counting(other);
                (false, Some(known.ok_or_else(|| format!("unknown sum operation `{other}`"))?))
            }
        };
        let stored = if normalised { sums.normalized } else { sums.weights };
        let each = sums.units * sums.sums;
        let mut plans = Vec::new();
        for cell in 0..sums.cells {
            let first = if shared { 0 } else { cell * each };
            let weights = stored.values[first..first + each].iter();
            let weights = weights.map(|&weight| if log { weight.ln() } else { weight });
            let weights: Vec<f64> = weights.collect();
            let make = |sum| sums.plan(&weights, (log, normalised), sum);
            plans.push((0..sums.sums).map(make).collect::<Result<_, _>>()?);
        }
        Ok(Self { sums, case, name, counting, shared, plans })
    }
}

impl Sums<'_> {
    /// The plan of one cell with one of its sums as the root.
    fn plan(&self, weights: &[f64], form: (bool, bool), sum: usize) -> Result<Arc<Plan>, String> {
        let (circuit, outputs) = self.circuit(weights, form, sum).map_err(text_of)?;
        // The inputs of a sum have scopes of their own here.
        let options = Options { allow_invalid: true, outputs, ..Options::default() };
        compile(&circuit, &options)
    }

    fn circuit(
        &self,
        weights: &[f64],
        (log, normalised): (bool, bool),
        sum: usize,
    ) -> Result<(Circuit, Vec<NodeId>), CircuitError> {
        let each = self.variables_each();
        let mut builder = CircuitBuilder::new((self.units * each) as u32);
        let shape = vec![self.units, self.sums];
        let parameter =
            builder.parameter(Parameter::new("weights", shape.clone(), weights.to_vec()));
        let formula = match (log, normalised) {
            (true, true) => Formula::Exp(parameter),
            (true, false) => Formula::Softmax(parameter),
            (false, true) => Formula::Direct(parameter),
            (false, false) => Formula::Normalized(parameter),
        };
        let weights = builder.quantity(Quantity { shape, formula, bounds: None });
        let mut constant = |name: &str, value: f64| {
            let values = vec![value; each];
            builder.quantity_of(Parameter::new(name, vec![1, each], values).frozen())
        };
        let (zero, one) = (constant("location", 0.0), constant("scale", 1.0));
        // -ln scale - ln(2π)/2 = BOOST
        let narrow = constant("narrow scale", (-BOOST).exp() / (2.0 * PI).sqrt());
        let mut inputs = Vec::with_capacity(self.units);
        for unit in 0..self.units {
            let first = (unit * each) as u32;
            let laplace = leaf(LocationScale::Laplace, zero, one, first..first + 1);
            let mut factors = vec![builder.leaf(laplace, 1, Origin::Unknown)?];
            if self.boosts > 0 {
                let last = first + each as u32;
                let boost = leaf(LocationScale::Normal, zero, narrow, first + 1..last);
                factors.push(builder.leaf(boost, 1, Origin::Unknown)?);
            }
            inputs.push(builder.element_wise(&factors, Origin::Unknown)?);
        }
        let sums = builder.sum(&inputs, self.sums as u32, weights.at(0), Origin::Unknown)?;
        let table = builder.table(PickTable { picks: vec![vec![sum as u32]] });
        let root = builder.product(&[sums], Combine::Table(table), Origin::Unknown)?;
        Ok((builder.finish(root)?, inputs))
    }
}

fn leaf(
    density: LocationScale,
    location: QuantityId,
    scale: QuantityId,
    variables: std::ops::Range<u32>,
) -> Leaf {
    let (location, scale) = (location.at(0), scale.at(0));
    let variables = variables.map(VariableId).collect();
    Leaf { family: LeafFamily::LocationScale { density, location, scale }, variables }
}

impl Operation<'_> {
    /// What a sum as the root sends to all weights of its cell, given the signals that come to it.
    fn sent<E: Number>(
        &self,
        executable: &Executable<E>,
        rows: Rows<'_, E>,
        signals: &[f64],
    ) -> Result<Vec<f64>, String> {
        let Some(counting) = self.counting else {
            // The loss is the mean of -weight · value.
            let count = signals.len() as f64;
            let weights: Vec<f64> = signals.iter().map(|signal| -signal * count).collect();
            let weights = narrow::<E>(&weights);
            let row_weights = Some(weights.as_slice());
            let options = GradientOptions { row_weights, ..GradientOptions::default() };
            let gradient = executable.gradient(rows, &options).map_err(text_of)?;
            return Ok(widen(&gradient.parameters[0]));
        };
        let weights = narrow::<E>(signals);
        let row_weights = Some(weights.as_slice());
        let options = CountOptions { counting, row_weights, ..CountOptions::default() };
        let counts = executable.counts(rows, &options).map_err(text_of)?;
        match counts.quantities.first() {
            Some(QuantityCounts::Weights(uses)) => Ok(widen(uses)),
            other => Err(format!("the weights are counted as {other:?}")),
        }
    }
}

impl Job for Operation<'_> {
    fn run<E: Number>(&self, machine: &Machine) -> Result<(), String> {
        let Sums { samples, cells, units, sums, .. } = *self.sums;
        let mut out = vec![0.0; samples * cells * sums];
        let mut inputs = vec![0.0; samples * cells * units];
        let each = units * sums;
        let mut weights = vec![0.0; if self.shared { each } else { cells * each }];
        let counting = self.counting.unwrap_or_default();
        for (cell, plans) in self.plans.iter().enumerate() {
            let rows = narrow::<E>(&self.sums.rows(cell));
            let rows = Rows::new(&rows, units * self.sums.variables_each()).map_err(text_of)?;
            for (sum, plan) in plans.iter().enumerate() {
                let executable = machine.prepare::<E>(plan)?;
                let at = |sample: usize| (sample * cells + cell) * sums + sum;
                let values = widen(&executable.log_likelihood(rows).map_err(text_of)?);
                let signals: Vec<f64> =
                    (0..samples).map(|sample| self.sums.upstream.values[at(sample)]).collect();
                let first = if self.shared { 0 } else { cell * each };
                let sent = self.sent(&executable, rows, &signals)?;
                weights[first..].iter_mut().zip(sent).for_each(|(total, part)| *total += part);
                let options = FlowOptions { counting, ..FlowOptions::default() };
                let flows = executable.output_flows(rows, options).map_err(text_of)?;
                for (sample, flows) in widen(&flows).chunks_exact(units).enumerate() {
                    out[at(sample)] = values[sample];
                    let first = (sample * cells + cell) * units;
                    for (total, flow) in inputs[first..].iter_mut().zip(flows) {
                        *total += signals[sample] * flow;
                    }
                }
            }
        }
        if self.counting == Some(Counting::Soft) {
            normalise(&[units, sums], &mut weights);
        }
        let (case, place) = (self.case, machine.name.as_str());
        case.compare(&format!("{}/out", self.name), Kind::LogProbability, place, &out);
        case.compare(&format!("{}/g_x", self.name), Kind::Signal, place, &inputs);
        case.compare(&format!("{}/g_acc", self.name), Kind::Signal, place, &weights);
        Ok(())
    }
}
