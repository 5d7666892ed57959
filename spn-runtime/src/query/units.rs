//! From the numbers that leaves see back to those of the input: normalisation undone.

use spn_ir::Normalisation;

use crate::executable::Number;
use crate::kernels::input::TileRows;
use crate::simd::Real;
use crate::workspace::Workspace;
use crate::{Executable, Rows, RunError};

/// The units of the rows of one tile.
#[derive(Clone, Copy)]
pub(crate) struct InputUnits<'a> {
    normalisation: Option<&'a Normalisation>,
    /// Of each sample.
    mean: &'a [f64],
    deviation: &'a [f64],
}

impl<'a> InputUnits<'a> {
    /// Those of the tile that a workspace holds.
    pub(crate) fn new<E: Number>(executable: &'a Executable<E>, tile: &'a Workspace<E>) -> Self {
        let normalisation = executable.plan().normalisation.as_ref();
        Self { normalisation, mean: &tile.mean, deviation: &tile.deviation }
    }

    /// What a standard score of a variable is in the units of the input.
    #[inline]
    pub(crate) fn value(&self, score: f64, variable: usize, sample: usize) -> f64 {
        let mean = match self.normalisation {
            None => return score,
            Some(Normalisation::SampleWise { .. }) => self.mean[sample],
            Some(Normalisation::Fixed { mean, .. }) => mean[variable],
        };
        score * self.width(variable, sample) + mean
    }

    /// How many units of the input one unit of a standard score is.
    pub(crate) fn width(&self, variable: usize, sample: usize) -> f64 {
        match self.normalisation {
            None => 1.0,
            Some(Normalisation::SampleWise { .. }) => self.deviation[sample],
            Some(Normalisation::Fixed { deviation, epsilon, .. }) => deviation[variable] + epsilon,
        }
    }
}

impl<E: Number> Executable<E> {
    /// Checks that every row has the mean and deviation that its answer's units are made of.
    ///
    /// # Errors
    /// If the network standardises each row by itself and a row has nothing observed.
    pub(crate) fn check_units(
        &self,
        query: &'static str,
        rows: Rows<'_, E>,
    ) -> Result<(), RunError> {
        if !matches!(self.plan().normalisation, Some(Normalisation::SampleWise { .. })) {
            return Ok(());
        }
        let tile = TileRows { rows, first: 0, count: rows.len(), tile: rows.len() };
        let nothing = |row: &usize| (0..rows.columns()).all(|v| !tile.is_observed(*row, v));
        match (0..rows.len()).find(nothing) {
            None => Ok(()),
            Some(row) => {
                let reason = format!("which row {row} without observed values does not have");
                Err(RunError::SampleWiseNormalisation { query, reason })
            }
        }
    }
}

/// Puts observed values of a row where values of their variables stand.
pub(crate) fn restore_observed<'a, E: Number>(
    rows: Rows<'_, E>,
    row: usize,
    values: impl Iterator<Item = (&'a mut E, usize)>,
) {
    let given = rows.row(row);
    for (value, variable) in values {
        let observed = rows.mask(row).is_none_or(|mask| mask[variable]);
        if observed && !Real::is_nan(given[variable]) {
            *value = given[variable];
        }
    }
}
