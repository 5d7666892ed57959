//! Log-likelihood of rows, missing values marginalised.

use crate::error::check_length;
use crate::executable::Number;
use crate::kernels::scaled::root::Needed;
use crate::scalar::Source;
use crate::simd::Real;
use crate::{Executable, Rows, RunError, StateRows, Statistics};

impl<E: Number> Executable<E> {
    /// Natural logarithm of each row's density or probability; missing values are marginalised.
    /// Impossible evidence gives -inf. Of a network that normalises its inputs it is the density
    /// of the normalised values.
    ///
    /// # Errors
    /// If the rows have another number of columns than the network has variables.
    pub fn log_likelihood(&self, rows: Rows<'_, E>) -> Result<Vec<E>, RunError> {
        let mut out = vec![E::ZERO; rows.len()];
        self.log_likelihood_into(rows, Statistics::Observed, &mut out)?;
        Ok(out)
    }

    /// As [`log_likelihood`](Self::log_likelihood), into a buffer of one value for each row.
    ///
    /// # Errors
    /// If the columns or the length of the buffer do not fit.
    pub fn log_likelihood_into(
        &self,
        rows: Rows<'_, E>,
        statistics: Statistics,
        out: &mut [E],
    ) -> Result<(), RunError> {
        rows.check_columns(self.plan().variables as usize)?;
        check_length("the output", out.len(), rows.len())?;
        if self.scalar_log_likelihood(E::source(rows), out).is_some() {
            return Ok(());
        }
        self.infer(rows, (statistics, Some(Needed::Total)), (out, 1), |values, out| {
            out.copy_from_slice(&values.total[..out.len()]);
        });
        Ok(())
    }

    /// As [`log_likelihood_into`](Self::log_likelihood_into), of rows of states: fastest for
    /// networks whose leaves are all discrete. Others see the states as numbers.
    ///
    /// # Errors
    /// If the columns or the length of the buffer do not fit.
    pub fn log_likelihood_states(
        &self,
        rows: StateRows<'_>,
        out: &mut [E],
    ) -> Result<(), RunError> {
        rows.check_columns(self.plan().variables as usize)?;
        check_length("the output", out.len(), rows.len())?;
        if self.scalar_log_likelihood(Source::States(rows), out).is_some() {
            return Ok(());
        }
        let number = |state: u8| match state {
            StateRows::MISSING => <E as Real>::NAN,
            state => E::from_f64(f64::from(state)),
        };
        let numbers: Vec<E> =
            (0..rows.len()).flat_map(|row| rows.row(row)).map(|state| number(*state)).collect();
        let numbers = Rows::new(&numbers, rows.columns())?;
        self.log_likelihood_into(numbers, Statistics::Observed, out)
    }
}
