//! What a training has done so far: its epochs and the running one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Quality;

/// What one epoch did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Mean loss of its rows by their weights, each before the step of its batch.
    pub train: f64,
    /// Quality on the validation rows after it, if there are any.
    pub valid: Option<Quality>,
    /// Time for its steps.
    pub training_time: Duration,
}

/// The epoch that is not over yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunningEpoch {
    /// Rows seen in it.
    pub rows: usize,
    /// Their weights, added up.
    pub weight: f64,
    /// Their losses times their weights, added up.
    pub loss: f64,
    /// Time for its steps.
    pub training_time: Duration,
}

impl RunningEpoch {
    /// Mean loss so far; 0 before the first row with a weight.
    #[must_use]
    pub fn mean_loss(&self) -> f64 {
        if self.weight > 0.0 { self.loss / self.weight } else { 0.0 }
    }
}

/// Where the training stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// After a step.
    Step {
        /// Number of the epoch, from 1.
        epoch: usize,
        /// Rows seen in this epoch.
        rows: usize,
        /// Mean loss of this epoch so far.
        loss: f64,
    },
    /// After an epoch.
    Epoch(Epoch),
}

/// The epoch with the lowest validation loss, the first of equals. `None` without any.
pub(super) fn best_epoch(epochs: &[Epoch]) -> Option<&Epoch> {
    let mut best: Option<(&Epoch, f64)> = None;
    for epoch in epochs {
        if let Some(valid) = epoch.valid
            && best.is_none_or(|(_, loss)| valid.loss < loss)
        {
            best = Some((epoch, valid.loss));
        }
    }
    best.map(|(epoch, _)| epoch)
}

/// How many epochs there were since the best one.
pub(super) fn epochs_since_best(epochs: &[Epoch]) -> usize {
    let (last, best) = (epochs.last(), best_epoch(epochs));
    last.zip(best).map_or(0, |(last, best)| last.epoch - best.epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(losses: &[f64]) -> Vec<Epoch> {
        let epoch = |(index, loss): (usize, &f64)| Epoch {
            epoch: index + 1,
            train: 0.0,
            valid: Some(Quality { loss: *loss, ..Quality::default() }),
            training_time: Duration::ZERO,
        };
        losses.iter().enumerate().map(epoch).collect()
    }

    #[test]
    fn the_best_epoch_is_the_first_with_the_lowest_loss() {
        let best = |losses: &[f64]| {
            let epochs = epochs(losses);
            (best_epoch(&epochs).map(|epoch| epoch.epoch), epochs_since_best(&epochs))
        };
        assert_eq!(best(&[]), (None, 0));
        assert_eq!(best(&[3.0, 1.0, 2.0, 1.0]), (Some(2), 2));
        assert_eq!(best(&[f64::INFINITY, f64::INFINITY]), (Some(1), 1));
        assert_eq!(best(&[f64::INFINITY, 5.0, -2.0]), (Some(3), 0));
        let mut without = epochs(&[1.0]);
        without[0].valid = None;
        assert_eq!(best_epoch(&without), None);
    }
}
