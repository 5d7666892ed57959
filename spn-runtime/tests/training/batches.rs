//! Batches and row weights: what a step sees and what is averaged.

use std::ops::ControlFlow;

use spn_runtime::learn::{
    Batch, Examples, FitOptions, Fitted, Method, Objective, Sgd, evaluate, fit,
};
use spn_runtime::{Executable, Rows};
use spn_testkit::compare_each;

use crate::{COLUMNS, Data, bits, executable};

fn options(batch: Batch) -> FitOptions {
    FitOptions {
        objective: Objective::Joint,
        method: Method::Sgd(Sgd { momentum: 0.5, nesterov: false }),
        batch,
        epochs: 5,
        ..FitOptions::default()
    }
}

fn run(
    executable: &mut Executable<f64>,
    examples: Examples<'_, f64>,
    options: &FitOptions,
) -> Fitted {
    fit(executable, examples, None, options, |_| ControlFlow::Continue(())).unwrap()
}

/// The network without dropout, whose masks would differ between batches of other rows.
fn without_dropout() -> Executable<f64> {
    Executable::new(crate::plan(false)).unwrap()
}

#[test]
fn a_full_batch_is_one_step_over_rows_as_they_lie() {
    let data = Data::new(30, 1);
    let mut full = executable(1);
    run(&mut full, data.labelled(), &options(Batch::Full));
    let mut large = executable(1);
    run(&mut large, data.labelled(), &options(Batch::Rows(30)));
    assert_eq!(bits(&full), bits(&large));

    // Rows apart from each other, with a mask: values between them and hidden ones do not matter.
    let mask = vec![true; 30 * COLUMNS];
    let apart: Vec<f64> =
        data.values.chunks(COLUMNS).flat_map(|row| [row, &[f64::NAN; 3]].concat()).collect();
    let rows = Rows::with_stride(&apart, COLUMNS, COLUMNS + 3).unwrap().with_mask(&mask).unwrap();
    let mut strided = executable(1);
    run(&mut strided, Examples { rows, ..data.labelled() }, &options(Batch::Full));
    assert_eq!(bits(&full), bits(&strided));
}

/// Weights 2 and 0 with mean 1 are the rows of weight 2 alone.
#[test]
fn weights_pick_rows() {
    let data = Data::<f64>::new(30, 1);
    let weights: Vec<f64> = (0..30).map(|row| if row < 15 { 2.0 } else { 0.0 }).collect();
    let weighted = Examples { row_weights: Some(&weights), ..data.labelled() };
    let half = Examples {
        labels: Some(&data.labels[..15]),
        ..Examples::new(Rows::new(&data.values[..15 * COLUMNS], COLUMNS).unwrap())
    };
    let (mut by_weight, mut alone) = (without_dropout(), without_dropout());
    let found = run(&mut by_weight, weighted, &options(Batch::Full));
    let expected = run(&mut alone, half, &options(Batch::Full));
    compare_each(&by_weight.parameters().concat(), &alone.parameters().concat(), 1e-12).unwrap();
    for (found, expected) in found.epochs.iter().zip(&expected.epochs) {
        compare_each(&[found.train], &[expected.train], 1e-12).unwrap();
    }
    for objective in [Objective::Generative, Objective::Discriminative] {
        let found = evaluate(&alone, weighted, objective).unwrap();
        let expected = evaluate(&alone, half, objective).unwrap();
        compare_each(
            &[found.loss, found.log_likelihood, found.accuracy.unwrap()],
            &[expected.loss, expected.log_likelihood, expected.accuracy.unwrap()],
            1e-12,
        )
        .unwrap();
        assert_ne!(evaluate(&alone, data.labelled(), objective).unwrap(), expected);
    }
}

#[test]
fn weights_follow_their_rows_into_batches() {
    let data = Data::<f64>::new(30, 1);
    let ones = vec![1.0; 30];
    let with_ones = Examples { row_weights: Some(&ones), ..data.labelled() };
    let train = |examples| {
        let mut executable = executable(1);
        let fitted = run(&mut executable, examples, &options(Batch::Rows(7)));
        let losses: Vec<f64> = fitted.epochs.iter().map(|epoch| epoch.train).collect();
        (bits(&executable), losses)
    };
    assert_eq!(train(with_ones), train(data.labelled()));
    assert_ne!(train(data.weighted()), train(data.labelled()));
}
