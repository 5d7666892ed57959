//! Impossible evidence is log 0: flows and gradients are 0, nothing is NaN, and possible rows of
//! the same batch are not disturbed.

use proptest::prelude::*;
use spn_compiler::Options;
use spn_runtime::learn::Objective;
use spn_runtime::{FlowOptions, GradientOptions, Number};
use spn_testkit::random::{Sample, circuits_with_rows};
use spn_testkit::{CircuitOptions, RowOptions};

use crate::{all_nodes, assert_gradients_close, batch, bits, cases, executable, flat, widen};

/// The rows with a state that does not exist in one column each.
fn impossible(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let spoil = |(index, row): (usize, &Vec<f64>)| {
        let mut row = row.clone();
        let column = index % row.len();
        row[column] = [-1.0, 1e9, f64::INFINITY, f64::NEG_INFINITY][index % 4];
        row
    };
    rows.iter().enumerate().map(spoil).collect()
}

fn check<E: Number>(sample: &Sample, rows: &[Vec<f64>]) {
    let circuit = &sample.circuit;
    let values = flat::<E>(&impossible(rows));
    let rows = batch(circuit, &values);
    let plain = executable::<E>(circuit, &Options::default(), 1);
    let likelihoods = widen(&plain.log_likelihood(rows).unwrap());
    assert_eq!(likelihoods, vec![f64::NEG_INFINITY; likelihoods.len()]);
    let posteriors = widen(&plain.class_posteriors(rows).unwrap());
    assert!(posteriors.iter().all(|posterior| !posterior.is_nan()));

    let options = Options { outputs: all_nodes(circuit), ..Options::default() };
    let outputs = executable::<E>(circuit, &options, 1);
    let flows = outputs.output_flows(rows, FlowOptions::default()).unwrap();
    assert!(flows.iter().all(|flow| *flow == E::zero()));

    let labels = vec![0; likelihoods.len()];
    for objective in [Objective::Generative, Objective::Joint, Objective::Discriminative] {
        let labels = Some(labels.as_slice());
        let options = GradientOptions { objective, labels, inputs: true, ..Default::default() };
        let gradient = plain.gradient(rows, &options).unwrap();
        assert_eq!(gradient.loss, f64::INFINITY);
        let all = gradient.parameters.iter().flatten().chain(&gradient.inputs);
        assert!(all.into_iter().all(|value| *value == E::zero()), "{objective:?}");
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn impossible_rows_have_no_flow_and_no_gradient(
        (sample, rows) in circuits_with_rows(
            CircuitOptions::discrete(),
            RowOptions { missing: 0.3, ..RowOptions::default() },
            20,
        )
    ) {
        check::<f64>(&sample, &rows);
        check::<f32>(&sample, &rows);
    }

    #[test]
    fn possible_rows_beside_impossible_ones_keep_their_gradient(
        (sample, rows) in circuits_with_rows(CircuitOptions::discrete(), RowOptions::plain(), 20)
    ) {
        let circuit = &sample.circuit;
        let executable = executable::<f64>(circuit, &Options::default(), 1);
        let possible = flat::<f64>(&rows);
        // Every row, followed by an impossible one.
        let mixed: Vec<Vec<f64>> =
            rows.iter().cloned().zip(impossible(&rows)).flat_map(|(a, b)| [a, b]).collect();
        let mixed = flat::<f64>(&mixed);
        let alone = executable.log_likelihood(batch(circuit, &possible)).unwrap();
        let beside = executable.log_likelihood(batch(circuit, &mixed)).unwrap();
        let beside: Vec<f64> = beside.into_iter().step_by(2).collect();
        prop_assert_eq!(bits(&beside), bits(&alone));

        let options = GradientOptions::default();
        let alone = executable.gradient(batch(circuit, &possible), &options).unwrap();
        let beside = executable.gradient(batch(circuit, &mixed), &options).unwrap();
        for (alone, beside) in alone.parameters.iter().zip(&beside.parameters) {
            // The mean is over twice as many rows.
            let doubled: Vec<f64> = beside.iter().map(|value| 2.0 * value).collect();
            assert_gradients_close(&doubled, alone, 1e-10);
        }
    }
}
