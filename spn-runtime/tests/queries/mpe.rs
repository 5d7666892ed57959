//! Most probable explanations: the value is that of the specification's max-product on every circuit, and
//! on deterministic ones no completion is more probable.

use spn_compiler::{Options, compile};
use spn_ir::Normalisation;
use spn_runtime::simd::Level;
use spn_runtime::{Executable, ExecutableOptions, Number, SampleOptions, Statistics};
use spn_testkit::brute_force::completions;
use spn_testkit::reference::log_likelihood;
use spn_testkit::{
    CircuitOptions, RowOptions, deterministic_circuit, max_product, random_circuit, random_row,
};

use crate::{assert_near, batch, bits, executable, flat, widen};

fn check_value<E: Number>(seeds: std::ops::Range<u64>, tolerance: f64) {
    for seed in seeds {
        let circuit = random_circuit(seed, &CircuitOptions::default());
        let rows: Vec<Vec<f64>> = (0..40)
            .map(|row| random_row(&circuit, seed * 100 + row, &RowOptions::default()))
            .filter(|row| {
                !matches!(circuit.normalisation, Some(Normalisation::SampleWise { .. }))
                    || row.iter().any(|x| !x.is_nan())
            })
            .collect();
        let values = flat::<E>(&rows);
        let executable = executable::<E>(&circuit, 2);
        let found = executable.mpe(batch(&circuit, &values), Statistics::Observed).unwrap();
        let completed = widen(&found.values);
        for ((row, value), completed) in rows
            .iter()
            .zip(widen(&found.log_values))
            .zip(completed.chunks_exact(circuit.variables as usize))
        {
            assert_near(value, max_product(&circuit, row, None), tolerance, "max-product");
            let kept = row.iter().zip(completed).all(|(x, y)| x.is_nan() || x == y);
            assert!(kept, "{row:?} {completed:?}");
            // The completion has the best tree's value and perhaps more; normalisation of a row by itself
            // changes with what is filled in.
            let by_itself = matches!(circuit.normalisation, Some(Normalisation::SampleWise { .. }));
            if value.is_finite() && !by_itself {
                let whole = log_likelihood(&circuit, completed, None);
                let allowed = tolerance * 10.0 * value.abs().max(1.0);
                assert!(whole >= value - allowed, "seed {seed}: {whole} below {value}");
            }
        }
    }
}

#[test]
fn the_value_is_that_of_the_specification() {
    check_value::<f64>(0..150, 1e-9);
    check_value::<f32>(0..60, 2e-4);
}

#[test]
fn on_deterministic_circuits_no_completion_is_more_probable() {
    let mut checked = 0;
    for seed in 0..150 {
        let circuit = deterministic_circuit(seed, 2 + (seed % 4) as u32);
        let executable = executable::<f64>(&circuit, 1);
        assert!(executable.is_deterministic(), "seed {seed}");
        let options = RowOptions { missing: 0.6, all_missing: 0.2, odd_states: 0.0, large: 0.0 };
        let row = random_row(&circuit, seed, &options);
        let values = flat::<f64>(std::slice::from_ref(&row));
        let rows = batch(&circuit, &values);
        let found = executable.mpe(rows, Statistics::Observed).unwrap();
        assert!(found.exact);
        let logs = completions(&circuit, &row).unwrap();
        let logs = logs.iter().map(|row| log_likelihood(&circuit, row, None));
        let best = logs.fold(f64::NEG_INFINITY, f64::max);
        assert_near(found.log_values[0], best, 1e-12, "value");
        if best == f64::NEG_INFINITY {
            assert!(found.values.iter().zip(&row).all(|(x, given)| x.is_nan() || x == given));
            continue;
        }
        assert_near(log_likelihood(&circuit, &found.values, None), best, 1e-12, "completion");
        let samples = executable.sample_given(rows, 50, SampleOptions::default()).unwrap();
        for sample in samples.chunks_exact(circuit.variables as usize) {
            assert!(log_likelihood(&circuit, sample, None) <= best + 1e-12);
        }
        checked += 1;
    }
    assert!(checked > 80, "{checked}");
}

#[test]
fn the_best_completions_are_those_of_enumeration() {
    for seed in 0..120 {
        let circuit = deterministic_circuit(seed, 2 + (seed % 3) as u32);
        let executable = executable::<f64>(&circuit, 2);
        let options = RowOptions { missing: 0.7, all_missing: 0.3, odd_states: 0.0, large: 0.0 };
        let row = random_row(&circuit, seed, &options);
        let values = flat::<f64>(std::slice::from_ref(&row));
        let k = 1 + (seed % 9) as usize;
        let rows = batch(&circuit, &values);
        let found = executable.mpe_best(rows, k, Statistics::Observed).unwrap();
        let mut best: Vec<f64> = completions(&circuit, &row)
            .unwrap()
            .iter()
            .map(|row| log_likelihood(&circuit, row, None))
            .filter(|log| *log > f64::NEG_INFINITY)
            .collect();
        best.sort_by(|a, b| b.total_cmp(a));
        best.resize(k.max(best.len()), f64::NEG_INFINITY);
        let mut different = std::collections::BTreeSet::new();
        let completed = found.values.chunks_exact(circuit.variables as usize);
        for ((value, expected), completion) in found.log_values.iter().zip(&best).zip(completed) {
            assert_near(*value, *expected, 1e-12, "value");
            if *expected > f64::NEG_INFINITY {
                assert_near(log_likelihood(&circuit, completion, None), *expected, 1e-12, "row");
                assert!(different.insert(bits(completion)), "{completion:?} twice");
            } else {
                let kept = completion.iter().zip(&row);
                assert!(kept.clone().all(|(x, y)| x.is_nan() || x == y), "{completion:?}");
            }
        }
        assert_eq!((found.log_values.len(), found.exact), (k, true));
    }
}

#[test]
fn the_best_of_several_is_the_most_probable_one() {
    for seed in 0..60 {
        let circuit = random_circuit(seed, &CircuitOptions::default());
        let observed = RowOptions { missing: 0.4, all_missing: 0.0, ..RowOptions::default() };
        let rows: Vec<Vec<f64>> = (0..20)
            .map(|row| random_row(&circuit, row, &observed))
            .filter(|row| row.iter().any(|x| !x.is_nan()))
            .collect();
        let values = flat::<f64>(&rows);
        let executable = executable::<f64>(&circuit, 2);
        let rows = batch(&circuit, &values);
        let one = executable.mpe(rows, Statistics::Observed).unwrap();
        let several = executable.mpe_best(rows, 4, Statistics::Observed).unwrap();
        for (one, several) in one.log_values.iter().zip(several.log_values.chunks_exact(4)) {
            assert_near(several[0], *one, 1e-9, "value");
            assert!(several.windows(2).all(|pair| pair[0] >= pair[1]), "{several:?}");
        }
    }
}

#[test]
fn mixtures_are_not_taken_for_deterministic() {
    let mut deterministic = 0;
    for seed in 0..100 {
        let circuit = random_circuit(seed, &CircuitOptions::discrete());
        let executable = executable::<f64>(&circuit, 1);
        if !executable.is_deterministic() {
            continue;
        }
        // Where it says so, every complete row has one tree.
        deterministic += 1;
        let free = vec![f64::NAN; circuit.variables as usize];
        for row in completions(&circuit, &free).unwrap() {
            let (sum, best) =
                (log_likelihood(&circuit, &row, None), max_product(&circuit, &row, None));
            assert_near(best, sum, 1e-12, "deterministic");
        }
    }
    assert!((1..80).contains(&deterministic), "{deterministic}");
}

#[test]
fn every_instruction_set_finds_the_same_explanations() {
    for seed in 0..20 {
        let circuit = random_circuit(seed, &CircuitOptions::discrete());
        let options = RowOptions { missing: 0.5, ..RowOptions::default() };
        let rows: Vec<Vec<f64>> = (0..40).map(|row| random_row(&circuit, row, &options)).collect();
        let values = flat::<f32>(&rows);
        let answers = Level::available().into_iter().map(|level| {
            let plan = compile(&circuit, &Options::default()).unwrap();
            let options = ExecutableOptions { level, threads: Some(1) };
            let executable = Executable::<f32>::with_options(plan, options).unwrap();
            executable.mpe(batch(&circuit, &values), Statistics::Observed).unwrap()
        });
        let answers: Vec<_> = answers.collect();
        for other in &answers[1..] {
            // Logarithms of leaves are those of the system, sums of them have one order.
            assert_eq!(bits(&other.log_values), bits(&answers[0].log_values));
            assert_eq!(bits(&other.values), bits(&answers[0].values));
        }
    }
}

#[test]
fn explanations_do_not_depend_on_threads() {
    for seed in 0..20 {
        let circuit = random_circuit(seed, &CircuitOptions::default());
        let observed = RowOptions { missing: 0.3, all_missing: 0.0, ..RowOptions::default() };
        let rows: Vec<Vec<f64>> = (0..100)
            .map(|row| random_row(&circuit, row, &observed))
            .filter(|row| row.iter().any(|x| !x.is_nan()))
            .collect();
        let values = flat::<f32>(&rows);
        let rows = batch(&circuit, &values);
        let answer =
            |threads| executable::<f32>(&circuit, threads).mpe(rows, Statistics::Observed).unwrap();
        let (one, three) = (answer(1), answer(3));
        assert_eq!(bits(&one.values), bits(&three.values));
        assert_eq!(bits(&one.log_values), bits(&three.log_values));
    }
}
