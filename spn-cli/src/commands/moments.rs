//! `spn moments`: mean and variance of every variable given evidence.
//!
//! In: MODEL and perhaps evidence. Out: a file with `mean` and `variance`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::json;
use spn_runtime::Statistics;

use crate::arguments::{ModelArguments, PrecisionArguments};
use crate::data::npz;
use crate::evidence::EvidenceArguments;
use crate::format::{facts, per_second, rate, thousands};
use crate::precision::{Real, in_precision};
use crate::prepared::Prepared;
use crate::{Answer, Failure, Session};

/// Computes mean and variance of every variable given each row's evidence.
///
/// Both in the units of the data; a discrete variable counts as its state's number, an observed one has
/// variance 0. Where the evidence is impossible both are NaN, and so they are where a Cauchy leaf has any
/// part in a variable: a Cauchy distribution has no mean.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  spn moments model.spnb --data rows.csv --out moments.npz")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    evidence: EvidenceArguments,
    /// Where to write `mean` and `variance`, a .npz file with arrays of shape [rows, variables].
    #[arg(long, value_name = "F.npz")]
    out: PathBuf,
    #[command(flatten)]
    precision: PrecisionArguments,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// If model or data cannot be read or do not fit, or the file cannot be written.
    pub fn run(&self, session: &Session) -> Result<Answer, Failure> {
        let prepared = self.evidence.prepare(&self.model, self.precision, session)?;
        in_precision!(prepared.precision, E => self.answer::<E>(prepared, session))
    }

    fn answer<E: Real>(&self, prepared: Prepared, session: &Session) -> Result<Answer, Failure> {
        let (executable, rows) = prepared.into_parts::<E>(session)?;
        let start = Instant::now();
        let moments = executable.moments(rows.borrow()?, Statistics::Observed)?;
        let seconds = start.elapsed().as_secs_f64();
        let (count, columns) = (rows.len(), rows.columns);
        let shape = [count, columns];
        let (mean, variance) = (E::to_file(&moments.mean), E::to_file(&moments.variance));
        npz::write(&self.out, &[("mean", &shape, mean), ("variance", &shape, variance)])?;
        let unknown = moments.mean.iter().filter(|mean| mean.double().is_nan()).count();
        let json = json!({
            "rows": count,
            "without_moments": unknown,
            "rows_per_s": per_second(count, seconds),
            "out": self.out,
        });
        let lines = vec![
            ("rows", thousands(count as u64)),
            ("values without moments", thousands(unknown as u64)),
            ("rows per second", rate(count, seconds)),
            ("written to", self.out.display().to_string()),
        ];
        Ok(Answer::new(json, facts(lines)))
    }
}
