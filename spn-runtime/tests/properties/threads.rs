//! Results are the same bits on 1, 2, 3 and 5 threads: likelihoods, gradients and training. Nor do
//! they depend on what the same buffers held before.

use std::ops::ControlFlow;

use proptest::prelude::*;
use spn_compiler::Options;
use spn_runtime::learn::{
    Adam, AdamW, Batch, Clipping, Epoch, Examples, FitOptions, Method, Objective, Optimizer,
    Regularization, fit,
};
use spn_runtime::{Dropping, GradientOptions, Number};
use spn_testkit::random::{Sample, circuits_with_rows};
use spn_testkit::{CircuitOptions, RowOptions};

use crate::{batch, bits, cases, executable, flat};

const THREADS: [usize; 4] = [1, 2, 3, 5];

/// Enough rows for several tiles in each of several groups.
const ROWS: usize = 700;

fn check_queries<E: Number>(sample: &Sample, rows: &[Vec<f64>]) {
    let circuit = &sample.circuit;
    let values = flat::<E>(rows);
    let options = Options { dropout: true, ..Options::default() };
    let results = THREADS.map(|threads| {
        let executable = executable::<E>(circuit, &options, threads);
        let likelihoods = executable.log_likelihood(batch(circuit, &values)).unwrap();
        let dropping = Dropping::Random { seed: sample.seed, step: 3 };
        let options = GradientOptions { inputs: true, dropping, ..GradientOptions::default() };
        let gradient = executable.gradient(batch(circuit, &values), &options).unwrap();
        (
            bits(&likelihoods),
            bits(&gradient.parameters.concat()),
            bits(&gradient.inputs),
            gradient.loss.to_bits(),
        )
    });
    for other in &results[1..] {
        assert_eq!(other, &results[0]);
    }
}

/// Buffers are used again: what a batch left in them must not show in the next.
fn check_used_buffers<E: Number>(sample: &Sample, rows: &[Vec<f64>]) {
    let circuit = &sample.circuit;
    let (before, after) = rows.split_at(rows.len() / 2);
    let (before, after) = (flat::<E>(before), flat::<E>(after));
    let options = GradientOptions::default();
    let [fresh, used] = [(), ()].map(|()| executable::<E>(circuit, &Options::default(), 1));
    used.gradient(batch(circuit, &before), &options).unwrap();
    let [fresh, used] = [fresh, used].map(|executable| {
        let gradient = executable.gradient(batch(circuit, &after), &options).unwrap();
        (bits(&gradient.parameters.concat()), gradient.loss.to_bits())
    });
    assert_eq!(fresh, used);
}

fn check_fit(sample: &Sample, rows: &[Vec<f64>]) {
    let circuit = &sample.circuit;
    let values = flat::<f32>(rows);
    let options = Options { dropout: true, ..Options::default() };
    let results = THREADS.map(|threads| {
        let mut executable = executable::<f32>(circuit, &options, threads);
        let classes = executable.classes() as u32;
        let labels: Vec<u32> = (0..rows.len() as u32).map(|row| row % classes).collect();
        let rows = batch(circuit, &values);
        let train = Examples { labels: Some(&labels), ..Examples::new(rows) };
        let fit_options = FitOptions {
            objective: Objective::Discriminative,
            method: Method::Adam(Adam::default()),
            learning_rate: 1e-2,
            batch: Batch::Rows(150),
            epochs: 2,
            seed: sample.seed,
            ..FitOptions::default()
        };
        let go_on = |_| ControlFlow::Continue(());
        let fitted = fit(&mut executable, train, Some(train), &fit_options, go_on);
        // A few random circuits diverge; that must not depend on threads either.
        let losses = fitted.map(|fitted| -> Vec<u64> {
            let losses = |e: &Epoch| [e.train, e.valid.map_or(0.0, |v| v.loss)].map(f64::to_bits);
            fitted.epochs.iter().flat_map(losses).collect()
        });
        (losses, bits(&executable.parameters().concat()))
    });
    for other in &results[1..] {
        assert_eq!(other, &results[0]);
    }
    let executable = executable::<f32>(circuit, &options, 1);
    let trains = circuit.parameters.trainable_values() > 0 && executable.classes() > 1;
    if trains && results[0].0.is_ok() {
        TRAINED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Steps on penalised and clipped gradients.
fn check_steps(sample: &Sample, rows: &[Vec<f64>]) {
    let circuit = &sample.circuit;
    let values = flat::<f32>(rows);
    let regularization = Regularization { l1: 0.1, l2: 0.2, entropy: 0.3 };
    let options = GradientOptions { regularization, ..GradientOptions::default() };
    let results = THREADS.map(|threads| {
        let mut executable = executable::<f32>(circuit, &Options::default(), threads);
        let mut optimizer = Optimizer::new(Method::AdamW(AdamW::default()), 1e-2);
        optimizer.clipping = Clipping { norm: Some(0.1), value: Some(0.09) };
        let step = |_| optimizer.step(&mut executable, batch(circuit, &values), &options).unwrap();
        let losses: Vec<f64> = (0..3).map(step).collect();
        (bits(&losses), bits(&executable.parameters().concat()))
    });
    for other in &results[1..] {
        assert_eq!(other, &results[0]);
    }
}

/// How many circuits had something to train and did not diverge.
static TRAINED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn likelihoods_and_gradients_do_not_depend_on_threads(
        (sample, rows) in circuits_with_rows(CircuitOptions::default(), RowOptions::default(), ROWS)
    ) {
        check_queries::<f32>(&sample, &rows);
        check_queries::<f64>(&sample, &rows);
    }
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn gradients_do_not_depend_on_what_ran_before(
        (sample, rows) in circuits_with_rows(CircuitOptions::default(), RowOptions::default(), 40)
    ) {
        check_used_buffers::<f32>(&sample, &rows);
        check_used_buffers::<f64>(&sample, &rows);
    }
}

#[test]
fn training_does_not_depend_on_threads() {
    let mut runner = proptest::test_runner::TestRunner::new(cases(8));
    let strategy = circuits_with_rows(CircuitOptions::gentle(), RowOptions::default(), ROWS);
    runner
        .run(&strategy, |(sample, rows)| {
            check_fit(&sample, &rows);
            check_steps(&sample, &rows);
            Ok(())
        })
        .unwrap();
    assert!(TRAINED.load(std::sync::atomic::Ordering::Relaxed) >= 3);
}
