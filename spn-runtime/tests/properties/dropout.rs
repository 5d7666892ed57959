//! Dropout with given masks, against the reference evaluator with the same masks: losses row by
//! row, and gradients.

use proptest::prelude::*;
use spn_compiler::Options;
use spn_ir::Circuit;
use spn_runtime::{Dropping, GradientOptions};
use spn_testkit::random::circuits_with_rows;
use spn_testkit::reference::joints_of;
use spn_testkit::{
    CircuitOptions, DropoutMasks, EvaluateOptions, RowOptions, compare_each, evaluate_with, reverse,
};

use crate::{assert_gradients_close, batch, cases, executable, flat};

/// Whether a number of a dropout's stream keeps its values in one row: three in four do.
pub(crate) fn keeps(seed: u64, stream: u32, row: usize, index: u32) -> bool {
    let position = (row as u64) << 32 | u64::from(index);
    spn_ir::random::uniform_at(seed, stream, 0, position) > 0.25
}

/// The same for the reference: for each unit of each node with dropout.
pub(crate) fn masks(circuit: &Circuit, seed: u64, row: usize) -> EvaluateOptions {
    let mut masks = DropoutMasks::default();
    for (id, node) in circuit.iter() {
        let Some(dropout) = node.dropout else { continue };
        let index = |unit| dropout.first + unit * dropout.stride;
        let kept = (0..node.width).map(|unit| keeps(seed, dropout.stream, row, index(unit)));
        masks.insert(id, kept.collect());
    }
    EvaluateOptions { masks, ..EvaluateOptions::default() }
}

/// `ln Σ exp`, -inf without any possible joint.
fn total(joints: &[f64]) -> f64 {
    let largest = joints.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + joints.iter().map(|joint| (joint - largest).exp()).sum::<f64>().ln()
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn given_masks_agree_with_the_reference(
        (sample, rows) in circuits_with_rows(
            CircuitOptions { extreme: false, ..CircuitOptions::default() },
            RowOptions { large: 0.0, ..RowOptions::default() },
            18,
        )
    ) {
        let (circuit, seed) = (&sample.circuit, sample.seed);
        let executable = executable::<f64>(circuit, &Options { dropout: true, ..Options::default() }, 2);
        let mut losses = Vec::new();
        let mut parameters: Vec<Vec<f64>> =
            circuit.parameters.iter().map(|(_, p)| vec![0.0; p.values.len()]).collect();
        let mut inputs = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let options = masks(circuit, seed, index);
            let joints = joints_of(circuit, &evaluate_with(circuit, row, None, &options));
            let total = total(&joints);
            let possible = total > f64::NEG_INFINITY;
            let seeds: Vec<f64> = joints
                .iter()
                .map(|joint| if possible { -(joint - total).exp() / rows.len() as f64 } else { 0.0 })
                .collect();
            let expected = reverse(circuit, row, None, &seeds, &options);
            for (sum, part) in parameters.iter_mut().zip(expected.parameters) {
                sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
            }
            inputs.extend(expected.row);
            losses.push(-total);

            // One row alone; it calls itself row 0.
            let keep = |stream: u32, row: usize, unit: u32| keeps(seed, stream, row + index, unit);
            let options =
                GradientOptions { dropping: Dropping::Given(&keep), ..GradientOptions::default() };
            let loss = executable.gradient(batch(circuit, row), &options).unwrap().loss;
            compare_each(&[loss], &[-total], 1e-12).unwrap();
        }

        let keep = |stream: u32, row: usize, unit: u32| keeps(seed, stream, row, unit);
        let dropping = Dropping::Given(&keep);
        let options = GradientOptions { dropping, inputs: true, ..GradientOptions::default() };
        let values = flat::<f64>(&rows);
        let gradient = executable.gradient(batch(circuit, &values), &options).unwrap();
        let mean = losses.iter().sum::<f64>() / rows.len() as f64;
        compare_each(&[gradient.loss], &[mean], 1e-12).unwrap();
        assert_gradients_close(&gradient.inputs, &inputs, 1e-9);
        let pairs = gradient.parameters.iter().zip(&parameters);
        for ((_, parameter), (actual, expected)) in circuit.parameters.iter().zip(pairs) {
            if parameter.trainable {
                assert_gradients_close(actual, expected, 1e-9);
            }
        }
    }
}

#[test]
fn masks_drop_something() {
    let options = CircuitOptions::default();
    let circuits = (0..100).map(|seed| spn_testkit::random_circuit(seed, &options));
    let with_dropout = circuits.filter(|circuit| circuit.nodes.iter().any(|n| n.dropout.is_some()));
    assert!(with_dropout.count() > 30);
    let kept = (0..1000).filter(|&index| keeps(7, 1, 2, index)).count();
    assert!((650..850).contains(&kept), "{kept}");
}
