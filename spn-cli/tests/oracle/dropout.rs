//! Dropout with recorded masks: what leaves give, log-likelihoods and gradients.
//!
//! Input dropout sits right above the leaf (with Keras' factor, or as pure marginalisation),
//! `LogDropout` right before the layer `log_dropout_position`. Names of parameters are those of
//! the network without it.

use std::sync::Arc;

use serde_json::Value;
use spn_compiler::Options;
use spn_ir::layers::{Dropout, Layer, LogDropout};
use spn_ir::plan::Plan;
use spn_ir::{
    Circuit, Combine, Node, NodeId, NodeKind, Parameters, PickTable, PickTableId, Product,
};
use spn_runtime::{Dropping, GradientOptions, Number, Rows};

use crate::case::{Case, text_of};
use crate::compare::Kind;
use crate::machine::{Job, Machine, everywhere, narrow};
use crate::network::compare_gradient;
use crate::setup::{Setup, build, compile, fill, may_be_invalid, network};

/// Compares all kinds of dropout of a case.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let rate = case.number("input_dropout_rate")?;
    let leaf = network(case)?.layers.iter().position(|layer| {
        use Layer::{CauchyLeaf, IndicatorLeaf, LaplaceLeaf, NormalLeaf};
        matches!(layer, NormalLeaf(_) | CauchyLeaf(_) | LaplaceLeaf(_) | IndicatorLeaf(_))
    });
    let above_leaf = leaf.ok_or("the network has no leaf layer")? + 1;
    let input = |rescale| Layer::from(Dropout { rescale, ..Dropout::new(rate) });
    let mask = "input_dropout/keep";
    compare(case, "input_dropout", mask, above_leaf, input(true))?;
    compare(case, "input_marginalised", mask, above_leaf, input(false))?;
    let position = case.number("log_dropout_position")? as usize;
    let layer = LogDropout::new(case.number("log_dropout_rate")?);
    compare(case, "log_dropout", "log_dropout/keep", position, layer.into())?;
    let group = "log_dropout_axis_at_least_one";
    if let Some(options) = case.json.get(group) {
        let rate = options.get("rate").and_then(Value::as_f64).ok_or("no rate")?;
        let mut layer = LogDropout::new(rate);
        layer.axis_at_least_one = options.get("axis").and_then(Value::as_i64);
        compare(case, group, &format!("{group}/keep"), position, layer.into())?;
    }
    if case.has("y") {
        // Recorded with the rows, but no loss of these arrays needs labels.
        case.input("y")?;
    }
    Ok(())
}

/// Compares one kind: the network with `layer` before position `at`.
fn compare(case: &Case, group: &str, mask: &str, at: usize, layer: Layer) -> Result<(), String> {
    if !case.has_in(&format!("{group}/")) {
        return Ok(());
    }
    let run = Run::new(case, group, mask, at, layer)?;
    everywhere(&run).map_err(|problem| format!("{group}: {problem}"))
}

/// One kind of dropout.
struct Run<'a> {
    case: &'a Case,
    group: &'a str,
    rows: &'a [f64],
    columns: usize,
    /// Which values of the layer's noise are kept, `[rows, values]`.
    keep: Vec<bool>,
    plan: Arc<Plan>,
    /// The model's parameters under the names they have without the dropout layer.
    parameters: Parameters,
    /// For each unit of the dropped layer a plan whose root it is.
    units: Vec<Arc<Plan>>,
}

impl<'a> Run<'a> {
    fn new(
        case: &'a Case,
        group: &'a str,
        mask: &str,
        at: usize,
        layer: Layer,
    ) -> Result<Self, String> {
        let mut network = network(case)?;
        network.layers.insert(at, layer);
        Setup::Log.apply(&mut network.layers);
        let mut model = build(&network)?;
        let stored = |name: &str| without_layer(name, at);
        fill(case, &[Setup::Log.group()], &mut model.parameters, &stored)?;
        let lowered = model.lower().map_err(text_of)?;
        let allow_invalid = may_be_invalid(case);
        let options = Options { dropout: true, allow_invalid, ..Options::default() };
        let plan = compile(&lowered.circuit, &options)?;
        let mut units = Vec::new();
        if case.has(&format!("{group}/dropped_leaf")) {
            for node in lowered.layers[at].cells.iter().flat_map(|cell| &cell.nodes) {
                for unit in 0..lowered.circuit.node(*node).width {
                    let options = Options { allow_invalid: true, ..options.clone() };
                    units.push(compile(&rooted_at(&lowered.circuit, *node, unit), &options)?);
                }
            }
        }
        let mut parameters = Parameters::default();
        for (_, parameter) in model.parameters.iter() {
            let mut parameter = parameter.clone();
            parameter.name = stored(&parameter.name);
            parameters.add(parameter);
        }
        let rows = case.input("x")?.values.as_slice();
        let keep = case.input(mask)?.values.iter().map(|&keep| keep != 0.0).collect();
        let columns = plan.variables as usize;
        Ok(Self { case, group, rows, columns, keep, plan, parameters, units })
    }

    /// The loss of each row by itself: minus the root's value.
    fn each_row<E: Number>(&self, machine: &Machine, plan: &Arc<Plan>) -> Result<Vec<f64>, String> {
        let executable = machine.prepare::<E>(plan)?;
        let count = self.rows.len() / self.columns;
        let each = self.keep.len() / count;
        let keep = self.keep.as_slice();
        let row = |index: usize| {
            let values = narrow::<E>(&self.rows[index * self.columns..][..self.columns]);
            let keeps = |_: u32, _: usize, at: u32| keep[index * each + at as usize];
            let options =
                GradientOptions { dropping: Dropping::Given(&keeps), ..GradientOptions::default() };
            let rows = Rows::new(&values, self.columns).map_err(text_of)?;
            executable.gradient(rows, &options).map(|g| -g.loss).map_err(text_of)
        };
        (0..count).map(row).collect()
    }
}

impl Job for Run<'_> {
    fn run<E: Number>(&self, machine: &Machine) -> Result<(), String> {
        let (case, place) = (self.case, machine.name.as_str());
        let found = self.each_row::<E>(machine, &self.plan)?;
        case.compare(&format!("{}/log_prob", self.group), Kind::LogProbability, place, &found);
        let (keep, each) = (self.keep.as_slice(), self.keep.len() / found.len());
        let keeps = |_: u32, row: usize, at: u32| keep[row * each + at as usize];
        let options =
            GradientOptions { dropping: Dropping::Given(&keeps), ..GradientOptions::default() };
        let values = narrow::<E>(self.rows);
        let rows = Rows::new(&values, self.columns).map_err(text_of)?;
        let gradient = machine.prepare::<E>(&self.plan)?.gradient(rows, &options);
        let group = format!("{}/grad_log", self.group);
        let kinds = vec![Kind::Signal; self.parameters.len()];
        let parameters = (&self.parameters, kinds.as_slice());
        compare_gradient(case, &group, machine, parameters, &gradient.map_err(text_of)?);
        if self.units.is_empty() {
            return Ok(());
        }
        let units = self.units.iter().map(|plan| self.each_row::<E>(machine, plan));
        let units = units.collect::<Result<Vec<_>, _>>()?;
        let dropped: Vec<f64> =
            (0..found.len()).flat_map(|row| units.iter().map(move |unit| unit[row])).collect();
        let key = format!("{}/dropped_leaf", self.group);
        case.compare(&key, Kind::LogProbability, place, &dropped);
        Ok(())
    }
}

/// The name of a parameter without the layer that was put in at `at`.
fn without_layer(name: &str, at: usize) -> String {
    let Some((layer, rest)) = name.split_once('/') else { return name.to_owned() };
    match layer.parse::<usize>() {
        Ok(layer) if layer > at => format!("{}/{rest}", layer - 1),
        _ => name.to_owned(),
    }
}

/// The circuit with one unit of a node as its root.
fn rooted_at(circuit: &Circuit, node: NodeId, unit: u32) -> Circuit {
    let mut circuit = circuit.clone();
    let table = PickTableId(circuit.tables.len() as u32);
    circuit.tables.push(PickTable { picks: vec![vec![unit]] });
    let children = std::iter::once(node).collect();
    let kind = NodeKind::Product(Product { children, combine: Combine::Table(table) });
    let scope = circuit.node(node).scope;
    circuit.nodes.push(Node { kind, width: 1, scope, ..circuit.node(node).clone() });
    if let Some(root) = circuit.nodes.last_mut() {
        root.dropout = None;
    }
    circuit.root = NodeId(circuit.nodes.len() as u32 - 1);
    circuit
}
