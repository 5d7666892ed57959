//! What training and evaluation look at: rows with their labels and weights.

use super::FitError;
use super::objective::Objective;
use crate::error::check_length;
use crate::executable::Number;
use crate::simd::Real;
use crate::{Executable, Rows, RunError};

/// Rows with their labels and weights.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a, E> {
    /// The rows.
    pub rows: Rows<'a, E>,
    /// A class for each row, where the objective needs them.
    pub labels: Option<&'a [u32]>,
    /// A weight for each row, finite and not negative; without them every row has weight 1.
    ///
    /// A step follows the gradient of `Σ weight · loss / rows` of its batch, as in Keras, so
    /// weights with mean 1 leave the meaning of the learning rate as it is. What is reported of an
    /// epoch or a data set are weighted means, `Σ weight · loss / Σ weight`.
    pub row_weights: Option<&'a [E]>,
}

impl<'a, E: Number> Examples<'a, E> {
    /// Rows without labels and weights.
    #[must_use]
    pub fn new(rows: Rows<'a, E>) -> Self {
        Self { rows, labels: None, row_weights: None }
    }

    /// Checks that rows, labels and weights fit the network and each other.
    pub(super) fn check(
        &self,
        executable: &Executable<E>,
        objective: Objective,
    ) -> Result<(), RunError> {
        let rows = self.rows.len();
        self.rows.check_columns(executable.plan().variables as usize)?;
        objective.check(self.labels, rows, executable.classes())?;
        if let Some(labels) = self.labels {
            check_length("the list of labels", labels.len(), rows)?;
        }
        if let Some(weights) = self.row_weights {
            check_length("the list of row weights", weights.len(), rows)?;
        }
        Ok(())
    }

    /// Checks that there is something to average over.
    pub(super) fn check_weights(&self) -> Result<(), FitError> {
        for (row, weight) in self.row_weights.into_iter().flatten().enumerate() {
            let weight = Real::to_f64(*weight);
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(FitError::BadRowWeight { row, weight });
            }
        }
        if self.total_weight() > 0.0 { Ok(()) } else { Err(FitError::NoRows) }
    }

    /// The weight of one row.
    pub(super) fn weight(&self, row: usize) -> f64 {
        self.row_weights.map_or(1.0, |weights| Real::to_f64(weights[row]))
    }

    /// The weight of all rows together.
    pub(super) fn total_weight(&self) -> f64 {
        match self.row_weights {
            None => self.rows.len() as f64,
            Some(weights) => weights.iter().map(|weight| Real::to_f64(*weight)).sum(),
        }
    }
}
