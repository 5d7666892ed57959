//! Properties that hold for every circuit: what the compiler does to a network must not show, nor
//! how many threads run it; probabilities are probabilities; gradients are derivatives.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod brute_force;
mod compilation;
mod counts;
mod differences;
mod dropout;
mod impossible;
mod nothing_observed;
mod regularization;
mod sampling;
mod threads;

use proptest::prelude::ProptestConfig;
use spn_compiler::{Options, compile};
use spn_ir::{Circuit, NodeId};
use spn_runtime::simd::{Level, Real};
use spn_runtime::{Executable, ExecutableOptions, Number, Rows};
use spn_testkit::compare_each;

/// A configuration without files of failures: the seeds that matter become tests of their own.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// The compiled circuit on so many threads.
fn executable<E: Number>(circuit: &Circuit, options: &Options, threads: usize) -> Executable<E> {
    let plan = compile(circuit, options).unwrap();
    plan.verify().unwrap();
    let options = ExecutableOptions { level: Level::detect(), threads: Some(threads) };
    Executable::with_options(plan, options).unwrap()
}

/// Every node that the root depends on, as outputs: then no pass can remove or fuse any.
fn all_nodes(circuit: &Circuit) -> Vec<NodeId> {
    let mut reached = vec![false; circuit.nodes.len()];
    reached[circuit.root.index()] = true;
    for (id, node) in circuit.iter().rev() {
        if reached[id.index()] {
            node.children().iter().for_each(|child| reached[child.index()] = true);
        }
    }
    circuit.iter().map(|(id, _)| id).filter(|id| reached[id.index()]).collect()
}

/// Rows one after the other, in the precision of a network.
fn flat<E: Number>(rows: &[Vec<f64>]) -> Vec<E> {
    rows.iter().flatten().map(|value| E::from_f64(*value)).collect()
}

fn batch<'a, E: Number>(circuit: &Circuit, values: &'a [E]) -> Rows<'a, E> {
    Rows::new(values, circuit.variables as usize).unwrap()
}

fn widen<E: Number>(values: &[E]) -> Vec<f64> {
    values.iter().map(|value| Real::to_f64(*value)).collect()
}

/// The exact bits, so that a NaN equals itself and 0 is not -0.
fn bits<E: Number>(values: &[E]) -> Vec<u64> {
    values.iter().map(|value| Real::to_f64(*value).to_bits()).collect()
}

/// Errors relative to the array's largest magnitude, but not below a thousandth: where a gradient
/// cancels to nothing, its parts of magnitude 1 leave rounding errors.
fn assert_gradients_close(actual: &[f64], expected: &[f64], tolerance: f64) {
    let largest = expected.iter().fold(1e-3_f64, |largest, value| largest.max(value.abs()));
    let scaled =
        |values: &[f64]| -> Vec<f64> { values.iter().map(|value| value / largest).collect() };
    compare_each(&scaled(actual), &scaled(expected), tolerance).unwrap();
}
