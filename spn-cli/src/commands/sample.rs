//! `spn sample`: samples from the network, given what is observed.
//!
//! In: MODEL and perhaps evidence. Out: a file of samples.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::json;
use spn_runtime::SampleOptions;

use crate::arguments::{ModelArguments, PrecisionArguments};
use crate::data::npy;
use crate::evidence::EvidenceArguments;
use crate::format::{facts, per_second, rate, thousands};
use crate::precision::{Real, in_precision};
use crate::prepared::Prepared;
use crate::{Answer, Failure, Session};

/// Draws samples from the network.
///
/// Without --data, N independent samples. With --data, N samples for each row: missing values are drawn
/// from their distribution given the row's observed ones, which come back as they were given; the samples
/// of a row stand one after the other. Where the evidence of a row is impossible its missing values stay
/// NaN. Samples are a function of --seed, not of threads.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  spn sample circuit.spn -n 1000 --out samples.npy --seed 7\n  \
                        spn sample model.spnb -n 5 --data half.csv --out completions.npy"
)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// How many samples, of each row where there is evidence.
    #[arg(short, long = "number", value_name = "N", default_value_t = 1)]
    number: usize,
    #[command(flatten)]
    evidence: EvidenceArguments,
    /// 1 draws from the distribution, less prefers what is probable, more what is not.
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    temperature: f64,
    /// Where to write the samples, a .npy file of shape [N, variables], or [rows * N, variables] with
    /// evidence; images keep their shape.
    #[arg(long, value_name = "F.npy")]
    out: PathBuf,
    #[command(flatten)]
    precision: PrecisionArguments,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// If model or data cannot be read or do not fit, the network cannot be sampled from, or the file
    /// cannot be written.
    pub fn run(&self, session: &Session) -> Result<Answer, Failure> {
        let prepared = self.evidence.prepare(&self.model, self.precision, session)?;
        in_precision!(prepared.precision, E => self.answer::<E>(prepared, session))
    }

    fn answer<E: Real>(&self, prepared: Prepared, session: &Session) -> Result<Answer, Failure> {
        let shape = prepared.table.shape.clone();
        let (executable, rows) = prepared.into_parts::<E>(session)?;
        let (seed, temperature) = (session.seed(), self.temperature);
        let options = SampleOptions { seed, temperature, ..SampleOptions::default() };
        let start = Instant::now();
        let impossible = impossible_rows(&executable.log_likelihood(rows.borrow()?)?);
        let samples = executable.sample_given(rows.borrow()?, self.number, options)?;
        let seconds = start.elapsed().as_secs_f64();
        let count = rows.len() * self.number;
        npy::write(&self.out, &[&[count][..], &shape].concat(), E::to_file(&samples))?;
        let json = json!({
            "rows": count,
            "rows_per_s": per_second(count, seconds),
            "impossible_rows": impossible,
            "seed": seed,
            "out": self.out,
        });
        let lines = vec![
            ("samples", thousands(count as u64)),
            ("samples per second", rate(count, seconds)),
            ("impossible rows", thousands(impossible as u64)),
            ("written to", self.out.display().to_string()),
        ];
        Ok(Answer::new(json, facts(lines)))
    }
}

/// How many log-likelihoods are -inf.
pub(super) fn impossible_rows<E: Real>(logs: &[E]) -> usize {
    logs.iter().filter(|log| log.double() == f64::NEG_INFINITY).count()
}
