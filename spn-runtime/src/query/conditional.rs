//! Conditional log-probabilities: log p(q | e), the difference of two log-likelihoods.

use spn_ir::Normalisation;

use crate::error::check_length;
use crate::executable::Number;
use crate::simd::Real;
use crate::{Executable, Rows, RunError};

impl<E: Number> Executable<E> {
    /// `log p(q | e)` of each row: `asked` holds the asked values and `given` the evidence, each with the
    /// rest missing. One row of evidence may stand for all rows. Densities where values are continuous,
    /// of normalised values where the network normalises.
    ///
    /// A value that is asked and given must be the same: then it is evidence; two different values are
    /// impossible together. The answer is -inf where the asked values are impossible given the evidence,
    /// exactly 0 where nothing is asked, and NaN where the evidence itself is impossible: no probability
    /// is conditional on that. It is a difference of two log-likelihoods and has their rounding error, so
    /// use double precision where they are large.
    ///
    /// # Errors
    /// If columns or numbers of rows do not fit, or the network standardises each row by itself: asked
    /// values would change what the evidence means.
    pub fn log_conditional(
        &self,
        asked: Rows<'_, E>,
        given: Rows<'_, E>,
    ) -> Result<Vec<E>, RunError> {
        let columns = self.plan().variables as usize;
        asked.check_columns(columns)?;
        given.check_columns(columns)?;
        if given.len() != 1 {
            check_length("the evidence", given.len(), asked.len())?;
        }
        if let Some(Normalisation::SampleWise { .. }) = self.plan().normalisation {
            let query = "a conditional probability";
            let reason = "so that asked values would change what the evidence means".to_owned();
            return Err(RunError::SampleWiseNormalisation { query, reason });
        }
        let evidence = self.log_likelihood(given)?;
        let joint = Joint::new(asked, given, columns);
        let joint_logs = self.log_likelihood(Rows::new(&joint.values, columns.max(1))?)?;
        let answer = |(row, log): (usize, E)| {
            let evidence = evidence[row.min(evidence.len() - 1)];
            match (evidence == E::NEG_INFINITY, joint.contradicts[row]) {
                (true, _) => <E as Real>::NAN,
                (false, true) => E::NEG_INFINITY,
                (false, false) if !joint.asks[row] => E::ZERO,
                (false, false) => log - evidence,
            }
        };
        Ok(joint_logs.into_iter().enumerate().map(answer).collect())
    }
}

/// Asked and given values together.
struct Joint<E> {
    values: Vec<E>,
    /// Whether a row is asked for another value than it gives.
    contradicts: Vec<bool>,
    /// Whether a row asks for anything that is not given.
    asks: Vec<bool>,
}

impl<E: Number> Joint<E> {
    fn new(asked: Rows<'_, E>, given: Rows<'_, E>, columns: usize) -> Self {
        let count = asked.len();
        let mut joint = Self {
            values: Vec::with_capacity(count * columns),
            contradicts: vec![false; count],
            asks: vec![false; count],
        };
        for row in 0..count {
            for variable in 0..columns {
                let question = observed(asked, row, variable);
                let evidence = observed(given, row.min(given.len() - 1), variable);
                match (question, evidence) {
                    (Some(question), Some(evidence)) if question != evidence => {
                        joint.contradicts[row] = true;
                    }
                    (Some(_), None) => joint.asks[row] = true,
                    _ => {}
                }
                joint.values.push(evidence.or(question).unwrap_or(<E as Real>::NAN));
            }
        }
        joint
    }
}

fn observed<E: Number>(rows: Rows<'_, E>, row: usize, variable: usize) -> Option<E> {
    let value = rows.row(row)[variable];
    let seen = rows.mask(row).is_none_or(|mask| mask[variable]);
    (seen && !Real::is_nan(value)).then_some(value)
}
