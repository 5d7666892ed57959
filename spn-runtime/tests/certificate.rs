//! Scaled linear arithmetic on networks made to break it: single precision stays within 1e-5 of
//! the reference evaluator, because tiles whose results are not certain run again in log space.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;

use spn_compiler::{Options, compile};
use spn_ir::{Circuit, text};
use spn_runtime::simd::Level;
use spn_runtime::{Executable, ExecutableOptions, GradientOptions, Number, Rows};
use spn_testkit::{EvaluateOptions, compare_each};

/// At least so many rows are run: more than are run one by one.
const BATCH: usize = 100;

/// Compares log-likelihoods, joints and the loss of a batch with the reference on every
/// instruction set; gives how many rows ran again at least once.
fn check(circuit: &Circuit, rows: &[Vec<f64>]) -> u64 {
    let plan = compile(circuit, &Options::default()).unwrap();
    let rows: Vec<Vec<f64>> = rows.iter().cycle().take(rows.len().max(BATCH)).cloned().collect();
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
    let mut derivatives = gradient.parameters.iter().flatten();
    assert!(derivatives.all(|value| value.is_finite()
        || (steep(circuit, rows) && !spn_runtime::simd::Real::to_f64(*value).is_nan())));
    let expected: Vec<f64> =
        rows.iter().flat_map(|row| spn_testkit::root_joints(circuit, row, None)).collect();
    compare_each(&joints, &expected, tolerance).unwrap();
}

fn widen<E: Number>(values: Vec<E>) -> Vec<f64> {
    values.into_iter().map(spn_runtime::simd::Real::to_f64).collect()
}

/// Whether some derivative is beyond single precision: that of a zero weight, whose child is far
/// more likely than everything else.
fn steep(circuit: &Circuit, rows: &[Vec<f64>]) -> bool {
    let options = EvaluateOptions::default();
    rows.iter().any(|row| {
        let gradients = spn_testkit::reverse_log_likelihood(circuit, row, None, &options);
        gradients.parameters.iter().flatten().any(|value| value.abs() > 1e30)
    })
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

    let logarithms = circuit(
        "spn 1
        variables 1
        parameter p [2 2] = [-88.5 0; 0 -88.5]
        quantity q [2 2] = exp(p)
        parameter o [2 1] = [-89.5; 0]
        quantity u [2 1] = exp(o)
        a = leaf indicator(0) x2
        s = sum(a) x2 weights=q
        r = sum(s) weights=u
        root r",
    );
    check(&logarithms, &[vec![0.0], vec![1.0]]);
}

/// Distances in powers of two, in nats, that lie around the limits of both precisions: what one
/// power of two can align, and what a block can hold.
fn distances() -> impl Iterator<Item = f64> + Clone {
    let limits = [87.0, 100.0, 109.0, 600.0, 708.0, 875.0];
    let around =
        limits.into_iter().flat_map(|limit| (-6..7).map(move |step| limit + f64::from(step)));
    [0.0, 40.0, 300.0, 1200.0, 5000.0].into_iter().chain(around)
}

/// What is large is impossible in the end, what is small decides, and a still smaller alternative
/// is there to be taken for the result: `b` is e^-d of `a`, `q` is e^-f of both.
const ALTERNATIVES: &str = "spn 1
    variables 3
    a = leaf normal(0) location=[0] scale=[1000000]
    b = leaf normal(0) location=[0] scale=[1]
    t = sum(a, b) x2 weights=[1 0; 0 1]
    w = leaf normal(1) x2 location=[0 0] scale=[1000000 1000000]
    c = leaf categorical(2) x2 probabilities=[0 1; 0.5 0.5]
    v = sum(w) x2 weights=[1 0; 0 1]
    p = product(t, v, c)
    u = sum(p) weights=[0.5 0.5]
    x = leaf normal(0) location=[0] scale=[1000000]
    y = leaf normal(1) location=[0] scale=[1]
    z = leaf categorical(2) probabilities=[0.5 0.5]
    k = sum(x) weights=[1]
    l = sum(y) weights=[1]
    q = product(k, l, z)
    r = sum(u, q) weights=[0.5 0.5]
    root r";

#[test]
fn what_is_lost_beside_larger_terms_is_known() {
    let mut rows = Vec::new();
    for b in distances() {
        for q in distances() {
            rows.push(vec![(2.0 * b).sqrt(), (2.0 * q).sqrt(), 0.0]);
        }
    }
    check(&circuit(ALTERNATIVES), &rows);
}

/// As above, with two factors that are both lost: the error of their product is the product of the
/// errors.
#[test]
fn what_is_lost_in_two_factors_is_known() {
    let two_lost = circuit(
        "spn 1
        variables 4
        a = leaf normal(0) location=[0] scale=[1000000]
        b = leaf normal(0) location=[0] scale=[1]
        t = sum(a, b) x2 weights=[1 0; 0 1]
        c = leaf categorical(1) x2 probabilities=[0 1; 0.5 0.5]
        p = product(t, c)
        u = sum(p) weights=[0.5 0.5]
        d = leaf normal(2) location=[0] scale=[1000000]
        e = leaf normal(2) location=[0] scale=[1]
        s = sum(d, e) x2 weights=[1 0; 0 1]
        f = leaf categorical(3) x2 probabilities=[0 1; 0.5 0.5]
        o = product(s, f)
        v = sum(o) weights=[0.5 0.5]
        m = product(u, v)
        g = leaf normal(0) location=[0] scale=[1]
        h = leaf normal(2) location=[0] scale=[0.9]
        i = leaf categorical(1) probabilities=[0.5 0.5]
        j = leaf categorical(3) probabilities=[0.5 0.5]
        q = product(g, h, i, j)
        w = sum(q) weights=[1]
        r = sum(m, w) weights=[0.5 0.5]
        root r",
    );
    let mut rows = Vec::new();
    for first in distances() {
        for second in distances() {
            rows.push(vec![(2.0 * first).sqrt(), 0.0, (2.0 * second).sqrt(), 0.0]);
        }
    }
    check(&two_lost, &rows);
}

/// Logarithms of millions: exponents end before.
#[test]
fn exponents_that_are_too_low_are_known() {
    let mut text = "spn 1\nvariables 6\n".to_owned();
    for v in 0..6 {
        writeln!(text, "l{v} = leaf normal({v}) x2 location=[0 1] scale=[1 1]").unwrap();
        writeln!(text, "s{v} = sum(l{v}) x2 weights=[0.1 0.9; 0.6 0.4]").unwrap();
    }
    text += "p = product(s0, s1, s2)\nq = product(s3, s4, s5)\n";
    text += "t = sum(p) x2 weights=[0.1 0.9; 0.6 0.4]\nu = sum(q) x2 weights=[0.1 0.9; 0.6 0.4]\n";
    text += "o = product(t, u)\nr = sum(o) weights=[0.3 0.7]\nroot r";
    let rows: Vec<Vec<f64>> =
        (1..40).map(|far| (0..6).map(|v| f64::from(far * 40 + v)).collect()).collect();
    check(&circuit(&text), &rows);
}

/// Children of the root that are less likely by about what a block can hold: their joints need not
/// be certain for the flows to be.
#[test]
fn hardly_possible_children_get_no_flow() {
    let circuit = circuit(
        "spn 1
        variables 2
        a = leaf normal(0) x2 location=[0 0] scale=[1.25 1]
        b = leaf normal(1) x2 location=[0 0] scale=[1.25 1]
        s = sum(a) x2 weights=[1 0; 0 1]
        t = sum(b) x2 weights=[1 0; 0 1]
        p = product(s, t)
        r = sum(p) weights=[0.5 0.5]
        root r",
    );
    let plan = compile(&circuit, &Options::default()).unwrap();
    let single = Executable::<f32>::new(plan.clone()).unwrap();
    let double = Executable::<f64>::new(plan).unwrap();
    for distance in distances() {
        let row = [(distance / (1.0 - 0.8 * 0.8)).sqrt(); 2];
        let options = EvaluateOptions::default();
        let reference = spn_testkit::reverse_log_likelihood(&circuit, &row, None, &options);
        let expected: Vec<f64> = reference.parameters.concat().iter().map(|value| -value).collect();
        for (actual, tolerance) in
            [(gradient(&single, &row), 1e-4), (gradient(&double, &row), 1e-9)]
        {
            compare_each(&actual, &expected, tolerance).unwrap();
        }
    }
}

/// The gradient of a batch of equal rows.
fn gradient<E: Number>(executable: &Executable<E>, row: &[f64]) -> Vec<f64> {
    let values: Vec<E> =
        row.iter().cycle().take(BATCH * row.len()).map(|v| E::from_f64(*v)).collect();
    let batch = Rows::new(&values, row.len()).unwrap();
    let gradient = executable.gradient(batch, &GradientOptions::default()).unwrap();
    widen(gradient.parameters.concat())
}

/// Ordinary networks do not run again.
#[test]
fn ordinary_rows_are_certain_at_once() {
    let waves = |scale: f64| (0..50).map(|v| scale * (v as f64 * 0.37).sin()).collect();
    assert_eq!(check(&long_product(50, true), &[waves(1.0), waves(2.0)]), 0);
}
