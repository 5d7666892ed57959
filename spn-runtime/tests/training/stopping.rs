//! Early stopping and keeping the best do what they say, compared with the history of a training
//! that does neither.

use std::ops::ControlFlow;

use spn_runtime::Executable;
use spn_runtime::learn::{
    Batch, End, FitError, FitOptions, Fitted, Keep, Method, NotANumber, Objective, Progress, Sgd,
    fit,
};

use crate::{Data, bits, executable, losses};

const EPOCHS: usize = 30;

/// A training that soon knows its few rows by heart and gets worse on others.
fn options() -> FitOptions {
    FitOptions {
        objective: Objective::Discriminative,
        learning_rate: 0.3,
        batch: Batch::Rows(8),
        epochs: EPOCHS,
        ..FitOptions::default()
    }
}

fn run(executable: &mut Executable<f64>, options: &FitOptions) -> Fitted {
    let (rows, valid) = (Data::new(30, 1), Data::new(9, 2));
    let go_on = |_| ControlFlow::Continue(());
    fit(executable, rows.labelled(), Some(valid.labelled()), options, go_on).unwrap()
}

/// The number of the epoch with the lowest validation loss of the first `count`.
fn best_of(history: &[f64], count: usize) -> usize {
    let lowest = history[..count].iter().copied().fold(f64::INFINITY, f64::min);
    1 + history.iter().position(|loss| *loss == lowest).unwrap()
}

#[test]
fn training_stops_when_the_patience_is_over() {
    let through = run(&mut executable(1), &options());
    assert_eq!((through.end, through.kept), (End::AllEpochs, Some(EPOCHS)));
    let history: Vec<f64> = through.epochs.iter().map(|e| e.valid.unwrap().loss).collect();
    for patience in 1..6 {
        let expected = (1..EPOCHS).find(|count| count - best_of(&history, *count) >= patience);
        let expected = expected.expect("validation losses that rise");
        let stopped =
            run(&mut executable(1), &FitOptions { patience: Some(patience), ..options() });
        assert_eq!(stopped.end, End::NoImprovement);
        assert_eq!(stopped.kept, Some(expected));
        assert_eq!(losses(&stopped.epochs), losses(&through.epochs[..expected]));
    }
}

#[test]
fn the_best_parameters_are_those_of_a_training_that_ends_there() {
    let mut kept = executable(1);
    let fitted = run(&mut kept, &FitOptions { keep: Keep::Best, ..options() });
    let history: Vec<f64> = fitted.epochs.iter().map(|e| e.valid.unwrap().loss).collect();
    let best = best_of(&history, EPOCHS);
    assert!(best < EPOCHS, "the last epoch is the best: nothing is shown");
    assert_eq!((fitted.end, fitted.kept), (End::AllEpochs, Some(best)));
    let mut until = executable(1);
    run(&mut until, &FitOptions { epochs: best, ..options() });
    assert_eq!(bits(&kept), bits(&until));
}

#[test]
fn the_caller_can_stop_and_keeps_what_was_done() {
    let rows = Data::<f64>::new(30, 1);
    let mut stopped = executable(1);
    let mut steps = 0;
    let fitted = fit(&mut stopped, rows.labelled(), None, &options(), |progress| {
        steps += usize::from(matches!(progress, Progress::Step { .. }));
        if steps == 6 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let fitted = fitted.unwrap();
    assert_eq!((fitted.end, fitted.kept, fitted.epochs.len()), (End::Stopped, None, 1));
    assert_ne!(bits(&stopped), bits(&executable::<f64>(1)));

    let mut after_epoch = executable(1);
    let fitted =
        fit(&mut after_epoch, rows.labelled(), None, &options(), |progress| match progress {
            Progress::Epoch(epoch) if epoch.epoch == 2 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
    let fitted = fitted.unwrap();
    assert_eq!((fitted.end, fitted.kept), (End::Stopped, Some(2)));
    let mut until = executable(1);
    run(&mut until, &FitOptions { epochs: 2, ..options() });
    assert_eq!(bits(&after_epoch), bits(&until));
}

#[test]
fn divergence_is_an_error_and_no_progress_is_told_of_it() {
    let rows = Data::<f32>::new(30, 1);
    let train = |executable: &mut Executable<f32>, learning_rate| {
        let method = Method::Sgd(Sgd::default());
        let options = FitOptions { method, learning_rate, ..options() };
        fit(executable, rows.labelled(), None, &options, |progress| panic!("{progress:?}"))
    };
    // In single precision this rate is infinite, and times a gradient of 0 no number.
    let found = train(&mut executable(1), 1e300).unwrap_err();
    let what = NotANumber::Parameter;
    assert_eq!(found, FitError::NotANumber { what, epoch: 1, rows: 8 });
    assert_eq!(found.to_string(), "a parameter became NaN in epoch 1, after 8 rows");
    // Infinite log weights of the classes' sums.
    let mut spoilt = executable(1);
    spoilt.update(|parameters| parameters[5].fill(f32::INFINITY));
    let what = NotANumber::Loss;
    let found = train(&mut spoilt, 0.1).unwrap_err();
    assert_eq!(found, FitError::NotANumber { what, epoch: 1, rows: 8 });
}
