//! `spn mpe`: the most probable completion of each row.
//!
//! In: MODEL and rows with missing values. Out: a file of completed rows.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::json;
use spn_runtime::Statistics;

use super::sample::impossible_rows;
use crate::arguments::{ModelArguments, PrecisionArguments};
use crate::data::npy;
use crate::evidence::EvidenceArguments;
use crate::format::{facts, number, per_second, rate, thousands};
use crate::precision::{Real, in_precision};
use crate::prepared::Prepared;
use crate::{Answer, Failure, Session};

/// Finds the most probable completion of each row (the most probable explanation).
///
/// Missing values become those that are most probable together with the observed ones, by max-product:
/// sums take their largest input and the winners are followed back to the leaves. In a deterministic
/// network that is exact, which is told. In others it is the completion of the best single tree of the
/// network, an approximation; the log value that is told then is a lower bound of the log-likelihood of the
/// completed row. Where the evidence is impossible missing values stay NaN.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  spn mpe circuit.spn --data rows.csv --out explained.npy\n  \
                        spn mpe circuit.spn --data rows.csv --k 5 --out five.npy")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    evidence: EvidenceArguments,
    /// How many completions of each row, the most probable first; rows with fewer end with NaN.
    #[arg(long, value_name = "K", default_value_t = 1)]
    k: usize,
    /// Where to write the completed rows, a .npy file of the data's shape; with --k above 1 the completions
    /// of a row stand one after the other.
    #[arg(long, value_name = "F.npy")]
    out: PathBuf,
    /// Where to write the log value of each row, a .npy file of shape [rows]; with --k above 1 [rows, K].
    #[arg(long, value_name = "F.npy")]
    log_values: Option<PathBuf>,
    #[command(flatten)]
    precision: PrecisionArguments,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// If model or data cannot be read or do not fit, the network is invalid, or a file cannot be written.
    pub fn run(&self, session: &Session) -> Result<Answer, Failure> {
        let prepared = self.evidence.prepare(&self.model, self.precision, session)?;
        in_precision!(prepared.precision, E => self.answer::<E>(prepared, session))
    }

    fn answer<E: Real>(&self, prepared: Prepared, session: &Session) -> Result<Answer, Failure> {
        let shape =
            [&[prepared.table.rows.saturating_mul(self.k)][..], &prepared.table.shape].concat();
        let (executable, rows) = prepared.into_parts::<E>(session)?;
        let start = Instant::now();
        let found = match self.k {
            1 => executable.mpe(rows.borrow()?, Statistics::Observed)?,
            k => executable.mpe_best(rows.borrow()?, k, Statistics::Observed)?,
        };
        let seconds = start.elapsed().as_secs_f64();
        let count = rows.len();
        npy::write(&self.out, &shape, E::to_file(&found.values))?;
        if let Some(file) = &self.log_values {
            npy::write(file, &[count], E::to_file(&found.log_values))?;
        }
        let mean =
            found.log_values.iter().map(|log| log.double()).sum::<f64>() / count.max(1) as f64;
        let impossible = impossible_rows(&found.log_values);
        let json = json!({
            "rows": count,
            "k": self.k,
            "exact": found.exact,
            "mean_log_value": number(mean),
            "impossible_rows": impossible,
            "rows_per_s": per_second(count, seconds),
            "out": self.out,
            "log_values": self.log_values,
        });
        let certainty = match found.exact {
            true => "exact: the network is deterministic",
            false => "approximate: the network is not known to be deterministic",
        };
        let lines = vec![
            ("rows", thousands(count as u64)),
            ("completions", certainty.to_owned()),
            ("mean log value", format!("{mean:.6}")),
            ("impossible rows", thousands(impossible as u64)),
            ("rows per second", rate(count, seconds)),
            ("written to", self.out.display().to_string()),
        ];
        Ok(Answer::new(json, facts(lines)))
    }
}
