//! Scalar programs against the reference evaluator: random circuits of scalars, and circuits made
//! to break linear arithmetic.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use smallvec::SmallVec;
use spn_compiler::{Options, compile};
use spn_ir::random::uniform_at;
use spn_ir::{
    Circuit, CircuitBuilder, Leaf, LeafFamily, LocationScale, NodeId, Origin, Parameter, Slice,
    VariableId,
};
use spn_runtime::simd::{Level, Real};
use spn_runtime::{Executable, ExecutableOptions, Number, Reruns, Rows, StateRows, Statistics};
use spn_testkit::random::circuits_with_rows;
use spn_testkit::{CircuitOptions, RowOptions, compare_each};

fn executable<E: Number>(circuit: &Circuit, level: Level) -> Executable<E> {
    let plan = compile(circuit, &Options::default()).unwrap();
    let options = ExecutableOptions { level, threads: Some(2) };
    Executable::with_options(plan, options).unwrap()
}

/// Compares with the reference on every instruction set; gives the reruns on the best one.
fn check<E: Number>(circuit: &Circuit, rows: &[Vec<f64>], tolerance: f64) -> Reruns {
    let values: Vec<E> = rows.iter().flatten().map(|v| <E as Real>::from_f64(*v)).collect();
    // What the network sees are numbers of this precision.
    let seen = |row: &[f64]| -> Vec<f64> {
        row.iter().map(|v| Real::to_f64(<E as Real>::from_f64(*v))).collect()
    };
    let expected: Vec<f64> =
        rows.iter().map(|row| spn_testkit::log_likelihood(circuit, &seen(row), None)).collect();
    let mut reruns = Reruns::default();
    for level in Level::available() {
        let executable = executable::<E>(circuit, level);
        let rows = Rows::new(&values, circuit.variables as usize).unwrap();
        let actual = executable.log_likelihood(rows).unwrap();
        let actual: Vec<f64> = actual.into_iter().map(Real::to_f64).collect();
        if let Err(difference) = compare_each(&actual, &expected, tolerance) {
            panic!("{level}: {difference}\n{}", executable.plan().scalar_text());
        }
        reruns = executable.reruns();
        let singles = values.chunks_exact(circuit.variables as usize).map(|row| {
            let row = Rows::new(row, circuit.variables as usize).unwrap();
            Real::to_f64(executable.log_likelihood(row).unwrap()[0])
        });
        let singles: Vec<f64> = singles.collect();
        if let Err(difference) = compare_each(&singles, &expected, tolerance) {
            panic!("{level}, single row: {difference}\n{}", executable.plan().scalar_text());
        }
    }
    reruns
}

fn check_both(circuit: &Circuit, rows: &[Vec<f64>]) -> Reruns {
    assert!(compile(circuit, &Options::default()).unwrap().scalar.is_some());
    check::<f64>(circuit, rows, 1e-11);
    check::<f32>(circuit, rows, 1e-5)
}

/// Circuits of scalars whose parameters are numbers of single precision.
fn scalars(options: &CircuitOptions) -> CircuitOptions {
    CircuitOptions { maximum_width: 1, normalisation: false, size: 60, ..options.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn double_precision_agrees(
        (sample, rows) in
            circuits_with_rows(scalars(&CircuitOptions::default()), RowOptions::default(), 37)
    ) {
        check::<f64>(&sample.circuit, &rows, 1e-11);
    }

    // Where parameters are densities' moments, their own rounding can be seen: see the next test.
    #[test]
    fn single_precision_agrees_on_states(
        (sample, rows) in
            circuits_with_rows(scalars(&CircuitOptions::discrete()), RowOptions::default(), 37)
    ) {
        check::<f32>(&sample.circuit, &rows, 1e-5);
    }

    #[test]
    fn single_precision_agrees_with_the_steps(
        (sample, rows) in
            circuits_with_rows(scalars(&CircuitOptions::gentle()), RowOptions::default(), 37)
    ) {
        let values: Vec<f32> = rows.iter().flatten().map(|v| *v as f32).collect();
        for level in Level::available() {
            let executable = executable::<f32>(&sample.circuit, level);
            let rows = Rows::new(&values, sample.circuit.variables as usize).unwrap();
            let joints = executable.class_joints(rows).unwrap();
            let total = |joints: &[f32]| {
                joints.iter().map(|joint| f64::from(*joint).exp()).sum::<f64>().ln()
            };
            let expected: Vec<f64> = joints.chunks_exact(executable.classes()).map(total).collect();
            let actual = executable.log_likelihood(rows).unwrap();
            for (actual, expected) in actual.into_iter().map(f64::from).zip(expected) {
                // Beyond what exponentials of double precision can hold, joints say nothing.
                let close = (actual - expected).abs() <= 1e-5 * expected.abs().max(1.0);
                prop_assert!(close || actual == expected || actual < -700.0, "{level}: {actual} {expected}");
            }
        }
    }

    #[test]
    fn states_are_numbers(
        (sample, rows) in
            circuits_with_rows(scalars(&CircuitOptions::discrete()), RowOptions::default(), 37)
    ) {
        let circuit = &sample.circuit;
        let columns = circuit.variables as usize;
        let states: Vec<u8> = rows.iter().flatten().map(|v| if v.is_nan() { 255 } else { *v as u8 }).collect();
        let numbers: Vec<f32> =
            states.iter().map(|s| if *s == 255 { f32::NAN } else { f32::from(*s) }).collect();
        for level in Level::available() {
            let executable = executable::<f32>(circuit, level);
            let expected = executable.log_likelihood(Rows::new(&numbers, columns).unwrap()).unwrap();
            let mut actual = vec![0.0; rows.len()];
            executable
                .log_likelihood_states(StateRows::new(&states, columns).unwrap(), &mut actual)
                .unwrap();
            prop_assert_eq!(actual, expected);
        }
    }
}

/// A circuit in the making.
struct Maker(CircuitBuilder);

impl Maker {
    fn new(variables: u32) -> Self {
        Self(CircuitBuilder::new(variables))
    }

    fn parameter(&mut self, values: &[f64]) -> Slice {
        let name = format!("p{}", self.0.circuit().parameters.len());
        let values: Vec<f64> = values.iter().map(|v| f64::from(*v as f32)).collect();
        self.0.quantity_of(Parameter::new(name, vec![values.len(), 1], values)).at(0)
    }

    fn bernoulli(&mut self, variable: u32, p: f64) -> NodeId {
        // Exactly representable, so that both precisions see the same distribution.
        let p = (p * 1024.0).round() / 1024.0;
        let table = self.parameter(&[1.0 - p, p]);
        self.0.categorical(variable, 2, 1, table, Origin::Unknown).unwrap()
    }

    fn normal(&mut self, variable: u32, mean: f64, deviation: f64) -> NodeId {
        let (location, scale) = (self.parameter(&[mean]), self.parameter(&[deviation]));
        let density = LocationScale::Normal;
        let family = LeafFamily::LocationScale { density, location, scale };
        let variables = SmallVec::from_slice(&[VariableId(variable)]);
        self.0.leaf(Leaf { family, variables }, 1, Origin::Unknown).unwrap()
    }

    fn product(&mut self, children: &[NodeId]) -> NodeId {
        self.0.element_wise(children, Origin::Unknown).unwrap()
    }

    fn sum(&mut self, children: &[NodeId], weights: &[f64]) -> NodeId {
        let weights = self.parameter(weights);
        self.0.sum(children, 1, weights, Origin::Unknown).unwrap()
    }

    fn finish(self, root: NodeId) -> Circuit {
        self.0.finish(root).unwrap()
    }
}

/// Number `index` of a stream of numbers from 0 to 1.
fn number(stream: u64, index: usize) -> f64 {
    uniform_at(stream, 0, 0, index as u64)
}

/// A mixture of two products of Bernoulli leaves, with probabilities from `least` on.
fn bernoullis(variables: u32, least: f64) -> Circuit {
    let mut maker = Maker::new(variables);
    let products: Vec<NodeId> = (0..2)
        .map(|which| {
            let leaves: Vec<NodeId> = (0..variables)
                .map(|v| {
                    let p = least + (1.0 - 2.0 * least) * number(which, v as usize);
                    maker.bernoulli(v, p)
                })
                .collect();
            maker.product(&leaves)
        })
        .collect();
    let root = maker.sum(&products, &[0.25, 0.75]);
    maker.finish(root)
}

fn bits(rows: usize, columns: usize) -> Vec<Vec<f64>> {
    let bit = |row: usize, column: usize| number(9, row * columns + column).round();
    (0..rows).map(|row| (0..columns).map(|column| bit(row, column)).collect()).collect()
}

#[test]
fn gentle_circuits_need_no_reruns() {
    let rows = bits(300, 20);
    assert_eq!(check_both(&bernoullis(20, 0.1), &rows), Reruns::default());
}

#[test]
fn a_thousand_variables_are_run_again_in_double_precision() {
    let reruns = check_both(&bernoullis(1000, 0.1), &bits(200, 1000));
    assert_eq!((reruns.double, reruns.logarithmic), (200, 0));
}

#[test]
fn five_thousand_variables_are_run_again_in_log_space() {
    let reruns = check_both(&bernoullis(5000, 0.1), &bits(20, 5000));
    assert_eq!((reruns.double, reruns.logarithmic), (20, 20));
}

/// A mixture of two normals of each variable: `(mean, deviation)` of the first and the second.
fn normals(variables: u32, shapes: [(f64, f64); 2], weights: [f64; 2]) -> Circuit {
    let mut maker = Maker::new(variables);
    let products = shapes.map(|(mean, deviation)| {
        let leaves: Vec<NodeId> =
            (0..variables).map(|v| maker.normal(v, mean, deviation)).collect();
        maker.product(&leaves)
    });
    let root = maker.sum(&products, &weights);
    maker.finish(root)
}

#[test]
fn children_far_apart_keep_their_own_rows() {
    // Each child is e^300 times as likely as the other one at its mean.
    let circuit = normals(6, [(0.0, 1.0), (10.0, 1.0)], [0.5, 0.5]);
    let rows: Vec<Vec<f64>> =
        [0.0, 10.0, 5.0, 4.0, 20.0, -30.0, 1e6, -1e9].map(|x| vec![x; 6]).to_vec();
    let reruns = check_both(&circuit, &rows);
    // The last four are too far from both for single precision, three of them for any.
    assert_eq!((reruns.double, reruns.logarithmic), (4, 3));
}

#[test]
fn deviations_may_be_tiny_or_huge() {
    let small = 0.5_f64.powi(20);
    let circuit = normals(40, [(1.0, 1e-6), (0.0, 1e6)], [1.0 - small, small]);
    let exact = f64::from(1.0 + 2.0_f32.powi(-20));
    let rows = [1.0, exact, 0.0, 1.5, 1e5, f64::NAN].map(|x| vec![x; 40]).to_vec();
    check_both(&circuit, &rows);
    let mut part = rows.clone();
    part.iter_mut().flat_map(|row| &mut row[10..]).for_each(|value| *value = f64::NAN);
    check_both(&circuit, &part);
}

/// Deterministic sums over a chain of variables, weights of zero, leaves of probability 0.
fn deterministic(variables: u32) -> Circuit {
    let mut maker = Maker::new(variables);
    let mut below = maker.bernoulli(0, 0.25);
    for variable in 1..variables {
        let never = maker.bernoulli(variable, 0.0);
        let ever = maker.bernoulli(variable, 1.0);
        let products = [never, ever].map(|leaf| maker.product(&[leaf, below]));
        let weight = number(5, variable as usize).round();
        below = maker.sum(&products, &[weight, 1.0 - weight]);
    }
    maker.finish(below)
}

#[test]
fn impossible_evidence_is_minus_infinity() {
    let circuit = deterministic(12);
    let mut rows = bits(60, 12);
    let possible: Vec<f64> =
        (0..12).map(|v| if v == 0 { 1.0 } else { 1.0 - number(5, v).round() }).collect();
    let mut partly = possible.clone();
    partly[3] = f64::NAN;
    rows.extend([possible, partly, vec![7.0; 12], vec![f64::NAN; 12]]);
    check_both(&circuit, &rows);
    let values: Vec<f32> = rows.iter().flatten().map(|v| *v as f32).collect();
    let executable = executable::<f32>(&circuit, Level::detect());
    let result = executable.log_likelihood(Rows::new(&values, 12).unwrap()).unwrap();
    assert_eq!(result[rows.len() - 2], f32::NEG_INFINITY);
    assert_eq!(result[rows.len() - 1], 0.0);
    assert!(result.iter().filter(|value| value.is_finite()).count() >= 3);
}

#[test]
fn results_depend_on_the_row_alone() {
    let circuit = normals(7, [(0.0, 1.0), (3.0, 0.5)], [0.5, 0.5]);
    let cell = |row: usize, column: usize| match (row * 7 + column) % 11 {
        3 if row.is_multiple_of(3) => f32::NAN,
        _ => {
            (6.0 * number(3, row * 7 + column) - 2.0) as f32
                * if row.is_multiple_of(5) { 9.0 } else { 1.0 }
        }
    };
    let values: Vec<f32> =
        (0..1500).flat_map(|row| (0..7).map(move |column| cell(row, column))).collect();
    for level in Level::available() {
        let executable = executable::<f32>(&circuit, level);
        let all = executable.log_likelihood(Rows::new(&values, 7).unwrap()).unwrap();
        for (first, count) in [(0, 2), (7, 100), (700, 513), (1497, 3)] {
            let part = Rows::new(&values[first * 7..(first + count) * 7], 7).unwrap();
            let part = executable.log_likelihood(part).unwrap();
            assert_eq!(part, all[first..first + count], "{level}, from row {first}");
        }
        // A single row is computed in another order.
        for row in 0..200 {
            let one = Rows::new(&values[row * 7..(row + 1) * 7], 7).unwrap();
            let one = executable.log_likelihood(one).unwrap()[0];
            assert!((one - all[row]).abs() <= 1e-5 * all[row].abs().max(1.0), "{level}: {row}");
        }
    }
}

#[test]
fn masks_and_changed_parameters_are_seen() {
    let circuit = bernoullis(9, 0.1);
    let mut executable = executable::<f32>(&circuit, Level::detect());
    let values: Vec<f32> = bits(70, 9).iter().flatten().map(|v| *v as f32).collect();
    let mask: Vec<bool> = (0..values.len()).map(|index| index % 4 != 0 || index < 90).collect();
    let holes: Vec<f32> =
        values.iter().zip(&mask).map(|(v, m)| if *m { *v } else { f32::NAN }).collect();
    let masked = Rows::new(&values, 9).unwrap().with_mask(&mask).unwrap();
    let expected = executable.log_likelihood(Rows::new(&holes, 9).unwrap()).unwrap();
    assert_eq!(executable.log_likelihood(masked).unwrap(), expected);
    // Weights far above 1 add their logarithm.
    executable.update(|parameters| {
        parameters.last_mut().unwrap().iter_mut().for_each(|weight| *weight *= 1e20);
    });
    let changed = executable.log_likelihood(masked).unwrap();
    for (changed, expected) in changed.iter().zip(&expected) {
        assert!((changed - expected - 1e20_f32.ln()).abs() < 1e-5 * changed.abs());
    }
    let none = Rows::new(&[], 9).unwrap();
    executable.log_likelihood_into(none, Statistics::Observed, &mut []).unwrap();
}
