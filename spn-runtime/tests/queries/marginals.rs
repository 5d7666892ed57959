//! Marginals and moments of single variables: sums over completions of discrete circuits, numeric
//! integration of continuous ones.

use std::f64::consts::PI;

use spn_ir::{Circuit, LeafFamily, LocationScale, NodeKind, Normalisation};
use spn_runtime::{Executable, Number, Statistics};
use spn_testkit::brute_force::{completions, states};
use spn_testkit::reference::log_likelihood;
use spn_testkit::{CircuitOptions, RowOptions, random_circuit, random_row};

use crate::{assert_near, batch, bits, executable, flat, widen};

fn check_discrete<E: Number>(seeds: std::ops::Range<u64>, tolerance: f64) {
    let mut impossible = 0;
    for seed in seeds {
        let circuit = random_circuit(seed, &CircuitOptions::discrete());
        let variables = circuit.variables as usize;
        let scope = circuit.scope(circuit.root);
        let options = RowOptions { missing: 0.6, odd_states: 0.02, ..RowOptions::default() };
        let rows: Vec<Vec<f64>> =
            (0..20).map(|row| random_row(&circuit, seed * 30 + row, &options)).collect();
        let values = flat::<E>(&rows);
        let executable = executable::<E>(&circuit, 2);
        let rows_ = batch(&circuit, &values);
        let marginals = executable.marginals(rows_, Statistics::Observed).unwrap();
        let moments = executable.moments(rows_, Statistics::Observed).unwrap();
        let (probabilities, most) = (widen(&marginals.probabilities), marginals.most_states);
        let (means, variances) = (widen(&moments.mean), widen(&moments.variance));
        for (row, values) in rows.iter().enumerate() {
            let completions = completions(&circuit, values).unwrap();
            let weigh = |row: &Vec<f64>| log_likelihood(&circuit, row, None).exp();
            let weights: Vec<f64> = completions.iter().map(weigh).collect();
            let total: f64 = weights.iter().sum();
            impossible += usize::from(total == 0.0);
            for variable in (0..variables).filter(|v| scope.contains(*v)) {
                let at = row * variables + variable;
                let mut expected = vec![0.0; most];
                for (completion, weight) in completions.iter().zip(&weights) {
                    if total > 0.0 {
                        expected[completion[variable].trunc() as usize] += weight / total;
                    }
                }
                let mean: f64 = expected.iter().zip(0..).map(|(p, k)| p * f64::from(k)).sum();
                let square = |(p, k): (&f64, i32)| p * (f64::from(k) - mean).powi(2);
                let variance: f64 = expected.iter().zip(0..).map(square).sum();
                if total == 0.0 {
                    let found = &probabilities[at * most..][..most];
                    assert!(found.iter().all(|p| p.is_nan()), "{values:?}: {found:?}");
                    assert!(means[at].is_nan() && variances[at].is_nan());
                    continue;
                }
                for (state, expected) in expected.iter().enumerate() {
                    let found = probabilities[at * most + state];
                    assert_near(found, *expected, tolerance, "probability");
                }
                let mean = if values[variable].is_nan() { mean } else { values[variable] };
                assert_near(means[at], mean, tolerance, "mean");
                assert_near(variances[at], variance, 10.0 * tolerance, "variance");
            }
        }
        let known = states(&circuit).unwrap();
        for (variable, states) in known.iter().enumerate().filter(|(v, _)| scope.contains(*v)) {
            assert!(marginals.states[variable] <= *states as usize);
        }
    }
    assert!(impossible > 10, "{impossible}");
}

#[test]
fn states_have_the_probabilities_of_enumeration() {
    check_discrete::<f64>(0..100, 1e-9);
    check_discrete::<f32>(100..150, 3e-4);
}

/// Mass, mean and variance of one missing variable by the midpoint rule over `x = 10 tan t`.
fn integrate(executable: &Executable<f64>, row: &[f64], variable: usize) -> (f64, f64) {
    const STEPS: usize = 20_000;
    let angle = |step: usize| PI * ((step as f64 + 0.5) / STEPS as f64 - 0.5);
    let point = |step: usize| 10.0 * angle(step).tan();
    let mut rows = Vec::with_capacity(STEPS * row.len());
    for step in 0..STEPS {
        let mut row = row.to_vec();
        row[variable] = point(step);
        rows.extend(row);
    }
    let rows = spn_runtime::Rows::new(&rows, row.len()).unwrap();
    let logs = executable.log_likelihood(rows).unwrap();
    let weights: Vec<f64> =
        logs.iter().enumerate().map(|(step, log)| log.exp() / angle(step).cos().powi(2)).collect();
    let total: f64 = weights.iter().sum();
    let mean: f64 = weights.iter().enumerate().map(|(s, w)| w * point(s)).sum::<f64>() / total;
    let square = |(step, weight): (usize, &f64)| weight * (point(step) - mean).powi(2);
    (mean, weights.iter().enumerate().map(square).sum::<f64>() / total)
}

/// Whether a Cauchy leaf reads a variable.
fn is_cauchy(circuit: &Circuit, variable: usize) -> bool {
    circuit.nodes.iter().any(|node| match &node.kind {
        NodeKind::Leaf(leaf) => {
            let family = &leaf.family;
            let cauchy = LocationScale::Cauchy;
            matches!(family, LeafFamily::LocationScale { density, .. } if *density == cauchy)
                && leaf.variables.iter().any(|v| v.index() == variable)
        }
        _ => false,
    })
}

#[test]
fn moments_are_those_of_numeric_integration() {
    let options = CircuitOptions { maximum_variables: 4, ..CircuitOptions::gentle() };
    let (mut integrated, mut without) = (0, 0);
    for seed in 0..150 {
        let circuit = random_circuit(seed, &options);
        if matches!(circuit.normalisation, Some(Normalisation::SampleWise { .. })) {
            continue;
        }
        let observed = RowOptions { missing: 0.6, all_missing: 0.1, odd_states: 0.0, large: 0.0 };
        let row = random_row(&circuit, seed, &observed);
        let executable = executable::<f64>(&circuit, 2);
        let moments = executable.moments(batch(&circuit, &row), Statistics::Observed).unwrap();
        let scope = circuit.scope(circuit.root);
        let kinds = spn_testkit::random::variable_kinds(&circuit);
        for variable in (0..row.len()).filter(|v| row[*v].is_nan() && scope.contains(*v)) {
            let (mean, variance) = (moments.mean[variable], moments.variance[variable]);
            if kinds[variable] != spn_testkit::random::VariableKind::Continuous {
                continue;
            }
            if mean.is_nan() {
                let impossible = log_likelihood(&circuit, &row, None) == f64::NEG_INFINITY;
                assert!(variance.is_nan());
                assert!(impossible || is_cauchy(&circuit, variable), "seed {seed}");
                without += 1;
                continue;
            }
            let expected = integrate(&executable, &row, variable);
            assert_near(mean, expected.0, 1e-3, "mean");
            assert_near(variance, expected.1, 1e-2, "variance");
            integrated += 1;
        }
    }
    assert!(integrated > 40 && without > 5, "{integrated} {without}");
}

#[test]
fn marginals_do_not_depend_on_threads() {
    for seed in 0..15 {
        let circuit = random_circuit(seed, &CircuitOptions::default());
        let observed = RowOptions { missing: 0.3, all_missing: 0.0, ..RowOptions::default() };
        let rows: Vec<Vec<f64>> = (0..100)
            .map(|row| random_row(&circuit, row, &observed))
            .filter(|row| row.iter().any(|x| !x.is_nan()))
            .collect();
        let values = flat::<f32>(&rows);
        let rows = batch(&circuit, &values);
        let answer = |threads| {
            let executable = executable::<f32>(&circuit, threads);
            let moments = executable.moments(rows, Statistics::Observed).unwrap();
            let marginals = executable.marginals(rows, Statistics::Observed).unwrap();
            [bits(&moments.mean), bits(&moments.variance), bits(&marginals.probabilities)]
        };
        assert_eq!(answer(1), answer(3));
    }
}
