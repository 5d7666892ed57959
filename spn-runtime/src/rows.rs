//! The input: borrowed rows of values, with missing ones.

use crate::RunError;

/// A batch of input rows, row-major, borrowed from the caller.
///
/// A value is missing if it is NaN, or if the mask says so (the value itself may then be anything;
/// only [`Statistics::WholeRow`] looks at it).
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, E> {
    values: &'a [E],
    columns: usize,
    stride: usize,
    count: usize,
    observed: Option<&'a [bool]>,
}

/// What sample-wise normalisation computes a row's mean and deviation from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Statistics {
    /// The observed values only: nothing hidden can leak into the answer.
    #[default]
    Observed,
    /// Every value that is not NaN, masked or not, as the reference library does. In completion
    /// this leaks the brightness and contrast of the hidden part.
    WholeRow,
}

impl<'a, E: Copy> Rows<'a, E> {
    /// Rows of `columns` values that stand one after the other.
    ///
    /// # Errors
    /// If the values are no whole number of rows.
    pub fn new(values: &'a [E], columns: usize) -> Result<Self, RunError> {
        Self::with_stride(values, columns, columns)
    }

    /// Rows of `columns` values whose beginnings are `stride` values apart.
    ///
    /// # Errors
    /// If the stride is shorter than a row, or the values are no whole number of rows.
    pub fn with_stride(values: &'a [E], columns: usize, stride: usize) -> Result<Self, RunError> {
        // The last row need not be followed by a gap.
        let count = if values.is_empty() {
            0
        } else {
            values.len().saturating_sub(columns) / stride.max(1) + 1
        };
        let expected = if count == 0 { 0 } else { (count - 1) * stride + columns };
        let found = values.len();
        if stride < columns || columns == 0 || (found != expected && found != count * stride) {
            return Err(RunError::WrongLength { what: "the batch", found, expected });
        }
        Ok(Self { values, columns, stride, count, observed: None })
    }

    /// The same rows with a mask, `columns` flags for each row: `true` is observed.
    ///
    /// # Errors
    /// If the mask has another length than `rows · columns`.
    pub fn with_mask(mut self, observed: &'a [bool]) -> Result<Self, RunError> {
        let expected = self.count * self.columns;
        if observed.len() != expected {
            let found = observed.len();
            return Err(RunError::WrongLength { what: "the mask", found, expected });
        }
        self.observed = Some(observed);
        Ok(self)
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many values a row has.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The values of one row.
    #[must_use]
    pub fn row(&self, index: usize) -> &'a [E] {
        &self.values[index * self.stride..index * self.stride + self.columns]
    }

    /// The mask of one row, if there is a mask.
    #[must_use]
    pub fn mask(&self, index: usize) -> Option<&'a [bool]> {
        self.observed.map(|mask| &mask[index * self.columns..(index + 1) * self.columns])
    }

    pub(crate) fn check_columns(&self, expected: usize) -> Result<(), RunError> {
        if self.columns == expected || self.count == 0 {
            return Ok(());
        }
        Err(RunError::WrongColumns { found: self.columns, expected })
    }
}

/// A batch of rows of states, one byte for each variable, row-major, borrowed from the caller.
///
/// For networks whose leaves are all discrete; others see the states as numbers.
#[derive(Clone, Copy, Debug)]
pub struct StateRows<'a> {
    states: &'a [u8],
    columns: usize,
}

impl<'a> StateRows<'a> {
    /// The byte that stands for a missing value.
    pub const MISSING: u8 = u8::MAX;

    /// Rows of `columns` states that stand one after the other.
    ///
    /// # Errors
    /// If the bytes are no whole number of rows.
    pub fn new(states: &'a [u8], columns: usize) -> Result<Self, RunError> {
        if columns == 0 || !states.len().is_multiple_of(columns) {
            let found = states.len();
            let expected = found / columns.max(1) * columns;
            return Err(RunError::WrongLength { what: "the batch", found, expected });
        }
        Ok(Self { states, columns })
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.states.len() / self.columns
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// How many states a row has.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The states of one row.
    #[must_use]
    pub fn row(&self, index: usize) -> &'a [u8] {
        &self.states[index * self.columns..(index + 1) * self.columns]
    }

    pub(crate) fn check_columns(&self, expected: usize) -> Result<(), RunError> {
        if self.columns == expected || self.is_empty() {
            return Ok(());
        }
        Err(RunError::WrongColumns { found: self.columns, expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_may_stand_apart() -> Result<(), RunError> {
        let values = [1.0, 2.0, 9.0, 3.0, 4.0];
        let rows = Rows::with_stride(&values, 2, 3)?;
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.row(1), [3.0, 4.0]);
        assert!(Rows::new(&values, 2).is_err());
        assert!(Rows::with_stride(&values, 2, 1).is_err());
        assert!(rows.with_mask(&[true; 3]).is_err());
        assert_eq!(Rows::<f64>::new(&[], 7)?.len(), 0);
        Ok(())
    }
}
