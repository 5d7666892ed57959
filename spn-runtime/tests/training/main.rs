//! Training runs: stopping and going on, early stopping, batches and weights.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batches;
mod mistakes;
mod resume;
mod stopping;

use std::sync::{Arc, OnceLock};

use spn_compiler::{Options, compile};
use spn_ir::LayerFile;
use spn_ir::layers::BuildOptions;
use spn_ir::plan::Plan;
use spn_ir::random::uniform_at;
use spn_runtime::learn::{Epoch, Examples};
use spn_runtime::simd::{Level, Real};
use spn_runtime::{Executable, ExecutableOptions, Number, Rows};

/// Images of 4 × 4 pixels in three classes, with both kinds of dropout.
const NETWORK: &str = r#"{
    "variables": [4, 4, 1],
    "layers": [
        {"type": "NormalLeaf", "num_components": 3, "scale_trainable": true},
        {"type": "Dropout", "rate": 0.2},
        {"type": "Conv2DProduct", "depthwise": true, "kernel_size": [2, 2], "strides": [2, 2],
         "dilations": [1, 1], "padding": "valid"},
        {"type": "Local2DSum", "num_sums": 4, "logspace_accumulator_constraint": "Identity"},
        {"type": "Conv2DProduct", "depthwise": true, "kernel_size": [2, 2], "strides": [2, 2],
         "dilations": [1, 1], "padding": "valid"},
        {"type": "SpatialToRegions"},
        {"type": "DenseSum", "num_sums": 3},
        {"type": "RootSum", "return_weighted_child_logits": true}]
}"#;

const COLUMNS: usize = 16;
const CLASSES: u32 = 3;

/// The compiled network.
fn plan(dropout: bool) -> Plan {
    let LayerFile::Network(network) = LayerFile::from_json(NETWORK).unwrap() else {
        panic!("a network of layers")
    };
    let model = network.build(&BuildOptions { seed: 5, data: None }).unwrap();
    let options = Options { dropout, ..Options::default() };
    compile(&model.lower().unwrap().circuit, &options).unwrap()
}

fn executable<E: Number>(threads: usize) -> Executable<E> {
    let options = ExecutableOptions { level: Level::detect(), threads: Some(threads) };
    static PLAN: OnceLock<Arc<Plan>> = OnceLock::new();
    let plan = PLAN.get_or_init(|| Arc::new(plan(true)));
    Executable::with_options(Arc::clone(plan), options).unwrap()
}

/// Rows with labels and weights.
struct Data<E> {
    values: Vec<E>,
    labels: Vec<u32>,
    weights: Vec<E>,
}

impl<E: Number> Data<E> {
    /// Random rows, brighter in the higher classes.
    fn new(rows: usize, seed: u64) -> Self {
        let label = |row: usize| row as u32 % CLASSES;
        let value = |index: usize| {
            let noise = uniform_at(seed, 0, 0, index as u64) * 2.0 - 1.0;
            E::from_f64(noise + f64::from(label(index / COLUMNS)) * 0.5)
        };
        let weight = |row: usize| E::from_f64(uniform_at(seed, 1, 0, row as u64) * 2.0);
        Self {
            values: (0..rows * COLUMNS).map(value).collect(),
            labels: (0..rows).map(label).collect(),
            weights: (0..rows).map(weight).collect(),
        }
    }

    fn rows(&self) -> Rows<'_, E> {
        Rows::new(&self.values, COLUMNS).unwrap()
    }

    fn labelled(&self) -> Examples<'_, E> {
        Examples { labels: Some(&self.labels), ..Examples::new(self.rows()) }
    }

    fn weighted(&self) -> Examples<'_, E> {
        Examples { row_weights: Some(&self.weights), ..self.labelled() }
    }
}

/// The exact bits of an executable's parameters.
fn bits<E: Number>(executable: &Executable<E>) -> Vec<u64> {
    executable.parameters().iter().flatten().map(|value| Real::to_f64(*value).to_bits()).collect()
}

/// The exact bits of all losses, without the times.
fn losses(epochs: &[Epoch]) -> Vec<[u64; 2]> {
    let valid = |epoch: &Epoch| epoch.valid.map_or(f64::NAN, |valid| valid.loss);
    epochs.iter().map(|epoch| [epoch.train.to_bits(), valid(epoch).to_bits()]).collect()
}
