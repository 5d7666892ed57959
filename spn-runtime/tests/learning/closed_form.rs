//! Expectation maximisation against formulas that are known without any circuit.

use spn_runtime::learn::ExpectationMaximization;
use spn_runtime::{Counting, Rows};
use spn_testkit::compare_each;

use crate::{RULES, executable, maximize, number, parameter, plan_of};

const MIXTURE: &str = "spn 1
    variables 1
    parameter weights [3 1] = [0.2 0.5 0.3]
    parameter location [3 1] = [-1 0.5 2]
    parameter scale [3 1] = [1 0.7 2]
    quantity w [3 1] = direct(weights)
    quantity m [3 1] = direct(location)
    quantity d [3 1] = direct(scale)
    a = leaf normal(0) x3 location=m scale=d
    s = sum(a) weights=w
    root s";

/// Values from two bumps.
fn values() -> Vec<f64> {
    (0..300)
        .map(|i| number(2 * i) + number(2 * i + 1) + if i % 3 == 0 { 3.0 } else { 0.0 })
        .collect()
}

/// Weights, means and deviations after a step of a Gaussian mixture (Bishop 2006, 9.2.2).
fn mixture_step([weights, means, deviations]: &[Vec<f64>; 3], x: &[f64]) -> [Vec<f64>; 3] {
    let density = |k: usize, x: f64| {
        let z = (x - means[k]) / deviations[k];
        weights[k] * (-0.5 * z * z).exp() / deviations[k]
    };
    let posterior = |k: usize, x: f64| density(k, x) / (0..3).map(|k| density(k, x)).sum::<f64>();
    let mass = |k: usize| x.iter().map(|&x| posterior(k, x)).sum::<f64>();
    let mean = |k: usize| x.iter().map(|&x| posterior(k, x) * x).sum::<f64>() / mass(k);
    let variance = |k: usize| {
        let squares = x.iter().map(|&x| posterior(k, x) * (x - mean(k)).powi(2));
        squares.sum::<f64>() / mass(k)
    };
    let all = |f: &dyn Fn(usize) -> f64| (0..3).map(f).collect::<Vec<f64>>();
    [all(&|k| mass(k) / x.len() as f64), all(&mean), all(&|k| variance(k).sqrt())]
}

#[test]
fn soft_steps_on_a_mixture_are_the_textbooks() {
    let x = values();
    let mut executable = executable::<f64>(&plan_of(MIXTURE));
    let names = ["weights", "location", "scale"];
    let mut expected = names.map(|name| parameter(&executable, name).to_vec());
    for _ in 0..5 {
        expected = mixture_step(&expected, &x);
        let rows = Rows::new(&x, 1).unwrap();
        let options = ExpectationMaximization::new(Counting::Soft);
        maximize(&mut executable, rows, options, (1.0, 1));
        for (name, expected) in names.iter().zip(&expected) {
            compare_each(parameter(&executable, name), expected, 1e-10).unwrap();
        }
    }
}

/// A class, a state given the class, and a real number given the class: a tree in which every row
/// says which branch it took.
const TREE: &str = "spn 1
    variables 3
    parameter weights [2 1] = [0.4 0.6]
    parameter states [2 3] = [0.2 0.3 0.5; 0.6 0.3 0.1]
    parameter location [2 1] = [-1 2]
    parameter scale [2 1] = [1 3]
    quantity w [2 1] = direct(weights)
    quantity p [2 3] = direct(states)
    quantity m [2 1] = direct(location)
    quantity d [2 1] = direct(scale)
    class = leaf indicator(0) x2
    state = leaf categorical(1) x2 states=3 probabilities=p
    size = leaf normal(2) x2 location=m scale=d
    all = product(class, state, size)
    s = sum(all) weights=w
    root s";

#[test]
fn where_rows_tell_everything_every_rule_is_counting() {
    let rows: Vec<[f64; 3]> = (0..200)
        .map(|i| {
            [f64::from(number(3 * i) < 0.3), (number(3 * i + 1) * 3.0).floor(), number(3 * i + 2)]
        })
        .collect();
    let flat = rows.concat();
    let of = |class: f64| rows.iter().filter(move |row| row[0] == class);
    let count = |class: f64| of(class).count() as f64;
    let classes = [0.0, 1.0];
    let weights: Vec<f64> = classes.iter().map(|&c| count(c) / 200.0).collect();
    let share = |class: f64, state: f64| {
        of(class).filter(|row| row[1] == state).count() as f64 / count(class)
    };
    let states: Vec<f64> =
        classes.iter().flat_map(|&c| [0.0, 1.0, 2.0].map(|state| share(c, state))).collect();
    let mean = |class: f64| of(class).map(|row| row[2]).sum::<f64>() / count(class);
    let square = |class: f64| {
        of(class).map(|row| (row[2] - mean(class)).powi(2)).sum::<f64>() / count(class)
    };
    for rule in RULES {
        let mut executable = executable::<f64>(&plan_of(TREE));
        let options = ExpectationMaximization::new(rule);
        maximize(&mut executable, Rows::new(&flat, 3).unwrap(), options, (1.0, 1));
        let check = |name: &str, expected: &[f64]| {
            compare_each(parameter(&executable, name), expected, 1e-12).unwrap();
        };
        check("weights", &weights);
        check("states", &states);
        check("location", &classes.map(mean));
        check("scale", &classes.map(|c| square(c).sqrt()));
    }
}

/// The steady state of a Cauchy and a Laplace leaf: the median of the data is a Laplace location,
/// and no derivative is left at either.
#[test]
fn other_densities_reach_the_top_of_their_likelihood() {
    let x: Vec<f64> = (0..101).map(|i| (number(i) - 0.5).powi(3) * 40.0).collect();
    let mut sorted = x.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = sorted[50];
    let rows = Rows::new(&x, 1).unwrap();
    let fitted = |family: &str| {
        let text = format!(
            "spn 1
            variables 1
            a = leaf {family}(0) x1 location=[3] scale=[1]
            root a"
        );
        let mut executable = executable::<f64>(&plan_of(&text));
        let options = ExpectationMaximization::new(Counting::Soft);
        maximize(&mut executable, rows, options, (1.0, 3000));
        executable
    };
    let laplace = fitted("laplace");
    let [location, scale] = [0, 1].map(|index| laplace.parameters()[index][0]);
    assert!((location - median).abs() < 1e-3, "{location} {median}");
    let deviation = x.iter().map(|x| (x - median).abs()).sum::<f64>() / 101.0;
    assert!((scale - deviation).abs() < 1e-3, "{scale} {deviation}");
    let cauchy = fitted("cauchy");
    let gradient = cauchy.gradient(rows, &Default::default()).unwrap();
    assert!(gradient.parameters.concat().iter().all(|g| g.abs() < 1e-9), "{gradient:?}");
}
