//! `spn conditional`: log p(q | e) of each row.
//!
//! In: MODEL, asked values and evidence. Out: a file with one number for each row, and their mean.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::arguments::{DataArguments, ModelArguments, PrecisionArguments};
use crate::data::{self, Table, npy};
use crate::format::{facts, number, thousands};
use crate::precision::{Real, in_precision};
use crate::prepared::{Prepared, Rows};
use crate::{Answer, Failure, Session};

/// Computes the conditional log-probability log p(q | e) of each row.
///
/// DATA holds the asked values q and --given the evidence e, each with the rest missing; one row of
/// evidence may stand for all. Natural logarithms, densities where values are continuous. A value that is
/// asked and given must be the same, or the row is impossible (-inf). Where the evidence itself is
/// impossible there is no answer (NaN), which is told.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  spn conditional circuit.spn --data asked.csv --given \
                        evidence.csv --out conditional.npy")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    asked: DataArguments,
    /// The evidence, a file of the same kinds: a row for each row of DATA, or one for all. --rows takes the
    /// same rows of it.
    #[arg(long, value_name = "E")]
    given: String,
    /// Where to write the values, a .npy file of shape [rows]; without it only the mean is told.
    #[arg(long, value_name = "F.npy")]
    out: Option<PathBuf>,
    #[command(flatten)]
    precision: PrecisionArguments,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// If model or data cannot be read or do not fit, or the file cannot be written.
    pub fn run(&self, session: &Session) -> Result<Answer, Failure> {
        let prepared = Prepared::new(&self.model, &self.asked, self.precision, session)?;
        let given = self.evidence(&prepared)?;
        in_precision!(prepared.precision, E => self.answer::<E>(prepared, given, session))
    }

    /// The rows of evidence that belong to the asked ones.
    fn evidence(&self, prepared: &Prepared) -> Result<Table, Failure> {
        let mut given = data::read(&self.given, None)?;
        if given.rows != 1 && self.asked.rows.is_some() {
            given = data::read(&self.given, self.asked.rows.clone())?;
        }
        prepared.model.check_columns(&self.given, given.columns)?;
        let asked = prepared.table.rows;
        if given.rows != 1 && given.rows != asked {
            return Err(Failure::misuse(format!(
                "{} has {} rows of evidence, but {} has {asked} rows; give a row for each, or one for all",
                self.given, given.rows, self.asked.data
            )));
        }
        Ok(given)
    }

    fn answer<E: Real>(
        &self,
        prepared: Prepared,
        given: Table,
        session: &Session,
    ) -> Result<Answer, Failure> {
        let columns = given.columns;
        let given = Rows { values: E::from_table(given.values), columns };
        let (executable, asked) = prepared.into_parts::<E>(session)?;
        let values = executable.log_conditional(asked.borrow()?, given.borrow()?)?;
        let count = values.len();
        let defined: Vec<f64> = values.iter().map(|v| v.double()).filter(|v| !v.is_nan()).collect();
        let mean = defined.iter().sum::<f64>() / defined.len() as f64;
        let (undefined, impossible) = (
            count - defined.len(),
            defined.iter().filter(|value| **value == f64::NEG_INFINITY).count(),
        );
        let mut lines = vec![
            ("rows", thousands(count as u64)),
            ("mean log p(q | e)", format!("{mean:.6}")),
            ("impossible rows", thousands(impossible as u64)),
            ("impossible evidence", thousands(undefined as u64)),
        ];
        if let Some(out) = &self.out {
            npy::write(out, &[count], E::to_file(&values))?;
            lines.push(("written to", out.display().to_string()));
        }
        let json = json!({
            "mean": number(mean),
            "rows": count,
            "impossible_rows": impossible,
            "impossible_evidence": undefined,
            "out": self.out,
        });
        Ok(Answer::new(json, facts(lines)))
    }
}
