//! Networks of layers: what every layer computes, log-likelihoods, class joints and gradients.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use spn_ir::layers::LayerTensor;
use spn_ir::plan::Plan;
use spn_ir::{Leaf, NodeId, NodeKind, Parameters};
use spn_runtime::learn::Objective;
use spn_runtime::{Gradient, GradientOptions, Number, Rows, Statistics};

use crate::case::{Case, text_of};
use crate::compare::Kind;
use crate::cross_entropy;
use crate::differences::Terms;
use crate::expectation_maximization::Maximization;
use crate::inputs::Probe;
use crate::machine::{Job, Machine, everywhere, narrow, widen};
use crate::queries::Queries;
use crate::setup::{Prepared, Setup, model};

/// Compares a network of layers.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let log = Prepared::new(case, model(case, Setup::Log)?)?;
    let layers = Layers::new(&log)?;
    let mut gradients = vec![("grad_log", Objective::Generative, &log)];
    let labels = if case.has("y") { Some(case.labels("y")?) } else { None };
    if labels.is_some() {
        gradients.push(("joint_log", Objective::Joint, &log));
    }
    let linear = match case.has_in("params_lin/") {
        true => Some(Prepared::new(case, model(case, Setup::Linear)?)?),
        false => None,
    };
    gradients.extend(linear.iter().map(|linear| ("grad_lin", Objective::Generative, linear)));
    let rows = &input_rows(case)?.values;
    let columns = log.lowered.circuit.variables as usize;
    let maximization = Maximization::new(case)?;
    let queries = Queries::new(case, &log)?;
    everywhere(&Static { case, rows, columns, layers, labels, gradients, maximization, queries })
}

/// The array of input rows.
pub(crate) fn input_rows(case: &Case) -> Result<&spn_cli::data::NpyArray, String> {
    case.input(if case.has("x_uint8") { "x_uint8" } else { "x" })
}

/// Everything to do on one machine.
struct Static<'a> {
    case: &'a Case,
    rows: &'a [f64],
    columns: usize,
    layers: Layers,
    labels: Option<Vec<u32>>,
    gradients: Vec<(&'static str, Objective, &'a Prepared)>,
    maximization: Option<Maximization<'a>>,
    queries: Queries<'a>,
}

impl Job for Static<'_> {
    fn run<E: Number>(&self, machine: &Machine) -> Result<(), String> {
        let values = narrow::<E>(self.rows);
        let rows = Rows::new(&values, self.columns).map_err(text_of)?;
        let (_, _, log) = &self.gradients[0];
        let executable = machine.prepare::<E>(&log.plan)?;
        let found = executable.log_likelihood(rows).map_err(text_of)?;
        self.case.compare("log_prob", Kind::LogProbability, &machine.name, &widen(&found));
        let joints = executable.class_joints(rows).map_err(text_of)?;
        self.case.compare("root_children", Kind::LogProbability, &machine.name, &widen(&joints));
        self.layers.compare::<E>(self.case, machine, self.rows)?;
        for (group, objective, prepared) in &self.gradients {
            let options = GradientOptions {
                objective: *objective,
                labels: self.labels.as_deref(),
                inputs: self.case.has(&format!("{group}/x")),
                ..GradientOptions::default()
            };
            let executable = machine.prepare::<E>(&prepared.plan)?;
            let gradient = executable.gradient(rows, &options).map_err(text_of)?;
            let kinds = Terms::new(prepared)?.kinds(machine, rows, &options)?;
            let parameters = (&prepared.model.parameters, kinds.as_slice());
            compare_gradient(self.case, group, machine, parameters, &gradient);
        }
        if let Some(maximization) = &self.maximization {
            maximization.compare(machine, rows, self.labels.as_deref())?;
        }
        if let Some(labels) = &self.labels {
            let network = (&executable, &log.model.parameters);
            cross_entropy::compare(self.case, machine, network, (rows, labels))?;
        }
        self.queries.compare(machine, rows)
    }
}

/// Compares a gradient with the arrays `<group>/<parameter>`, `<group>/loss` and `<group>/x`.
pub(crate) fn compare_gradient<E: Number>(
    case: &Case,
    group: &str,
    machine: &Machine,
    (parameters, kinds): (&Parameters, &[Kind]),
    gradient: &Gradient<E>,
) {
    let arrays = parameters.iter().zip(kinds).zip(&gradient.parameters);
    for (((_, parameter), kind), values) in arrays {
        let key = format!("{group}/{}", parameter.name);
        let shaped = (parameter.shape.as_slice(), &*widen(values));
        case.compare_shaped(&key, *kind, &machine.name, shaped);
    }
    let loss = [gradient.loss];
    case.compare(&format!("{group}/loss"), Kind::LogProbability, &machine.name, &loss);
    let inputs = widen(&gradient.inputs);
    if !inputs.is_empty() {
        case.compare(&format!("{group}/x"), Kind::Signal, &machine.name, &inputs);
    }
}

/// The leaf of a node.
pub(crate) fn leaf_of(prepared: &Prepared, node: NodeId) -> Result<&Leaf, String> {
    match &prepared.lowered.circuit.node(node).kind {
        NodeKind::Leaf(leaf) => Ok(leaf),
        _ => Err(format!("node {} of the leaf layer is no leaf", node.0)),
    }
}

/// The leaf layer: its index and its nodes, one for each cell.
pub(crate) fn leaf_layer(prepared: &Prepared) -> Result<(usize, Vec<NodeId>), String> {
    let layers = &prepared.lowered.layers;
    let index = layers.iter().position(|layer| !layer.cells.is_empty());
    let index = index.ok_or("the network has no leaf layer")?;
    let nodes = layers[index].cells.iter().flat_map(|cell| cell.nodes.iter().copied());
    Ok((index, nodes.collect()))
}

/// The outputs of all layers.
struct Layers {
    /// Keeps the values of every layer's nodes.
    plan: Arc<Plan>,
    tensors: Vec<LayerTensor>,
    /// Where each node's values are among the plan's outputs.
    places: BTreeMap<NodeId, Range<usize>>,
    /// Values of all outputs together.
    units: usize,
    probe: Probe,
    columns: usize,
    /// How many layers are below the leaf, and which variables its cells read.
    below: usize,
    read: Vec<usize>,
}

impl Layers {
    fn new(prepared: &Prepared) -> Result<Self, String> {
        let circuit = &prepared.lowered.circuit;
        let tensors = prepared.lowered.layers.clone();
        let mut places = BTreeMap::new();
        let (mut outputs, mut units) = (Vec::new(), 0);
        for &node in tensors.iter().flat_map(|tensor| &tensor.cells).flat_map(|cell| &cell.nodes) {
            if places.contains_key(&node) {
                continue;
            }
            let first = units;
            units += circuit.node(node).width as usize;
            places.insert(node, first..units);
            outputs.push(node);
        }
        let columns = circuit.variables as usize;
        let (below, leaves) = leaf_layer(prepared)?;
        let mut read = Vec::new();
        for node in leaves {
            read.extend(leaf_of(prepared, node)?.variables.iter().map(|variable| variable.index()));
        }
        let probe = Probe::new(circuit.normalisation.as_ref(), columns, 0.0)?;
        let plan = prepared.with_outputs(outputs)?;
        Ok(Self { plan, tensors, places, units, probe, columns, below, read })
    }

    /// Compares `fwd/<layer>` of every layer.
    fn compare<E: Number>(
        &self,
        case: &Case,
        machine: &Machine,
        given: &[f64],
    ) -> Result<(), String> {
        let narrowed = narrow::<E>(given);
        let rows = Rows::new(&narrowed, self.columns).map_err(text_of)?;
        let executable = machine.prepare::<E>(&self.plan)?;
        let values = executable.output_values(rows, Statistics::Observed).map_err(text_of)?;
        let values = widen(&values);
        let inputs = self.probe.values::<E>(machine, given)?;
        for (index, tensor) in self.tensors.iter().enumerate() {
            let key = format!("fwd/{index}");
            let shape = [&[rows.len()], tensor.shape.as_slice()].concat();
            let (kind, output) = if index < self.below {
                (Kind::Value, self.below_the_leaf(index, &inputs))
            } else {
                (Kind::LogProbability, self.output(tensor, &values, rows.len()))
            };
            case.compare_shaped(&key, kind, &machine.name, (&shape, &output));
        }
        Ok(())
    }

    /// The output of a layer that prepares the input: the values that the leaves read or, where
    /// more such layers follow, those of all variables.
    fn below_the_leaf(&self, index: usize, inputs: &[f64]) -> Vec<f64> {
        if index + 1 < self.below {
            return inputs.to_vec();
        }
        let rows = inputs.chunks_exact(self.columns);
        rows.flat_map(|row| self.read.iter().map(|&variable| row[variable])).collect()
    }

    /// The output of a layer of nodes; padding is log 1.
    fn output(&self, tensor: &LayerTensor, values: &[f64], rows: usize) -> Vec<f64> {
        let mut output = Vec::new();
        for row in 0..rows {
            let row = &values[row * self.units..(row + 1) * self.units];
            for cell in &tensor.cells {
                let end = output.len() + cell.units as usize;
                for node in &cell.nodes {
                    output.extend_from_slice(&row[self.places[node].clone()]);
                }
                output.resize(end, 0.0);
            }
        }
        output
    }
}
