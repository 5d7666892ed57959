//! Options of expectation maximisation, each against what it says.

use spn_runtime::learn::{ExpectationMaximization, Method, Optimizer, Prior};
use spn_runtime::{Counting, GradientOptions, Rows, RunError};
use spn_testkit::compare_each;

use crate::{RULES, executable, maximize, number, parameter, plan_of};

const COIN: &str = "spn 1
    variables 1
    parameter weights [3 1] constraint=greater-equal-normalized(0.001, 0) = [0.2 0.8 0]
    quantity w [3 1] = direct(weights)
    a = leaf indicator(0) x3
    s = sum(a) weights=w
    root s";

const NORMAL: &str = "spn 1
    variables 1
    a = leaf normal(0) x1 location=[1] scale=[2]
    root a";

/// The rows 0, 0, 0, 1, whose soft counts for `COIN` are 3/4 and 1/4.
const ROWS: [f64; 4] = [0.0, 0.0, 0.0, 1.0];

fn weights_after(options: ExpectationMaximization, rate: f64, steps: usize) -> Vec<f64> {
    let mut executable = executable::<f64>(&plan_of(COIN));
    maximize(&mut executable, Rows::new(&ROWS, 1).unwrap(), options, (rate, steps));
    parameter(&executable, "weights").to_vec()
}

/// Steps on the batches of one row each.
fn stepwise(options: ExpectationMaximization, rate: f64) -> Vec<f64> {
    let mut executable = executable::<f64>(&plan_of(COIN));
    let mut optimizer = Optimizer::new(Method::ExpectationMaximization(options), rate);
    for row in &ROWS {
        let rows = Rows::new(std::slice::from_ref(row), 1).unwrap();
        optimizer.step(&mut executable, rows, &GradientOptions::default()).unwrap();
    }
    parameter(&executable, "weights").to_vec()
}

#[test]
fn zeros_stay_on_request_only() {
    let options = ExpectationMaximization::default();
    assert!(weights_after(options, 0.5, 1)[2] > 0.0);
    let options = ExpectationMaximization {
        keep_zeros: true,
        prior: Prior { pseudocount: 1.0, ..Prior::default() },
        ..options
    };
    let found = weights_after(options, 0.5, 1);
    let expected = [(0.2 + 4.0 / 6.0) / 2.0, (0.8 + 2.0 / 6.0) / 2.0, 0.0];
    compare_each(&found, &expected, 1e-12).unwrap();
}

#[test]
fn pseudocounts_are_uses_before_any_row() {
    let prior = Prior { pseudocount: 0.5, ..Prior::default() };
    let options = ExpectationMaximization { prior, ..ExpectationMaximization::default() };
    let found = weights_after(options, 1.0, 1);
    compare_each(&found, &[3.5 / 5.5, 1.5 / 5.5, 0.5 / 5.5], 1e-12).unwrap();
}

/// With momentum the counts of all steps so far are used, whatever the step.
#[test]
fn momentum_averages_counts_without_bias() {
    let options = ExpectationMaximization {
        momentum: 0.5,
        keep_zeros: true,
        ..ExpectationMaximization::default()
    };
    // Three rows of state 0, then one of state 1: averages 1/2, 1/4 and 1/8 for the older ones.
    let last = 0.5 / (0.5 + 0.25 + 0.125 + 0.0625);
    let expected = [1.0 - last, last, 0.0];
    compare_each(&stepwise(options, 1.0), &expected, 1e-12).unwrap();
}

#[test]
fn batches_can_be_averaged_before_a_step() {
    let accumulated = ExpectationMaximization { accumulate_batches: 4, ..Default::default() };
    let found = stepwise(accumulated, 0.5);
    compare_each(&found, &weights_after(ExpectationMaximization::default(), 0.5, 1), 1e-12)
        .unwrap();
}

#[test]
fn a_normal_gamma_prior_is_rows_seen_before() {
    let prior = Prior {
        location_rows: 3.0,
        location: 5.0,
        scale_rows: 2.0,
        scale: 0.5,
        ..Prior::default()
    };
    let x: Vec<f64> = (0..10).map(number).collect();
    let options = ExpectationMaximization { prior, ..ExpectationMaximization::default() };
    let mut executable = executable::<f64>(&plan_of(NORMAL));
    maximize(&mut executable, Rows::new(&x, 1).unwrap(), options, (1.0, 2));
    let mean = (x.iter().sum::<f64>() + 15.0) / 13.0;
    let squares = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    let variance = (squares + 3.0 * (mean - 5.0).powi(2) + 2.0 * 0.25) / 12.0;
    let found = executable.parameters().concat();
    compare_each(&found, &[mean, variance.sqrt()], 1e-12).unwrap();
}

#[test]
fn scales_have_a_floor_also_as_moments() {
    let moments = "spn 1
        variables 1
        parameter n [1 1] = [1]
        parameter d [1 1] = [1]
        parameter squares [1 1] = [2]
        parameter rows [1 1] = [1]
        quantity m [1 1] = ratio(n, d)
        quantity s [1 1] = moment-scale(n, d, squares, rows)
        a = leaf normal(0) x1 location=m scale=s
        root a";
    let same = [3.0; 20];
    for text in [NORMAL, moments] {
        let plan = plan_of(text);
        let mut executable = executable::<f64>(&plan);
        let options = ExpectationMaximization { minimum_scale: 0.25, ..Default::default() };
        let losses = maximize(&mut executable, Rows::new(&same, 1).unwrap(), options, (1.0, 4));
        let expected = 0.25_f64.ln() + 0.5 * (2.0 * std::f64::consts::PI).ln();
        assert!((losses[3] - expected).abs() < 1e-9, "{losses:?}");
    }
}

/// The second component of each is too far away for any row; a step of size 1 has nothing for it.
#[test]
fn what_nothing_used_stays_what_it_was() {
    let text = "spn 1
        variables 1
        parameter n [2 1] = [1 -80000]
        parameter d [2 1] = [1 2]
        parameter squares [2 1] = [2 3200000002]
        parameter rows [2 1] = [1 2]
        quantity m [2 1] = ratio(n, d)
        quantity s [2 1] = moment-scale(n, d, squares, rows)
        a = leaf normal(0) x2 location=m scale=s
        b = leaf normal(0) x2 location=[0 5000] scale=[1 1]
        c = sum(a) x2 weights=[0.5 0.5; 0.5 0.5]
        e = sum(b, c) weights=[0.2 0.3 0.3 0.2]
        root e";
    for rule in RULES {
        let mut executable = executable::<f64>(&plan_of(text));
        let before = executable.parameters().to_vec();
        let rows: Vec<f64> = (0..20).map(number).collect();
        let options = ExpectationMaximization::new(rule);
        let losses = maximize(&mut executable, Rows::new(&rows, 1).unwrap(), options, (1.0, 3));
        assert!(losses.iter().all(|loss| loss.is_finite()), "{rule:?}: {losses:?}");
        for (before, after) in before.iter().zip(executable.parameters()).take(4) {
            assert_eq!(before[1], after[1], "{rule:?}");
        }
    }
}

#[test]
fn options_out_of_range_are_refused() {
    let mut executable = executable::<f64>(&plan_of(COIN));
    let rows = Rows::new(&ROWS, 1).unwrap();
    let wrong = [
        ExpectationMaximization { momentum: 1.0, ..Default::default() },
        ExpectationMaximization { accumulate_batches: 0, ..Default::default() },
        ExpectationMaximization { minimum_scale: f64::NAN, ..Default::default() },
        ExpectationMaximization::new(Counting::Hard { sample_probability: -1.0 }),
    ];
    let before = executable.parameters().to_vec();
    for options in wrong {
        let mut optimizer = Optimizer::new(Method::ExpectationMaximization(options), 1.0);
        let result = optimizer.step(&mut executable, rows, &GradientOptions::default());
        assert!(
            matches!(result, Err(RunError::OptionOutOfRange { .. })),
            "{options:?}: {result:?}"
        );
    }
    for rate in [-0.5, 1.5, f64::NAN] {
        let method = Method::ExpectationMaximization(ExpectationMaximization::default());
        let result =
            Optimizer::new(method, rate).step(&mut executable, rows, &GradientOptions::default());
        assert!(matches!(result, Err(RunError::OptionOutOfRange { .. })), "{rate}: {result:?}");
    }
    assert_eq!(executable.parameters(), before);
}

/// An optimiser may be given another network: what it knew of the first one does not count.
#[test]
fn an_optimiser_notices_another_network() {
    let method = Method::ExpectationMaximization(ExpectationMaximization::default());
    let mut optimizer = Optimizer::new(method, 1.0);
    for text in [COIN, NORMAL, COIN] {
        let mut executable = executable::<f64>(&plan_of(text));
        let rows = Rows::new(&ROWS, 1).unwrap();
        optimizer.step(&mut executable, rows, &GradientOptions::default()).unwrap();
    }
}
