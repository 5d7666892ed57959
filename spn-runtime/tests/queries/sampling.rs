//! Samples follow the distribution: chi-square tests against enumeration with fixed seeds, moments of
//! continuous variables, observed values kept, nothing that depends on threads or batches.

use std::collections::BTreeMap;

use spn_ir::{Circuit, Normalisation};
use spn_runtime::{Executable, Number, RunError, SampleOptions, Statistics};
use spn_testkit::brute_force::completions;
use spn_testkit::reference::log_likelihood;
use spn_testkit::{CircuitOptions, RowOptions, random_circuit, random_row};

use crate::{batch, bits, executable, flat, widen};

/// States that occur in rows, so that no evidence is impossible for this reason.
const POSSIBLE: RowOptions =
    RowOptions { missing: 0.5, all_missing: 0.1, odd_states: 0.0, large: 0.0 };

/// Asserts that samples of a row have the frequencies of its completions. The chi-square statistic of `d`
/// degrees of freedom exceeds `d + 6 √(2d) + 12` with a probability below 1e-6.
fn assert_frequencies(circuit: &Circuit, row: &[f64], samples: &[f64], temperature: f64) -> usize {
    let variables = circuit.variables as usize;
    let completions = completions(circuit, row).unwrap();
    let logs = completions.iter().map(|row| log_likelihood(circuit, row, None) / temperature);
    let probabilities: Vec<f64> = logs.map(f64::exp).collect();
    let total: f64 = probabilities.iter().sum();
    let key = |row: &[f64]| -> Vec<i64> {
        let known = row.iter().map(|x| if x.is_nan() { -1 } else { x.trunc() as i64 });
        known.collect()
    };
    let mut counts: BTreeMap<Vec<i64>, usize> = BTreeMap::new();
    for sample in samples.chunks_exact(variables) {
        for (sampled, given) in sample.iter().zip(row) {
            assert!(given.is_nan() || sampled.to_bits() == given.to_bits(), "{row:?} {sample:?}");
        }
        *counts.entry(key(sample)).or_default() += 1;
    }
    let number = (samples.len() / variables) as f64;
    let (mut statistic, mut bins, mut rare, mut seen) = (0.0, 0, (0.0, 0.0), 0);
    let read: Vec<bool> = {
        let scope = circuit.scope(circuit.root);
        (0..variables).map(|v| scope.contains(v)).collect()
    };
    for (completion, probability) in completions.iter().zip(&probabilities) {
        // A variable that nothing reads stays missing.
        let values = completion.iter().zip(&read).zip(row);
        let values = values.map(|((x, read), given)| if *read { *x } else { *given });
        let count = counts.get(&key(&values.collect::<Vec<_>>())).copied().unwrap_or(0);
        seen += count;
        let expected = probability / total * number;
        assert!(count == 0 || expected > 0.0, "an impossible sample {completion:?}");
        if expected < 5.0 {
            rare = (rare.0 + expected, rare.1 + count as f64);
            continue;
        }
        statistic += (count as f64 - expected).powi(2) / expected;
        bins += 1;
    }
    assert_eq!(seen, samples.len() / variables, "samples that are no completions");
    if rare.0 > 5.0 {
        statistic += f64::powi(rare.1 - rare.0, 2) / rare.0;
        bins += 1;
    }
    let freedom = f64::from(bins - 1).max(0.0);
    let bound = freedom + 6.0 * (2.0 * freedom).sqrt() + 12.0;
    assert!(statistic <= bound, "chi-square {statistic} with {freedom} degrees: {row:?}");
    bins as usize
}

fn check_discrete<E: Number>(seeds: std::ops::Range<u64>) {
    let mut bins = 0;
    for seed in seeds {
        let circuit = random_circuit(seed, &CircuitOptions::discrete());
        let executable = executable::<E>(&circuit, 2);
        let options = SampleOptions { seed, ..SampleOptions::default() };
        let free = vec![f64::NAN; circuit.variables as usize];
        let samples = executable.sample(20_000, options).unwrap();
        bins += assert_frequencies(&circuit, &free, &widen(&samples), 1.0);
        let row = random_row(&circuit, seed, &POSSIBLE);
        if log_likelihood(&circuit, &row, None) == f64::NEG_INFINITY {
            continue;
        }
        // Both ways: many samples of one row, a few of many rows.
        let one = flat::<E>(std::slice::from_ref(&row));
        let many = executable.sample_given(batch(&circuit, &one), 8_000, options).unwrap();
        bins += assert_frequencies(&circuit, &row, &widen(&many), 1.0);
        let copies = flat::<E>(&vec![row.clone(); 1_000]);
        let few = executable.sample_given(batch(&circuit, &copies), 8, options).unwrap();
        bins += assert_frequencies(&circuit, &row, &widen(&few), 1.0);
    }
    assert!(bins > 300, "{bins}");
}

#[test]
fn samples_have_the_frequencies_of_enumeration() {
    check_discrete::<f64>(0..60);
    check_discrete::<f32>(60..100);
}

#[test]
fn a_temperature_sharpens_the_choices_of_one_sum() {
    // A single variable below one sum or none: the tempered distribution is that of the joint states.
    let options =
        CircuitOptions { maximum_variables: 1, dropout: false, ..CircuitOptions::discrete() };
    let mut checked = 0;
    for seed in 0..400 {
        let circuit = random_circuit(seed, &options);
        let is_leaf = |node: &spn_ir::Node| node.children().is_empty();
        if circuit.node(circuit.root).width != 1 || !is_leaf(circuit.node(circuit.root)) {
            continue;
        }
        let executable = executable::<f64>(&circuit, 1);
        for temperature in [0.5, 2.0] {
            let options = SampleOptions { temperature, ..SampleOptions::default() };
            let samples = executable.sample(20_000, options).unwrap();
            assert_frequencies(&circuit, &[f64::NAN], &samples, temperature);
            checked += 1;
        }
    }
    assert!(checked > 4, "{checked}");
}

#[test]
fn samples_depend_neither_on_threads_nor_on_batches() {
    for seed in 0..30 {
        let circuit = random_circuit(seed, &CircuitOptions::default());
        if circuit.normalisation.is_some() {
            continue;
        }
        let rows: Vec<Vec<f64>> =
            (0..70).map(|row| random_row(&circuit, row, &RowOptions::default())).collect();
        let values = flat::<f32>(&rows);
        let seeds: Vec<u64> = (0..70).map(|row| row * 7 + 1).collect();
        let sample = |executable: &Executable<f32>, from: usize, each| {
            let options =
                SampleOptions { row_seeds: Some(&seeds[from..]), ..SampleOptions::default() };
            let values = &values[from * circuit.variables as usize..];
            executable.sample_given(batch(&circuit, values), each, options).unwrap()
        };
        for each in [3, 70] {
            let (one, three) = (executable(&circuit, 1), executable(&circuit, 3));
            let all = sample(&one, 0, each);
            assert_eq!(bits(&all), bits(&sample(&three, 0, each)));
            let part = sample(&three, 41, each);
            assert_eq!(bits(&part), bits(&all[all.len() - part.len()..]));
            let other = SampleOptions { seed: 1, ..SampleOptions::default() };
            let first = one.sample(100, SampleOptions::default()).unwrap();
            assert_eq!(bits(&first), bits(&three.sample(100, SampleOptions::default()).unwrap()));
            let constant = bits(&first) == bits(&one.sample(100, other).unwrap());
            assert!(!constant || first.iter().all(|x| x.is_nan() || x.fract() == 0.0));
        }
    }
}

#[test]
fn a_sample_does_not_depend_on_how_many_are_drawn() {
    for seed in 0..30 {
        let circuit = random_circuit(seed, &CircuitOptions::discrete());
        let executable = executable::<f64>(&circuit, 2);
        for temperature in [1.0, 0.5] {
            let options = SampleOptions { seed, temperature, ..SampleOptions::default() };
            let (few, many) = (executable.sample(60, options), executable.sample(500, options));
            let (few, many) = (few.unwrap(), many.unwrap());
            assert_eq!(bits(&few), bits(&many[..few.len()]));
        }
    }
}

#[test]
fn samples_of_continuous_variables_have_the_moments_of_the_network() {
    let options = CircuitOptions { maximum_variables: 5, ..CircuitOptions::gentle() };
    let mut ratios = Vec::new();
    for seed in 0..160 {
        let circuit = random_circuit(seed, &options);
        let executable = executable::<f64>(&circuit, 2);
        let row = random_row(&circuit, seed, &POSSIBLE);
        let sample_wise = matches!(circuit.normalisation, Some(Normalisation::SampleWise { .. }));
        if sample_wise && row.iter().all(|x| x.is_nan())
            || log_likelihood(&circuit, &row, None) == f64::NEG_INFINITY
        {
            continue;
        }
        let values = flat::<f64>(&[row]);
        let row = batch(&circuit, &values);
        const COUNT: usize = 10_000;
        let samples = executable.sample_given(row, COUNT, SampleOptions::default()).unwrap();
        let expected = executable.moments(row, Statistics::Observed).unwrap();
        for (variable, (mean, variance)) in expected.mean.iter().zip(&expected.variance).enumerate()
        {
            if !(mean.is_finite() && *variance > 0.0) {
                continue;
            }
            let column = || samples.iter().skip(variable).step_by(circuit.variables as usize);
            let found = column().sum::<f64>() / COUNT as f64;
            // Six deviations of a mean of so many samples.
            let allowed = 6.0 * (variance / COUNT as f64).sqrt();
            assert!((found - mean).abs() < allowed, "seed {seed}: {found} instead of {mean}");
            let spread = column().map(|x| (x - mean).powi(2)).sum::<f64>() / COUNT as f64;
            ratios.push(spread / variance);
        }
    }
    // Where a component is far away and improbable, few samples say little about the variance.
    assert!(ratios.len() > 60, "{}", ratios.len());
    let near = ratios.iter().filter(|ratio| (**ratio - 1.0).abs() < 0.1).count();
    assert!(near * 10 > ratios.len() * 9, "{near} of {}: {ratios:?}", ratios.len());
}

#[test]
fn impossible_evidence_stays_missing_and_observed_values_stay_what_they_are() {
    let circuit = random_circuit(4, &CircuitOptions::discrete());
    let executable = executable::<f64>(&circuit, 2);
    let mut rows = vec![vec![f64::NAN; circuit.variables as usize]; 3];
    rows[1][0] = 99.0;
    let values = flat::<f64>(&rows);
    for each in [1, 100] {
        let options = SampleOptions::default();
        let samples = executable.sample_given(batch(&circuit, &values), each, options).unwrap();
        let row = each * circuit.variables as usize;
        let impossible = &samples[row..2 * row];
        for sample in impossible.chunks_exact(circuit.variables as usize) {
            assert_eq!(sample[0], 99.0);
            assert!(sample[1..].iter().all(|x| x.is_nan()));
        }
        assert!(samples[..row].iter().chain(&samples[2 * row..]).any(|x| !x.is_nan()));
    }
}

#[test]
fn wrong_questions_are_refused() {
    let circuit = random_circuit(4, &CircuitOptions::discrete());
    let executable = executable::<f64>(&circuit, 1);
    for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let options = SampleOptions { temperature, ..SampleOptions::default() };
        let error = executable.sample(1, options).unwrap_err();
        assert!(matches!(error, RunError::OptionOutOfRange { .. }));
    }
    let options = SampleOptions { row_seeds: Some(&[1, 2]), ..SampleOptions::default() };
    assert!(matches!(executable.sample(1, options), Err(RunError::WrongLength { .. })));
    let error = executable.sample(usize::MAX, SampleOptions::default()).unwrap_err();
    assert!(matches!(error, RunError::TooManySamples { .. }));
    assert_eq!(executable.sample(0, SampleOptions::default()), Ok(vec![]));
}
