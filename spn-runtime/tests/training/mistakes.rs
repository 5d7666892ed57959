//! Wrong input of a training is a typed error, and the executable stays as it was.

use std::ops::ControlFlow;

use spn_runtime::learn::{
    Batch, Examples, FitError, FitOptions, Keep, Objective, Trainer, TrainerState, evaluate, fit,
};
use spn_runtime::{Rows, RunError};

use crate::{COLUMNS, Data, bits, executable};

fn options() -> FitOptions {
    FitOptions { batch: Batch::Rows(8), epochs: 3, ..FitOptions::default() }
}

fn error(train: Examples<'_, f32>, options: &FitOptions) -> FitError {
    let mut executable = executable(1);
    let before = bits(&executable);
    let result = fit(&mut executable, train, None, options, |_| ControlFlow::Continue(()));
    assert_eq!(bits(&executable), before);
    result.unwrap_err()
}

#[test]
fn examples_that_do_not_fit() {
    let data = Data::<f32>::new(10, 1);
    let plain = Examples::new(data.rows());
    let short = Examples { labels: Some(&data.labels[..9]), ..plain };
    let is_length = |error: &FitError| {
        matches!(error, FitError::Run(RunError::WrongLength { found: 9, expected: 10, .. }))
    };
    // Labels that the objective does not need still stand for rows.
    for objective in [Objective::Generative, Objective::Joint] {
        assert!(is_length(&error(short, &FitOptions { objective, ..options() })));
        assert!(evaluate(&executable(1), short, objective).is_err());
    }
    let short = Examples { row_weights: Some(&data.weights[..9]), ..plain };
    assert!(is_length(&error(short, &options())));
    let mut weights = data.weights.clone();
    for wrong in [-1.0, f32::NAN, f32::INFINITY] {
        weights[4] = wrong;
        let wrong = Examples { row_weights: Some(&weights), ..plain };
        assert!(matches!(error(wrong, &options()), FitError::BadRowWeight { row: 4, .. }));
    }
    let zeros = Examples { row_weights: Some(&[0.0; 10]), ..plain };
    assert_eq!(error(zeros, &options()), FitError::NoRows);
    let none = Examples::new(Rows::new(&[], COLUMNS).unwrap());
    assert_eq!(error(none, &options()), FitError::NoRows);
    let joint = FitOptions { objective: Objective::Joint, ..options() };
    assert!(matches!(error(plain, &joint), FitError::Run(RunError::LabelsMissing { .. })));
}

#[test]
fn options_that_need_validation_rows() {
    let data = Data::<f32>::new(10, 1);
    let plain = Examples::new(data.rows());
    for options in [
        FitOptions { patience: Some(3), ..options() },
        FitOptions { keep: Keep::Best, ..options() },
    ] {
        assert!(matches!(error(plain, &options), FitError::NoValidation { .. }));
    }
    let hasty = FitOptions { patience: Some(0), ..options() };
    assert_eq!(error(plain, &hasty), FitError::NoPatience);
}

/// A change of a state.
type Change<'a> = &'a dyn Fn(&mut TrainerState<f32>);

/// States as a damaged file or another training may hold them.
#[test]
fn states_that_do_not_fit() {
    let data = Data::<f32>::new(20, 1);
    let plain = Examples::new(data.rows());
    let mut first = executable(1);
    let mut trainer = Trainer::new(&mut first, plain, None, options()).unwrap();
    for _ in 0..6 {
        trainer.step().unwrap();
    }
    let state = trainer.state();
    let mut other = executable::<f32>(1);
    let before = bits(&other);
    let mut refused = |options, change: Change<'_>| {
        let mut state = state.clone();
        change(&mut state);
        let result = Trainer::resume(&mut other, plain, None, options, state);
        let message = result.err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(bits(&other), before);
        message
    };
    let unchanged = refused(options(), &|state| state.parameters.truncate(1));
    assert!(unchanged.contains("parameters"), "{unchanged}");
    let changes: [Change<'_>; 9] = [
        &|state| state.parameters[1].truncate(1),
        &|state| state.optimizer.slots.truncate(1),
        &|state| state.optimizer.slots[0][1].truncate(1),
        &|state| state.optimizer.slots.push(Vec::new()),
        &|state| state.running.rows = 9,
        &|state| state.running.rows = usize::MAX,
        &|state| state.epochs[0].epoch = 7,
        &|state| state.best = Some(state.parameters.clone()),
        &|state| state.epochs[0].valid = Some(spn_runtime::learn::Quality::default()),
    ];
    for (number, change) in changes.iter().enumerate() {
        assert_ne!(refused(options(), change), "", "change {number}");
    }
    let fewer = refused(FitOptions { epochs: 1, ..options() }, &|_| {});
    assert!(fewer.contains("in epoch 2, but 1 epochs"), "{fewer}");
    assert!(Trainer::resume(&mut other, plain, None, options(), state).is_ok());
}
