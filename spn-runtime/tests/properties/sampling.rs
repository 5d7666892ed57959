//! Where inputs are drawn, expectations are those of the specification: mean uses and flows over
//! many copies of one row, within what Bernstein's inequality leaves to chance.

use std::cell::Cell;

use proptest::test_runner::TestRunner;
use spn_compiler::Options;
use spn_compiler::simplify::{self, Simplified};
use spn_ir::{Circuit, NodeKind};
use spn_runtime::{CountOptions, Counting, FlowOptions, Number, QuantityCounts, Rows};
use spn_testkit::random::circuits_with_rows;
use spn_testkit::{CircuitOptions, Counts, EvaluateOptions, RowOptions, Target, count};

use crate::counts::kept_nodes;
use crate::{batch, cases, executable, widen};

/// Copies of a row.
const COPIES: usize = 40_000;

/// How probable it is at most that one correct mean is further off than allowed. A run compares a
/// few thousand.
const CHANCE: f64 = 1e-10;

/// The rules with what specifies their expectations.
const RULES: [(Counting, spn_testkit::Counting); 4] = [
    (Counting::SAMPLED, spn_testkit::Counting::Soft),
    (Counting::Hard { sample_probability: 0.3 }, drawn(true, 0.3)),
    (Counting::UnweightedHard { sample_probability: 0.6 }, drawn(false, 0.6)),
    (Counting::UnweightedHard { sample_probability: 1.0 }, drawn(false, 1.0)),
];

const fn drawn(weighted: bool, probability: f64) -> spn_testkit::Counting {
    spn_testkit::Counting::Drawn { weighted, probability }
}

/// The mean of `COPIES` independent numbers from 0 to `most` is further from their expectation
/// with probability [`CHANCE`] at most (Bernstein's inequality; the variance is at most
/// `expectation · (most - expectation)`).
fn deviation(expectation: f64, most: f64) -> f64 {
    let share = (2.0 / CHANCE).ln() / COPIES as f64;
    let range = most * share / 3.0;
    let variance = (expectation * (most - expectation)).max(0.0);
    range + (range * range + 2.0 * variance * share).sqrt()
}

fn assert_expected(mean: f64, expectation: f64, most: f64) {
    // Posteriors and sums are rounded.
    let allowed = deviation(expectation, most) + 1e-4;
    let error = (mean - expectation).abs();
    assert!(error <= allowed, "{mean} instead of {expectation}: not within {allowed}");
}

/// How many nodes read each quantity as weights: as often can one induced tree use one of them.
fn readers(circuit: &Circuit) -> Vec<usize> {
    let mut readers = vec![0; circuit.quantities.len()];
    for node in &circuit.nodes {
        if let NodeKind::Sum(sum) = &node.kind {
            readers[sum.weights.quantity.index()] += 1;
        }
    }
    readers
}

/// Compares the uses of weights.
fn check_counts<E: Number>(
    circuit: &Circuit,
    rows: Rows<'_, E>,
    rule: Counting,
    expected: &Counts,
) {
    let executable = executable::<E>(circuit, &Options::default(), 2);
    let options = CountOptions { counting: rule, seed: 5, ..CountOptions::default() };
    let counts = executable.counts(rows, &options).unwrap();
    let expectations = counts.quantities.iter().zip(&expected.quantities).zip(readers(circuit));
    for (quantity, ((counts, expected), readers)) in circuit.quantities.iter().zip(expectations) {
        let trained = quantity.is_trainable(&circuit.parameters);
        if let (QuantityCounts::Weights(uses), true) = (counts, trained) {
            for (uses, expected) in widen(uses).into_iter().zip(&expected.uses) {
                assert_expected(uses / COPIES as f64, *expected, readers as f64);
            }
        }
    }
}

/// Compares the flows of all nodes of the simplified circuit but constants.
fn check_flows<E: Number>(
    circuit: &Circuit,
    rows: Rows<'_, E>,
    rule: Counting,
    Simplified { circuit: simplified, outputs }: &Simplified,
    expected: &Counts,
) {
    let kept = Options { outputs: kept_nodes(circuit), ..Options::default() };
    let executable = executable::<E>(circuit, &kept, 2);
    let options = FlowOptions { counting: rule, seed: 6, ..FlowOptions::default() };
    let flows = widen(&executable.output_flows(rows, options).unwrap());
    let units = flows.len() / COPIES;
    let expected = outputs.iter().flat_map(|&id| {
        let constant = simplified.scope(id).is_empty();
        expected.flows[id.index()].iter().map(move |flow| (*flow, constant))
    });
    for (unit, (expected, constant)) in expected.enumerate() {
        if !constant {
            let total: f64 = flows.iter().skip(unit).step_by(units).sum();
            assert_expected(total / COPIES as f64, expected, 1.0);
        }
    }
}

/// Whether the rule was compared: not where a winner is too close.
fn check<E: Number>(
    circuit: &Circuit,
    row: &[f64],
    (rule, specification): (Counting, spn_testkit::Counting),
) -> bool {
    let kept = Options { outputs: kept_nodes(circuit), ..Options::default() };
    let simplified = simplify::run(circuit, &kept);
    let options = EvaluateOptions::default();
    let target = Target::Generative;
    let expected = count(&simplified.circuit, row, None, specification, target, &options);
    if expected.margin < 1e-4 {
        return false;
    }
    let values: Vec<E> = row.iter().map(|value| E::from_f64(*value)).collect();
    let values = values.repeat(COPIES);
    let rows = batch(circuit, &values);
    check_counts(circuit, rows, rule, &expected);
    check_flows(circuit, rows, rule, &simplified, &expected);
    true
}

#[test]
fn drawn_inputs_are_used_as_often_as_expected() {
    let circuits = CircuitOptions { size: 12, maximum_width: 4, ..CircuitOptions::gentle() };
    let rows = RowOptions { odd_states: 0.0, large: 0.0, ..RowOptions::default() };
    let compared = [const { Cell::new(0) }; 4];
    TestRunner::new(cases(24))
        .run(&circuits_with_rows(circuits, rows, 1), |(sample, rows)| {
            for (rule, compared) in RULES.into_iter().zip(&compared) {
                let double = check::<f64>(&sample.circuit, &rows[0], rule);
                let single = check::<f32>(&sample.circuit, &rows[0], rule);
                compared.set(compared.get() + usize::from(double && single));
            }
            Ok(())
        })
        .unwrap();

    assert!(compared.iter().all(|compared| compared.get() > 2), "{compared:?}");
}
