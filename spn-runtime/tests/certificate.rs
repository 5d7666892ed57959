//! Scaled linear arithmetic on networks made to break it: single precision stays within 1e-5 of
//! the reference evaluator, because tiles whose results are not certain run again in log space.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;

use spn_compiler::{Options, compile};
use spn_ir::{Circuit, text};
use spn_runtime::simd::Level;
use spn_runtime::{Executable, ExecutableOptions, GradientOptions, Number, Rows};
use spn_testkit::compare_each;

/// More rows than are run one by one.
const COPIES: usize = 24;

/// Compares log-likelihoods, joints and the loss of a batch with the reference on every
/// instruction set; gives how many rows ran again at least once.
fn check(circuit: &Circuit, rows: &[Vec<f64>]) -> u64 {
    let plan = compile(circuit, &Options::default()).unwrap();
    let rows: Vec<Vec<f64>> = rows.iter().cycle().take(rows.len() * COPIES).cloned().collect();
    let mut most = 0;
    for level in Level::available() {
        let options = ExecutableOptions { level, threads: Some(1) };
        let single = Executable::<f32>::with_options(plan.clone(), options).unwrap();
        let double = Executable::<f64>::with_options(plan.clone(), options).unwrap();
        check_with(&single, circuit, &rows, 1e-5);
        check_with(&double, circuit, &rows, 1e-12);
        most = most.max(single.reruns().logarithmic);
    }
    most
}

fn check_with<E: Number>(
    executable: &Executable<E>,
    circuit: &Circuit,
    rows: &[Vec<f64>],
    tolerance: f64,
) {
    let values: Vec<E> = rows.iter().flatten().map(|v| E::from_f64(*v)).collect();
    let batch = Rows::new(&values, circuit.variables as usize).unwrap();
    let widen = |values: Vec<E>| -> Vec<f64> {
        values.into_iter().map(spn_runtime::simd::Real::to_f64).collect()
    };
    let likelihoods = widen(executable.log_likelihood(batch).unwrap());
    let joints = widen(executable.class_joints(batch).unwrap());
    let gradient = executable.gradient(batch, &GradientOptions::default()).unwrap();
    let expected: Vec<f64> = rows
        .iter()
        .map(|row| spn_testkit::evaluate(circuit, row, None)[circuit.root.index()][0])
        .collect();
    compare_each(&likelihoods, &expected, tolerance).unwrap();
    let mean = -expected.iter().sum::<f64>() / rows.len() as f64;
    compare_each(&[gradient.loss], &[mean], tolerance).unwrap();
    assert!(gradient.parameters.iter().flatten().all(|derivative| derivative.is_finite()));
    let expected: Vec<f64> =
        rows.iter().flat_map(|row| spn_testkit::root_joints(circuit, row, None)).collect();
    compare_each(&joints, &expected, tolerance).unwrap();
}

fn circuit(text: &str) -> Circuit {
    text::parse(text).unwrap()
}

/// One leaf of four components and, with `sums`, a sum over it for each variable, multiplied.
fn long_product(variables: usize, sums: bool) -> Circuit {
    let mut text = format!("spn 1\nvariables {variables}\n");
    let mut factors = Vec::new();
    for v in 0..variables {
        let spread = 0.1 + (v % 7) as f64;
        writeln!(
            text,
            "l{v} = leaf normal({v}) x4 location=[0 {spread} -{spread} 1] scale=[0.1 1 2 0.5]"
        )
        .unwrap();
        if sums {
            writeln!(
                text,
                "s{v} = sum(l{v}) x3 weights=[0.1 0.2 0.3 0.4; 0.7 0.1 0.1 0.1; 0 0 0.5 0.5]"
            )
            .unwrap();
        }
        factors.push(format!("{}{v}", if sums { 's' } else { 'l' }));
    }
    let weights = if sums { "0.2 0.3 0.5" } else { "0.1 0.2 0.3 0.4" };
    writeln!(text, "p = product({})", factors.join(", ")).unwrap();
    writeln!(text, "t = sum(p) x2 weights=[{weights}; {weights}]").unwrap();
    writeln!(text, "r = sum(t) weights=[0.5 0.5]\nroot r").unwrap();
    circuit(&text)
}

#[test]
fn products_of_a_thousand_variables() {
    let waves = |scale: f64| (0..1000).map(|v| scale * (v as f64 * 0.37).sin()).collect();
    let rows = [waves(1.0), waves(0.01), waves(30.0)];
    check(&long_product(1000, false), &rows);
    check(&long_product(1000, true), &rows);
}

/// The components of each leaf differ by e^300, the second leaf the other way round: what is
/// multiplied is e^-300 of each block's largest value.
#[test]
fn likelihood_ratios_beyond_single_precision() {
    let crossed = circuit(
        "spn 1
        variables 2
        a = leaf normal(0) x2 location=[0 24.5] scale=[1 1]
        b = leaf normal(1) x2 location=[24.5 0] scale=[1 1]
        s = sum(a) x2 weights=[1 0; 0 1]
        t = sum(b) x2 weights=[1 0; 0 1]
        p = product(s, t)
        r = sum(p) weights=[0.5 0.5]
        root r",
    );
    let again = check(&crossed, &[vec![0.0, 0.0], vec![24.5, 24.5]]);
    assert!(again > 0, "nothing ran again");
}

#[test]
fn sparse_weights_and_impossible_children() {
    let sparse = circuit(
        "spn 1
        variables 3
        a = leaf indicator(0) x3
        b = leaf indicator(1) x3
        c = leaf categorical(2) x3 probabilities=[1 0; 0 1; 0.5 0.5]
        s = sum(a) x3 weights=[1 0 0; 0 1 0; 0 0.000001 0.999999]
        t = sum(b) x3 weights=[0 1 0; 1 0 0; 0.3 0.3 0.4]
        p = product(s, t, c)
        u = sum(p) x2 weights=[1 0 0; 0 0.000000000001 0.999999999999]
        r = sum(u) weights=[0.5 0.5]
        root r",
    );
    let mut rows = Vec::new();
    for index in 0..18 {
        rows.push(vec![f64::from(index % 3), f64::from(index / 3 % 3), f64::from(index / 9)]);
    }
    rows.push(vec![f64::NAN, 2.0, 1.0]);
    rows.push(vec![f64::NAN; 3]);
    check(&sparse, &rows);
}

/// Probabilities and weights that single precision holds as subnormal numbers only.
#[test]
fn subnormal_parameters() {
    let subnormal = circuit(
        "spn 1
        variables 2
        a = leaf categorical(0) x2 probabilities=[1e-39 1; 0.5 0.5]
        b = leaf categorical(1) x2 probabilities=[1 1e-40; 1e-38 1]
        s = sum(a) x2 weights=[1 1e-39; 1e-40 1]
        t = sum(b) x2 weights=[1 1e-41; 0.5 0.5]
        p = product(s, t)
        r = sum(p) weights=[1 1e-40]
        root r",
    );
    let rows: Vec<Vec<f64>> = (0..4).map(|i| vec![f64::from(i % 2), f64::from(i / 2)]).collect();
    check(&subnormal, &rows);
}

/// Ordinary networks do not run again.
#[test]
fn ordinary_rows_are_certain_at_once() {
    let waves = |scale: f64| (0..50).map(|v| scale * (v as f64 * 0.37).sin()).collect();
    assert_eq!(check(&long_product(50, true), &[waves(1.0), waves(2.0)]), 0);
}
