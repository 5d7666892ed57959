//! `spn summary`: what a model consists of.
//!
//! In: a MODEL. Out: a table of its layers (as Keras prints it) or of its nodes by kind, with
//! parameters, nodes, edges and depth.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use spn_ir::layers::Summary;
use spn_ir::plan::Plan;
use spn_ir::{Circuit, LeafFamily, LocationScale, NodeKind, Parameters};

use crate::format::{table, thousands};
use crate::model::{LoadOptions, LoadedModel, ModelKind};
use crate::{Answer, Failure, Session};

/// Prints the layers of a model with output shapes and parameters.
///
/// Networks of layers are shown as a table with the shape that each layer gives and how many
/// numbers it holds, trainable or not; circuits with their nodes by kind. Nodes are blocks of units
/// that share a scope; edges and depth count between units.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  spn summary examples/dgc_spn_mnist.json")]
pub struct Arguments {
    /// The network: a layer file, a circuit, a trained model or a compiled plan; also .gz.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// If the model cannot be read.
    pub fn run(&self, session: &Session) -> Result<Answer, Failure> {
        let options =
            LoadOptions { seed: session.seed, structure_only: true, ..LoadOptions::default() };
        let model = LoadedModel::read(&self.model, options)?;
        let title = model.name().map_or_else(|| model.path.display().to_string(), str::to_owned);
        let mut text = format!("{title} ({})\n", model.kind_name());
        let mut json = json!({ "name": model.name(), "kind": model.kind_name() });
        if let ModelKind::Plan(plan) = &model.kind {
            add(&mut json, plan_json(plan));
            text.push_str(&plan.to_string());
            return Ok(Answer::new(json, text));
        }
        let circuit = model.circuit(None)?;
        let summary = match &model.kind {
            ModelKind::Layers(layers) => Some(layers.summary()?),
            ModelKind::Dynamic(dynamic) => Some(dynamic.summary()?),
            ModelKind::Circuit(_) | ModelKind::Plan(_) => None,
        };
        if let Some(summary) = &summary {
            text.push_str(&layer_table(summary));
            add(&mut json, json!(summary));
        } else {
            text.push_str(&kind_table(&circuit));
            add(&mut json, json!({ "layers": [] }));
            add(&mut json, parameter_json(&circuit.parameters));
        }
        text.push_str(&totals_text(&circuit));
        if let ModelKind::Dynamic(_) = &model.kind {
            text.push_str("  (nodes, edges and depth of two steps)\n");
        }
        add(&mut json, circuit_json(&circuit));
        Ok(Answer::new(json, text))
    }
}

/// Adds the entries of one JSON object to another.
fn add(target: &mut Value, source: Value) {
    if let (Value::Object(target), Value::Object(source)) = (target, source) {
        target.extend(source);
    }
}

fn shape_text(shape: &[usize]) -> String {
    let lengths: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("({})", lengths.join(", "))
}

fn layer_table(summary: &Summary) -> String {
    let header = ["", "layer", "output shape", "parameters", "trainable"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for layer in &summary.layers {
        rows.push(vec![
            layer.name.clone(),
            layer.type_name.clone(),
            shape_text(&layer.output_shape),
            thousands(layer.parameters as u64),
            thousands(layer.trainable as u64),
        ]);
    }
    table(&rows, 3)
}

/// How many nodes of each kind there are, and how many units they have.
fn kinds(circuit: &Circuit) -> Vec<(&'static str, u64, u64)> {
    let mut kinds: Vec<(&'static str, u64, u64)> = Vec::new();
    for node in &circuit.nodes {
        let name = match &node.kind {
            NodeKind::Sum(_) => "sum",
            NodeKind::Product(_) => "product",
            NodeKind::Leaf(leaf) => match leaf.family {
                LeafFamily::LocationScale { density: LocationScale::Normal, .. } => "normal leaf",
                LeafFamily::LocationScale { density: LocationScale::Cauchy, .. } => "cauchy leaf",
                LeafFamily::LocationScale { density: LocationScale::Laplace, .. } => "laplace leaf",
                LeafFamily::Indicator => "indicator leaf",
                LeafFamily::Categorical { .. } => "categorical leaf",
            },
        };
        let width = u64::from(node.width);
        match kinds.iter_mut().find(|(kind, _, _)| *kind == name) {
            Some((_, nodes, units)) => {
                *nodes += 1;
                *units += width;
            }
            None => kinds.push((name, 1, width)),
        }
    }
    kinds
}

fn kind_table(circuit: &Circuit) -> String {
    let mut rows = vec![["kind", "nodes", "units"].map(str::to_owned).to_vec()];
    for (kind, nodes, units) in kinds(circuit) {
        rows.push(vec![kind.to_owned(), thousands(nodes), thousands(units)]);
    }
    table(&rows, 1)
}

fn parameter_json(parameters: &Parameters) -> Value {
    let total: usize = parameters.iter().map(|(_, parameter)| parameter.values.len()).sum();
    json!({ "total_params": total, "trainable_params": parameters.trainable_values() })
}

fn totals_text(circuit: &Circuit) -> String {
    let total: usize = circuit.parameters.iter().map(|(_, p)| p.values.len()).sum();
    let trainable = circuit.parameters.trainable_values();
    let row = |name: &str, value: u64| vec![name.to_owned(), thousands(value)];
    let rows = [
        row("total parameters", total as u64),
        row("trainable", trainable as u64),
        row("not trainable", (total - trainable) as u64),
        row("variables", u64::from(circuit.variables)),
        row("nodes", circuit.nodes.len() as u64),
        row("units", circuit.units()),
        row("edges", circuit.edges()),
        row("depth", circuit.depth() as u64),
    ];
    format!("\n{}", table(&rows, 1))
}

fn circuit_json(circuit: &Circuit) -> Value {
    let kinds: serde_json::Map<String, Value> = kinds(circuit)
        .into_iter()
        .map(|(kind, nodes, _)| (kind.to_owned(), json!(nodes)))
        .collect();
    json!({
        "variables": circuit.variables,
        "nodes": circuit.nodes.len(),
        "nodes_by_kind": kinds,
        "units": circuit.units(),
        "edges": circuit.edges(),
        "depth": circuit.depth(),
    })
}

/// A plan has steps and slots; edges and depth are those of the circuit, which is gone.
fn plan_json(plan: &Plan) -> Value {
    let mut json = parameter_json(&plan.parameters);
    add(
        &mut json,
        json!({
            "layers": [],
            "variables": plan.variables,
            "nodes": plan.slots.len() + 1,
            "edges": Value::Null,
            "depth": Value::Null,
            "steps": plan.steps.len(),
        }),
    );
    json
}
