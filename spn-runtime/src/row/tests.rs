//! Whatever the size of a batch and however it is run, its values are those of the reference; a row's
//! values do not depend on which others run alone with it, nor on threads.

use proptest::prelude::*;
use spn_compiler::{Options, compile};
use spn_ir::{Circuit, NodeId};
use spn_testkit::random::{Sample, circuits_with_rows};
use spn_testkit::{CircuitOptions, RowOptions, compare_each};

use super::MAX_ROWS;
use crate::simd::{Level, Real};
use crate::{Executable, ExecutableOptions, Number, Rows, Statistics};

/// A configuration without files of failures.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
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

/// The compiled circuit, which runs batches of up to `limit` rows as single rows.
/// Without scalar programs, which would take rows of scalar circuits before they come here and have
/// another order of sums for one row than for several.
fn executable<E: Number>(
    circuit: &Circuit,
    outputs: Vec<NodeId>,
    (level, threads): (Level, usize),
    limit: usize,
) -> Executable<E> {
    let mut plan = compile(circuit, &Options { outputs, ..Options::default() }).unwrap();
    (plan.scalar, plan.scalar_row) = (None, None);
    let options = ExecutableOptions { level, threads: Some(threads) };
    let mut executable = Executable::with_options(plan, options).unwrap();
    executable.row_limit = limit;
    executable
}

/// The most rows of a batch: more than are run alone, and a tile with a single row behind it.
const ROWS: usize = 17;

/// Batch sizes on both sides of the largest limit.
const SIZES: [usize; 11] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, ROWS];

/// What is expected of each row: values of all nodes, joints, log-likelihood.
fn expected(sample: &Sample, rows: &[Vec<f64>]) -> Vec<[Vec<f64>; 3]> {
    let circuit = &sample.circuit;
    let expected = rows.iter().map(|row| {
        let values = spn_testkit::evaluate(circuit, row, None);
        let all = all_nodes(circuit).iter().flat_map(|id| values[id.index()].clone()).collect();
        let joints = spn_testkit::root_joints(circuit, row, None);
        [all, joints, vec![values[circuit.root.index()][0]]]
    });
    expected.collect()
}

fn check<E: Number>(sample: &Sample, rows: &[Vec<f64>], tolerance: f64) {
    let circuit = &sample.circuit;
    let columns = circuit.variables as usize;
    let values = flat::<E>(rows);
    let expected = expected(sample, rows);
    // As single rows, and as tiles.
    for (level, limit) in Level::available().into_iter().flat_map(|l| [(l, MAX_ROWS), (l, 0)]) {
        let all = executable::<E>(circuit, all_nodes(circuit), (level, 1), limit);
        let fused = executable::<E>(circuit, Vec::new(), (level, 1), limit);
        for size in SIZES {
            let part = batch(circuit, &values[..size * columns]);
            let results = [
                all.output_values(part, Statistics::Observed).unwrap(),
                fused.class_joints(part).unwrap(),
                fused.log_likelihood(part).unwrap(),
            ];
            for (index, results) in results.iter().enumerate() {
                let expected: Vec<f64> =
                    expected[..size].iter().flat_map(|row| row[index].clone()).collect();
                compare_each(&widen(results), &expected, tolerance).unwrap();
            }
        }
    }
}

/// Joints and log-likelihoods of the first rows, bit by bit.
fn few<E: Number>(sample: &Sample, executable: &Executable<E>, values: &[E]) -> [Vec<u64>; 2] {
    let rows = batch(&sample.circuit, values);
    let joints = executable.class_joints(rows).unwrap();
    [bits(&joints), bits(&executable.log_likelihood(rows).unwrap())]
}

fn check_independence<E: Number>(sample: &Sample, rows: &[Vec<f64>]) {
    let columns = sample.circuit.variables as usize;
    let values = flat::<E>(rows);
    let on = |threads| {
        executable::<E>(&sample.circuit, Vec::new(), (Level::detect(), threads), MAX_ROWS)
    };
    let [one, two, three] = [1, 2, 3].map(on);
    let alone: Vec<_> = values.chunks_exact(columns).map(|row| few(sample, &one, row)).collect();
    for size in 1..=MAX_ROWS {
        let values = &values[..size * columns];
        let together = few(sample, &one, values);
        let joined = [0, 1].map(|index| {
            alone[..size].iter().flat_map(|row| row[index].clone()).collect::<Vec<u64>>()
        });
        assert_eq!(together, joined, "{size} rows together");
        for other in [&two, &three] {
            assert_eq!(together, few(sample, other, values), "{size} rows on several threads");
        }
    }
}

/// A normalised network gives a row without evidence exactly log 1.
fn check_nothing_observed<E: Number>(sample: &Sample) {
    let values = vec![E::nan(); sample.circuit.variables as usize * 3];
    for level in Level::available() {
        let executable = executable::<E>(&sample.circuit, Vec::new(), (level, 1), MAX_ROWS);
        let likelihoods = executable.log_likelihood(batch(&sample.circuit, &values)).unwrap();
        assert_eq!(widen(&likelihoods), [0.0; 3]);
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn every_batch_size_agrees_in_double_precision(
        (sample, rows) in circuits_with_rows(CircuitOptions::default(), RowOptions::default(), ROWS)
    ) {
        check::<f64>(&sample, &rows, 1e-12);
    }

    #[test]
    fn every_batch_size_agrees_in_single_precision(
        (sample, rows) in circuits_with_rows(
            // Some weights are 0: where the likeliest input has such a weight, the sum is taken in
            // log space.
            CircuitOptions { extreme: false, ..CircuitOptions::default() },
            RowOptions::default(),
            ROWS,
        )
    ) {
        check::<f32>(&sample, &rows, 1e-5);
    }

    #[test]
    fn every_batch_size_agrees_for_discrete_circuits(
        // Weights that single precision can hold: their logarithms are parameters.
        (sample, rows) in circuits_with_rows(
            CircuitOptions { extreme: false, ..CircuitOptions::discrete() },
            RowOptions { odd_states: 0.2, ..RowOptions::default() },
            ROWS,
        )
    ) {
        check::<f64>(&sample, &rows, 1e-12);
        check::<f32>(&sample, &rows, 1e-5);
    }

    #[test]
    fn few_rows_do_not_depend_on_each_other_nor_on_threads(
        (sample, rows) in circuits_with_rows(CircuitOptions::default(), RowOptions::default(), MAX_ROWS)
    ) {
        check_independence::<f64>(&sample, &rows);
        check_independence::<f32>(&sample, &rows);
    }

    #[test]
    fn nothing_observed_is_exactly_log_one(
        (sample, _) in circuits_with_rows(CircuitOptions::default(), RowOptions::default(), 1)
    ) {
        check_nothing_observed::<f64>(&sample);
        check_nothing_observed::<f32>(&sample);
    }
}
