//! Why a training failed.

use thiserror::Error;

use crate::RunError;

/// What was no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotANumber {
    /// The loss of a batch.
    #[error("the training loss")]
    Loss,
    /// The loss on the validation rows.
    #[error("the validation loss")]
    ValidationLoss,
    /// A parameter after a step.
    #[error("a parameter")]
    Parameter,
}

/// Why a training failed.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum FitError {
    /// Columns, labels or parameters do not fit.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Training diverged. The executable is then of no use; a state saved before is.
    #[error("{what} became NaN in epoch {epoch}, after {rows} rows")]
    NotANumber {
        /// What was no number.
        what: NotANumber,
        /// Number of the epoch, from 1.
        epoch: usize,
        /// Rows seen in this epoch.
        rows: usize,
    },
    /// Nothing to train on or to validate with.
    #[error("there is no row with a weight above 0")]
    NoRows,
    /// A row weight that is no weight.
    #[error("row {row} has the weight {weight}; weights are finite and not negative")]
    BadRowWeight {
        /// The row.
        row: usize,
        /// Its weight.
        weight: f64,
    },
    /// Options that need validation rows.
    #[error("{what} needs validation rows")]
    NoValidation {
        /// Which option.
        what: &'static str,
    },
    /// A patience that would end training before its first epoch.
    #[error("the patience must be at least 1 epoch")]
    NoPatience,
    /// A saved state that belongs to another training.
    #[error("the saved state does not fit this training: {problem}")]
    State {
        /// What does not fit.
        problem: String,
    },
}
