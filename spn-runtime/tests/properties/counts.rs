//! What expectation maximisation counts is what its specification counts, by every rule: uses of
//! weights and states, statistics of leaves, flows of all nodes. In both precisions, on every
//! instruction set, fused and with every node kept, with labels and with dropout masks. Weights that
//! do not change may be simplified away, so only trainable quantities are compared.
//!
//! Rounding may let another input win where two are almost equal. So rows whose closest winner is
//! closer than a bound are left out, and few may be.

use std::cell::Cell;

use proptest::test_runner::TestRunner;
use spn_compiler::simplify::{self, Simplified};
use spn_compiler::{Options, compile};
use spn_ir::{Circuit, NodeId, NodeKind};
use spn_runtime::learn::Objective;
use spn_runtime::simd::Level;
use spn_runtime::{
    CountOptions, Counting, Dropping, Executable, ExecutableOptions, FlowOptions, Number,
    QuantityCounts,
};
use spn_testkit::random::{Sample, circuits_with_rows};
use spn_testkit::{CircuitOptions, RowOptions, Target, compare_each, count, root_joints};

use crate::dropout::{keeps, masks};
use crate::{all_nodes, batch, cases, flat, widen};

/// The rules with what specifies them.
const RULES: [(Counting, spn_testkit::Counting); 3] = [
    (Counting::Soft, spn_testkit::Counting::Soft),
    (Counting::HARD, spn_testkit::Counting::Hard),
    (Counting::UNWEIGHTED_HARD, spn_testkit::Counting::UnweightedHard),
];

/// How exact a precision is.
#[derive(Clone, Copy)]
struct Bounds {
    /// Relative to the sum of the rows' magnitudes.
    error: f64,
    /// The smallest margin of winners, in nats.
    margin: f64,
}

const DOUBLE: Bounds = Bounds { error: 1e-11, margin: 1e-9 };
const SINGLE: Bounds = Bounds { error: 1e-3, margin: 1e-4 };

/// The shares of rows that are compared at least. Missing values make unweighted ties.
const LEAST: [f64; 3] = [1.0, 0.98, 0.5];

/// What is counted: a circuit, rows, a rule, labels or none, masks or none.
#[derive(Clone, Copy)]
struct Question<'a> {
    circuit: &'a Circuit,
    rows: &'a [Vec<f64>],
    counting: (Counting, spn_testkit::Counting),
    labels: Option<&'a [u32]>,
    /// The seed of dropout masks.
    masks: Option<u64>,
}

/// The specification's answer about the rows that are not left out.
struct Answer {
    /// Their numbers.
    rows: Vec<usize>,
    /// For each quantity its lists.
    quantities: Vec<[Total; 7]>,
    /// For each row the flows of all nodes.
    flows: Vec<Vec<Vec<f64>>>,
}

/// A list summed over rows.
#[derive(Clone, Default)]
struct Total {
    sums: Vec<f64>,
    /// The sum of the rows' largest magnitudes.
    magnitude: f64,
}

impl Question<'_> {
    fn answer(&self, margin: f64) -> Answer {
        let quantities = vec![<[Total; 7]>::default(); self.circuit.quantities.len()];
        let mut answer = Answer { rows: Vec::new(), quantities, flows: Vec::new() };
        for (index, row) in self.rows.iter().enumerate() {
            let label = |labels: &[u32]| Target::Joint { label: labels[index] as usize };
            let target = self.labels.map_or(Target::Generative, label);
            let masks = self.masks.map(|seed| masks(self.circuit, seed, index));
            let options = masks.unwrap_or_default();
            let counts = count(self.circuit, row, None, self.counting.1, target, &options);
            if counts.margin < margin {
                continue;
            }
            answer.rows.push(index);
            answer.flows.push(counts.flows);
            for (totals, counts) in answer.quantities.iter_mut().zip(&counts.quantities) {
                for (total, list) in totals.iter_mut().zip(counts.lists()) {
                    total.add(list);
                }
            }
        }
        answer
    }
}

impl Total {
    fn add(&mut self, list: &[f64]) {
        self.sums.resize(list.len(), 0.0);
        self.sums.iter_mut().zip(list).for_each(|(sum, value)| *sum += value);
        self.magnitude += list.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    }

    /// Errors are relative to the magnitude, but not below a millionth: what is smaller than that
    /// is made of posteriors that single precision may flush to 0.
    fn assert_close(&self, actual: &[f64], tolerance: f64) {
        let magnitude = self.magnitude.max(1e-6);
        let scaled =
            |values: &[f64]| -> Vec<f64> { values.iter().map(|v| v / magnitude).collect() };
        compare_each(&scaled(actual), &scaled(&self.sums), tolerance).unwrap();
    }
}

/// The lists of a quantity, with the specification's numbers of them.
fn lists<E: Number>(counts: &QuantityCounts<E>) -> Vec<(usize, Vec<f64>)> {
    let lists = match counts {
        QuantityCounts::Unused => vec![],
        QuantityCounts::Weights(uses) | QuantityCounts::Probabilities(uses) => vec![(0, uses)],
        QuantityCounts::Location { weight, deviation } => vec![(1, weight), (2, deviation)],
        QuantityCounts::Scale { mass, weight, deviation, square } => {
            vec![(3, mass), (4, weight), (5, deviation), (6, square)]
        }
    };
    lists.into_iter().map(|(number, list)| (number, widen(list))).collect()
}

fn executable<E: Number>(circuit: &Circuit, options: &Options, level: Level) -> Executable<E> {
    let plan = compile(circuit, options).unwrap();
    let options = ExecutableOptions { level, threads: Some(2) };
    Executable::with_options(plan, options).unwrap()
}

/// The nodes that are kept: all but a sum at the root, whose joints are what is counted.
pub(crate) fn kept_nodes(circuit: &Circuit) -> Vec<NodeId> {
    let mut nodes = all_nodes(circuit);
    let is_sum = matches!(circuit.node(circuit.root).kind, NodeKind::Sum(_));
    nodes.retain(|node| !is_sum || *node != circuit.root);
    nodes
}

fn check_counts<E: Number>(question: &Question<'_>, bounds: Bounds) -> usize {
    let circuit = question.circuit;
    let answer = question.answer(bounds.margin);
    if answer.rows.is_empty() {
        return 0;
    }
    let rows: Vec<Vec<f64>> = answer.rows.iter().map(|row| question.rows[*row].clone()).collect();
    let values = flat::<E>(&rows);
    let labels: Option<Vec<u32>> =
        question.labels.map(|labels| answer.rows.iter().map(|row| labels[*row]).collect());
    let seed = question.masks.unwrap_or_default();
    let keep = |stream: u32, row: usize, unit: u32| keeps(seed, stream, answer.rows[row], unit);
    let options = CountOptions {
        counting: question.counting.0,
        objective: if labels.is_some() { Objective::Joint } else { Objective::Generative },
        labels: labels.as_deref(),
        dropping: if question.masks.is_some() { Dropping::Given(&keep) } else { Dropping::Off },
        ..CountOptions::default()
    };
    let dropout = question.masks.is_some();
    let fused = Options { dropout, ..Options::default() };
    let kept = Options { outputs: kept_nodes(circuit), ..fused.clone() };
    for level in Level::available() {
        for way in [&fused, &kept] {
            let executable = executable::<E>(circuit, way, level);
            let counts = executable.counts(batch(circuit, &values), &options).unwrap();
            let pairs = counts.quantities.iter().zip(&answer.quantities);
            for (quantity, (actual, expected)) in circuit.quantities.iter().zip(pairs) {
                if !quantity.is_trainable(&circuit.parameters) {
                    continue;
                }
                let mut used = [false; 7];
                for (number, actual) in lists(actual) {
                    expected[number].assert_close(&actual, bounds.error);
                    used[number] = true;
                }
                for (total, _) in expected.iter().zip(used).filter(|(_, used)| !used) {
                    assert_eq!(total.magnitude, 0.0);
                }
            }
        }
    }
    answer.rows.len()
}

/// Flows of the simplified circuit: equal nodes are one there, whose flow is that of all of them.
fn check_flows<E: Number>(question: &Question<'_>, bounds: Bounds) {
    let circuit = question.circuit;
    let kept = Options { outputs: kept_nodes(circuit), ..Options::default() };
    let Simplified { circuit: simplified, outputs } = simplify::run(circuit, &kept);
    let answer = Question { circuit: &simplified, ..*question }.answer(bounds.margin);
    let expected =
        answer.flows.iter().flat_map(|flows| outputs.iter().map(|id| &flows[id.index()]));
    let expected: Vec<f64> = expected.flatten().copied().collect();
    if expected.is_empty() {
        return;
    }
    let rows: Vec<Vec<f64>> = answer.rows.iter().map(|row| question.rows[*row].clone()).collect();
    let values = flat::<E>(&rows);
    for level in Level::available() {
        let executable = executable::<E>(circuit, &kept, level);
        let options = FlowOptions { counting: question.counting.0, ..FlowOptions::default() };
        let actual = executable.output_flows(batch(circuit, &values), options).unwrap();
        compare_each(&widen(&actual), &expected, bounds.error).unwrap();
    }
}

/// How many rows each rule was asked about, and how many were compared.
type Shares = [Cell<(usize, usize)>; 3];

fn check<E: Number>(sample: &Sample, rows: &[Vec<f64>], bounds: Bounds, shares: &Shares) {
    let circuit = &sample.circuit;
    let classes = root_joints(circuit, &rows[0], None).len();
    let labels: Vec<u32> = (0..rows.len()).map(|row| (row % classes) as u32).collect();
    for (counting, share) in RULES.into_iter().zip(shares) {
        let plain = Question { circuit, rows, counting, labels: None, masks: None };
        let labelled = Question { labels: Some(&labels), ..plain };
        let masked = Question { masks: Some(sample.seed), ..plain };
        let questions = [plain, labelled, masked];
        let compared = questions.map(|question| check_counts::<E>(&question, bounds));
        check_flows::<E>(&plain, bounds);
        let (asked, answered) = share.get();
        share.set((asked + 3 * rows.len(), answered + compared.iter().sum::<usize>()));
    }
}

fn run<E: Number>(circuits: CircuitOptions, bounds: Bounds) {
    let shares = Shares::default();
    let rows = RowOptions { large: 0.0, ..RowOptions::default() };
    TestRunner::new(cases(80))
        .run(&circuits_with_rows(circuits, rows, 19), |(sample, rows)| {
            check::<E>(&sample, &rows, bounds, &shares);
            Ok(())
        })
        .unwrap();
    for (share, least) in shares.iter().zip(LEAST) {
        let (asked, answered) = share.get();
        assert!(answered as f64 >= least * asked as f64, "{shares:?}");
    }
}

#[test]
fn counts_are_those_of_the_specification() {
    let circuits = CircuitOptions { extreme: false, ..CircuitOptions::default() };
    run::<f64>(circuits, DOUBLE);
}

#[test]
fn counts_are_those_of_the_specification_in_single_precision() {
    run::<f32>(CircuitOptions::gentle(), SINGLE);
}

/// A location of moments with a scale of its own, which random circuits do not have: the leaf is
/// counted by moments as a whole.
#[test]
fn leaves_that_are_partly_moments_are_counted_by_moments() {
    let circuit = spn_ir::text::parse(
        "spn 1
        variables 1
        parameter n [2 1] = [1 6]
        parameter d [2 1] = [1 2]
        quantity m [2 1] = ratio(n, d)
        a = leaf cauchy(0) x2 location=m scale=[0.5 2]
        s = sum(a) weights=[0.3 0.7]
        root s",
    )
    .unwrap();
    let rows: Vec<Vec<f64>> = (0..20).map(|row| vec![f64::from(row) * 0.5 - 3.0]).collect();
    let question =
        Question { circuit: &circuit, rows: &rows, counting: RULES[0], labels: None, masks: None };
    assert_eq!(check_counts::<f64>(&question, DOUBLE), rows.len());
}
