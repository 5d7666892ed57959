//! Log-likelihood of rows, missing values marginalised.

use crate::error::check_length;
use crate::executable::Number;
use crate::{Executable, Rows, RunError, Statistics};

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
        self.infer(rows, statistics, (out, 1), |values, out| {
            out.copy_from_slice(&values.total[..out.len()]);
        });
        Ok(())
    }
}
