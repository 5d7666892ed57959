//! Queries against enumeration, numeric integration and the specification, on random circuits.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conditional;
mod marginals;
mod mpe;
mod sampling;
mod table;

use spn_compiler::{Options, compile};
use spn_ir::Circuit;
use spn_runtime::simd::{Level, Real};
use spn_runtime::{Executable, ExecutableOptions, Number, Rows};

/// The compiled circuit on so many threads.
fn executable<E: Number>(circuit: &Circuit, threads: usize) -> Executable<E> {
    let plan = compile(circuit, &Options::default()).unwrap();
    let options = ExecutableOptions { level: Level::detect(), threads: Some(threads) };
    Executable::with_options(plan, options).unwrap()
}

fn flat<E: Number>(rows: &[Vec<f64>]) -> Vec<E> {
    rows.iter().flatten().map(|value| E::from_f64(*value)).collect()
}

fn batch<'a, E: Number>(circuit: &Circuit, values: &'a [E]) -> Rows<'a, E> {
    Rows::new(values, circuit.variables as usize).unwrap()
}

fn widen<E: Number>(values: &[E]) -> Vec<f64> {
    values.iter().map(|value| Real::to_f64(*value)).collect()
}

/// The exact bits, so that a NaN equals itself.
fn bits<E: Number>(values: &[E]) -> Vec<u64> {
    values.iter().map(|value| Real::to_f64(*value).to_bits()).collect()
}

/// Near in relation to the larger of 1 and the expected value; NaN is near NaN alone.
#[track_caller]
fn assert_near(actual: f64, expected: f64, tolerance: f64, what: &str) {
    let same = actual.is_nan() && expected.is_nan() || actual == expected;
    let error = (actual - expected).abs() / expected.abs().max(1.0);
    assert!(same || error <= tolerance, "{what}: {actual} instead of {expected}");
}
