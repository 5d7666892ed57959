//! A training that is stopped after any step, saved, read back and resumed ends with the same bits
//! as one that ran through.

use serde::Serialize;
use serde::de::DeserializeOwned;
use spn_runtime::learn::{
    Adam, Batch, ExpectationMaximization, FitOptions, Fitted, Keep, Method, Objective, RmsProp,
    Sgd, Trainer, TrainerState,
};
use spn_runtime::{Counting, Executable, Number};

use crate::{Data, bits, executable, losses};

fn methods() -> [Method; 7] {
    let maximization = |counting| ExpectationMaximization {
        momentum: 0.9,
        ..ExpectationMaximization::new(counting)
    };
    [
        Method::Adam(Adam::default()),
        Method::Sgd(Sgd::default()),
        Method::Sgd(Sgd { momentum: 0.9, nesterov: true }),
        Method::RmsProp(RmsProp::default()),
        Method::ExpectationMaximization(maximization(Counting::Soft)),
        Method::ExpectationMaximization(maximization(Counting::SAMPLED)),
        Method::ExpectationMaximization(ExpectationMaximization {
            accumulate_batches: 3,
            ..maximization(Counting::HARD)
        }),
    ]
}

fn options(method: Method) -> FitOptions {
    let maximizes = matches!(method, Method::ExpectationMaximization(_));
    FitOptions {
        objective: if maximizes { Objective::Joint } else { Objective::Discriminative },
        method,
        learning_rate: 0.05,
        batch: Batch::Rows(8),
        epochs: 4,
        seed: 11,
        ..FitOptions::default()
    }
}

/// Trains to the end, from the start or from a saved state; gives the state before each step, as
/// bytes, and what the training came to.
fn train<E: Number + Serialize + DeserializeOwned>(
    executable: &mut Executable<E>,
    options: FitOptions,
    saved: Option<&[u8]>,
) -> (Vec<Vec<u8>>, Fitted) {
    let (rows, valid) = (Data::<E>::new(30, 1), Data::<E>::new(9, 2));
    let (rows, valid) = (rows.weighted(), Some(valid.labelled()));
    let mut trainer = match saved {
        None => Trainer::new(executable, rows, valid, options).unwrap(),
        Some(bytes) => {
            let state: TrainerState<E> = postcard::from_bytes(bytes).unwrap();
            Trainer::resume(executable, rows, valid, options, state).unwrap()
        }
    };
    let mut states = vec![postcard::to_stdvec(&trainer.state()).unwrap()];
    while trainer.step().unwrap().is_some() {
        states.push(postcard::to_stdvec(&trainer.state()).unwrap());
    }
    (states, trainer.finish())
}

/// Compares a training that ran through with one resumed from each of its states.
fn check<E: Number + Serialize + DeserializeOwned>(options: FitOptions) -> Fitted {
    let mut through = executable::<E>(1);
    let before = bits(&through);
    let (states, expected) = train(&mut through, options, None);
    assert_ne!(bits(&through), before, "nothing was trained");
    assert!(states.len() > 10, "{} states", states.len());
    for (step, state) in states.iter().enumerate() {
        let mut resumed = executable::<E>(1 + step % 3);
        let (_, fitted) = train(&mut resumed, options, Some(state));
        assert_eq!(bits(&resumed), bits(&through), "{options:?} resumed at {step}");
        assert_eq!(losses(&fitted.epochs), losses(&expected.epochs), "{options:?} at {step}");
        assert_eq!((fitted.end, fitted.kept), (expected.end, expected.kept));
    }
    expected
}

#[test]
fn every_method_goes_on_to_the_same_bits() {
    for method in methods() {
        check::<f32>(options(method));
        check::<f64>(options(method));
    }
}

#[test]
fn early_stopping_and_the_best_parameters_survive() {
    let options = FitOptions {
        epochs: 30,
        patience: Some(2),
        keep: Keep::Best,
        learning_rate: 0.3,
        ..options(Method::default())
    };
    let fitted = check::<f32>(options);
    assert!(fitted.epochs.len() < 30, "it never stopped early");
    assert_eq!(fitted.kept, Some(fitted.epochs.len() - 2));
    let fitted = check::<f64>(options);
    assert!(fitted.epochs.len() < 30, "it never stopped early");
}

#[test]
fn full_batches_go_on_to_the_same_bits() {
    check::<f32>(FitOptions { batch: Batch::Full, epochs: 8, ..options(Method::default()) });
}

/// A finished training can be given more epochs.
#[test]
fn more_epochs_are_as_if_they_had_been_asked_for_at_once() {
    let short = options(Method::default());
    let long = FitOptions { epochs: 7, ..short };
    let (states, _) = train(&mut executable::<f32>(2), short, None);
    let mut continued = executable::<f32>(2);
    let (_, fitted) = train(&mut continued, long, states.last().map(Vec::as_slice));
    let mut through = executable::<f32>(2);
    let (_, expected) = train(&mut through, long, None);
    assert_eq!(bits(&continued), bits(&through));
    assert_eq!(losses(&fitted.epochs), losses(&expected.epochs));
    assert_eq!(fitted.epochs.len(), 7);
}

#[test]
fn a_whole_training_does_not_depend_on_threads() {
    let options = FitOptions { keep: Keep::Best, ..options(Method::default()) };
    let runs = [1, 2, 3].map(|threads| {
        let mut executable = executable::<f32>(threads);
        let (_, fitted) = train(&mut executable, options, None);
        (bits(&executable), losses(&fitted.epochs))
    });
    assert_eq!(runs[1], runs[0]);
    assert_eq!(runs[2], runs[0]);
}
