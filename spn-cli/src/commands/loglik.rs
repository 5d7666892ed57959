//! `spn loglik`: the log-likelihood of each row.
//!
//! In: MODEL and DATA. Out: a file with one number for each row, and their mean.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use crate::arguments::{DataArguments, ModelArguments, PrecisionArguments};
use crate::data::npy;
use crate::format::{facts, number, per_second, rate, thousands};
use crate::precision::{Real, in_precision};
use crate::prepared::Prepared;
use crate::{Answer, Failure, Session};

/// Computes the log-likelihood of each row.
///
/// Natural logarithms; missing values are marginalised, so a row without any value has 0. A row
/// that is impossible has -inf. Of a network that normalises its input it is the density of the
/// normalised values.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  spn loglik circuit.spn --data rows.csv --out loglik.npy")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
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
        let prepared = Prepared::new(&self.model, &self.data, self.precision, session)?;
        in_precision!(prepared.precision, E => self.answer::<E>(prepared, session))
    }

    fn answer<E: Real>(&self, prepared: Prepared, session: &Session) -> Result<Answer, Failure> {
        let (executable, rows) = prepared.into_parts::<E>(session)?;
        let start = Instant::now();
        let values = executable.log_likelihood(rows.borrow()?)?;
        let seconds = start.elapsed().as_secs_f64();
        let count = values.len();
        let mean = values.iter().map(|value| value.double()).sum::<f64>() / count.max(1) as f64;
        let impossible = values.iter().filter(|v| v.double() == f64::NEG_INFINITY).count();
        let mut lines = vec![
            ("rows", thousands(count as u64)),
            ("mean log-likelihood", format!("{mean:.6}")),
            ("impossible rows", thousands(impossible as u64)),
            ("rows per second", rate(count, seconds)),
        ];
        if let Some(out) = &self.out {
            npy::write(out, &[count], E::to_file(&values))?;
            lines.push(("written to", out.display().to_string()));
        }
        let json = json!({
            "mean": number(mean),
            "rows": count,
            "rows_per_s": per_second(count, seconds),
            "impossible_rows": impossible,
            "out": self.out,
        });
        Ok(Answer::new(json, facts(lines)))
    }
}
