//! The runtime against the reference evaluator, on random circuits: values, joints and every
//! derivative, in both precisions, on every instruction set and with several thread counts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use spn_compiler::{Options, compile};
use spn_ir::{Circuit, NodeId};
use spn_runtime::learn::Objective;
use spn_runtime::simd::Level;
use spn_runtime::{Executable, ExecutableOptions, GradientOptions, Number, Rows, Statistics};
use spn_testkit::random::{Sample, circuits_with_rows};
use spn_testkit::{CircuitOptions, EvaluateOptions, RowOptions, compare_each, reverse};

/// Every node of the circuit that leads to the root.
fn kept_nodes(circuit: &Circuit) -> Vec<NodeId> {
    let mut reached = vec![false; circuit.nodes.len()];
    reached[circuit.root.index()] = true;
    for (id, node) in circuit.iter().rev() {
        if reached[id.index()] {
            node.children().iter().for_each(|child| reached[child.index()] = true);
        }
    }
    circuit.iter().map(|(id, _)| id).filter(|id| reached[id.index()]).collect()
}

fn executable<E: Number>(circuit: &Circuit, outputs: bool, level: Level) -> Executable<E> {
    let outputs = if outputs { kept_nodes(circuit) } else { Vec::new() };
    // Random circuits are small: without this they would be run step by step.
    let options = Options { outputs, small_part: 0, ..Options::default() };
    let plan = compile(circuit, &options).unwrap();
    let options = ExecutableOptions { level, threads: Some(2) };
    Executable::with_options(plan, options).unwrap()
}

fn flat<E: Number>(rows: &[Vec<f64>]) -> Vec<E> {
    rows.iter().flatten().map(|v| E::from_f64(*v)).collect()
}

fn widen<E: Number>(values: &[E]) -> Vec<f64> {
    values.iter().map(|v| spn_runtime::simd::Real::to_f64(*v)).collect()
}

fn check_values<E: Number>(sample: &Sample, rows: &[Vec<f64>], level: Level, tolerance: f64) {
    let circuit = &sample.circuit;
    let columns = circuit.variables as usize;
    let values = flat::<E>(rows);
    let batch = Rows::new(&values, columns).unwrap();
    let all = executable::<E>(circuit, true, level);
    let fused = executable::<E>(circuit, false, level);
    let outputs = widen(&all.output_values(batch, Statistics::Observed).unwrap());
    let likelihoods = widen(&fused.log_likelihood(batch).unwrap());
    let joints = widen(&fused.class_joints(batch).unwrap());
    let kept = kept_nodes(circuit);
    let (units, classes) = (outputs.len() / rows.len(), joints.len() / rows.len());
    for (index, row) in rows.iter().enumerate() {
        let reference = spn_testkit::evaluate(circuit, row, None);
        let expected: Vec<f64> = kept.iter().flat_map(|id| reference[id.index()].clone()).collect();
        compare_each(&outputs[index * units..(index + 1) * units], &expected, tolerance).unwrap();
        let expected = reference[circuit.root.index()][0];
        compare_each(&likelihoods[index..=index], &[expected], tolerance).unwrap();
        let expected = spn_testkit::root_joints(circuit, row, None);
        compare_each(&joints[index * classes..(index + 1) * classes], &expected, tolerance)
            .unwrap();
    }
}

/// Seeds of the mean negative log-likelihood for one row.
fn seeds(joints: &[f64], rows: usize) -> Vec<f64> {
    let total = -Objective::Generative.loss(joints, 0);
    let share = |joint: &f64| -(joint - total).exp() / rows as f64;
    joints.iter().map(|j| if total == f64::NEG_INFINITY { 0.0 } else { share(j) }).collect()
}

fn check_gradients<E: Number>(sample: &Sample, rows: &[Vec<f64>], level: Level, tolerance: f64) {
    let circuit = &sample.circuit;
    let columns = circuit.variables as usize;
    let values = flat::<E>(rows);
    let batch = Rows::new(&values, columns).unwrap();
    let executable = executable::<E>(circuit, false, level);
    let options = GradientOptions { inputs: true, ..GradientOptions::default() };
    let gradient = executable.gradient(batch, &options).unwrap();
    let mut parameters: Vec<Vec<f64>> =
        circuit.parameters.iter().map(|(_, p)| vec![0.0; p.values.len()]).collect();
    let mut inputs = Vec::new();
    for row in rows {
        let joints = spn_testkit::root_joints(circuit, row, None);
        let seeds = seeds(&joints, rows.len());
        let expected = reverse(circuit, row, None, &seeds, &EvaluateOptions::default());
        for (sum, part) in parameters.iter_mut().zip(expected.parameters) {
            sum.iter_mut().zip(part).for_each(|(s, g)| *s += g);
        }
        inputs.extend(expected.row);
    }
    for ((_, parameter), (actual, expected)) in
        circuit.parameters.iter().zip(gradient.parameters.iter().zip(&parameters))
    {
        if parameter.trainable {
            check_close(&widen(actual), expected, tolerance);
        }
    }
    check_close(&widen(&gradient.inputs), &inputs, tolerance);
}

/// Errors relative to the array's largest magnitude, but not below a thousandth: where a gradient
/// cancels to nothing its parts, of magnitude 1, leave rounding errors.
fn check_close(actual: &[f64], expected: &[f64], tolerance: f64) {
    // Derivatives with respect to weights of 0 may overflow; both sides cut them off, elsewhere.
    let limit = |v: f64| v.clamp(-1e200, 1e200);
    let largest = expected.iter().fold(1e-3_f64, |largest, v| largest.max(limit(*v).abs()));
    let scale =
        |values: &[f64]| -> Vec<f64> { values.iter().map(|v| limit(*v) / largest).collect() };
    compare_each(&scale(actual), &scale(expected), tolerance).unwrap();
}

/// A normalised network gives a row without evidence exactly log 1, in both precisions.
fn check_nothing_observed<E: Number>(sample: &Sample) {
    let columns = sample.circuit.variables as usize;
    let values = vec![E::NAN; columns * 40];
    let batch = Rows::new(&values, columns).unwrap();
    for level in Level::available() {
        let executable = executable::<E>(&sample.circuit, false, level);
        for value in executable.log_likelihood(batch).unwrap() {
            assert_eq!(spn_runtime::simd::Real::to_f64(value), 0.0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_agree_in_double_precision(
        (sample, rows) in circuits_with_rows(CircuitOptions::default(), RowOptions::default(), 19)
    ) {
        for level in Level::available() {
            check_values::<f64>(&sample, &rows, level, 1e-12);
        }
    }

    #[test]
    fn values_agree_in_single_precision(
        (sample, rows) in circuits_with_rows(CircuitOptions::gentle(), RowOptions::default(), 19)
    ) {
        for level in Level::available() {
            check_values::<f32>(&sample, &rows, level, 1e-5);
        }
    }

    #[test]
    fn gradients_agree_in_double_precision(
        // Without huge log values: the reference takes posteriors as differences of log values,
        // and those of magnitude 1e8 have few digits left behind the point.
        (sample, rows) in circuits_with_rows(
            CircuitOptions { extreme: false, ..CircuitOptions::default() },
            RowOptions { large: 0.0, ..RowOptions::default() },
            19,
        )
    ) {
        for level in Level::available() {
            check_gradients::<f64>(&sample, &rows, level, 1e-9);
        }
    }

    #[test]
    fn nothing_observed_is_exactly_log_one(
        (sample, _) in circuits_with_rows(CircuitOptions::default(), RowOptions::default(), 1)
    ) {
        check_nothing_observed::<f64>(&sample);
        check_nothing_observed::<f32>(&sample);
    }

    #[test]
    fn gradients_are_finite_whatever_the_circuit(
        (sample, rows) in circuits_with_rows(CircuitOptions::default(), RowOptions::default(), 19)
    ) {
        let values = flat::<f32>(&rows);
        let batch = Rows::new(&values, sample.circuit.variables as usize).unwrap();
        let executable = executable::<f32>(&sample.circuit, false, Level::detect());
        let options = GradientOptions { inputs: true, ..GradientOptions::default() };
        let gradient = executable.gradient(batch, &options).unwrap();
        for value in gradient.parameters.iter().flatten().chain(&gradient.inputs) {
            prop_assert!(!value.is_nan());
        }
    }
}
