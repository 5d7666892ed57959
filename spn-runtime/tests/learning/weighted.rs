//! Rows count as often as their weights say, missing values not at all, threads do not show.

use proptest::prelude::*;
use spn_compiler::{Options, compile};
use spn_runtime::simd::{Level, Real};
use spn_runtime::{
    CountOptions, Counting, Counts, Executable, ExecutableOptions, Number, QuantityCounts, Rows,
};
use spn_testkit::random::{Sample, circuits_with_rows};
use spn_testkit::{CircuitOptions, RowOptions, compare};

use crate::{RULES, executable, plan, plan_of};

/// All numbers of counts in one list.
fn flat<E: Number>(counts: &Counts<E>) -> Vec<f64> {
    let lists = counts.quantities.iter().flat_map(|counts| match counts {
        QuantityCounts::Unused => vec![],
        QuantityCounts::Weights(uses) | QuantityCounts::Probabilities(uses) => vec![uses],
        QuantityCounts::Location { weight, deviation } => vec![weight, deviation],
        QuantityCounts::Scale { mass, weight, deviation, square } => {
            vec![mass, weight, deviation, square]
        }
    });
    lists.flatten().map(|value| Real::to_f64(*value)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_row_of_weight_2_is_two_rows(
        (sample, rows) in
            circuits_with_rows(CircuitOptions::gentle(), RowOptions::default(), 40)
    ) {
        let executable = executable::<f64>(&plan(&sample.circuit));
        let columns = sample.circuit.variables as usize;
        let weights: Vec<f64> = (0..rows.len()).map(|row| f64::from(row as u32 % 3)).collect();
        let repeated = rows.iter().zip(&weights);
        let repeated: Vec<f64> =
            repeated.flat_map(|(row, &weight)| row.repeat(weight as usize)).collect();
        let once = rows.concat();
        for counting in [Counting::Soft, Counting::HARD] {
            let options = CountOptions { counting, ..CountOptions::default() };
            let weighted = CountOptions { row_weights: Some(&weights), ..options };
            let found = executable.counts(Rows::new(&once, columns).unwrap(), &weighted).unwrap();
            let expected =
                executable.counts(Rows::new(&repeated, columns).unwrap(), &options).unwrap();
            // Ties are broken by the place of a row, so hard counts may differ where there are any.
            if counting == Counting::Soft {
                compare(&flat(&found), &flat(&expected), 1e-10).unwrap();
            }
            let expected = expected.loss * (repeated.len() / columns) as f64 / rows.len() as f64;
            let same = found.loss == expected || (found.loss - expected).abs() < 1e-9 * expected.abs();
            prop_assert!(same, "{} {expected}", found.loss);
        }
    }

    #[test]
    fn counts_do_not_depend_on_threads(
        (sample, rows) in
            circuits_with_rows(CircuitOptions::default(), RowOptions::default(), 300)
    ) {
        check_threads::<f32>(&sample, &rows);
    }
}

fn check_threads<E: Number>(sample: &Sample, rows: &[Vec<f64>]) {
    let options = Options { dropout: true, ..Options::default() };
    let plan = std::sync::Arc::new(compile(&sample.circuit, &options).unwrap());
    let values: Vec<E> = rows.iter().flatten().map(|value| E::from_f64(*value)).collect();
    let rows = Rows::new(&values, sample.circuit.variables as usize).unwrap();
    for counting in RULES {
        let results = [1, 2, 3, 5].map(|threads| {
            let options = ExecutableOptions { level: Level::detect(), threads: Some(threads) };
            let executable = Executable::<E>::with_options(plan.clone(), options).unwrap();
            let options = CountOptions { counting, seed: sample.seed, ..CountOptions::default() };
            let counts = executable.counts(rows, &options).unwrap();
            flat(&counts).into_iter().map(f64::to_bits).collect::<Vec<u64>>()
        });
        for other in &results[1..] {
            assert_eq!(other, &results[0], "{counting:?}");
        }
    }
}

/// Of a row whose second value is missing only the first leaf is counted, by its posterior.
#[test]
fn missing_values_are_not_counted_and_posteriors_are() {
    let plan = plan_of(
        "spn 1
        variables 2
        a = leaf categorical(0) x2 probabilities=[0.2 0.8; 0.6 0.4]
        b = leaf categorical(1) x2 probabilities=[0.5 0.5; 0.9 0.1]
        p = product(a, b)
        s = sum(p) weights=[0.3 0.7]
        root s",
    );
    let executable = executable::<f64>(&plan);
    let values = [1.0, f64::NAN];
    let counts =
        executable.counts(Rows::new(&values, 2).unwrap(), &CountOptions::default()).unwrap();
    let first = 0.3 * 0.8 / (0.3 * 0.8 + 0.7 * 0.4);
    let expected = [0.0, first, 0.0, 1.0 - first, 0.0, 0.0, 0.0, 0.0, first, 1.0 - first];
    compare(&flat(&counts), &expected, 1e-14).unwrap();
}
