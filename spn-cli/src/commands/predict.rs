//! `spn predict`: the class posteriors of each row.
//!
//! In: MODEL and DATA. Out: a file `[rows, classes]` of probabilities.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use crate::arguments::{DataArguments, ModelArguments, PrecisionArguments};
use crate::data::npy;
use crate::format::{facts, per_second, rate, thousands};
use crate::precision::{Real, in_precision};
use crate::prepared::Prepared;
use crate::{Answer, Failure, Session};

/// Computes the class posteriors of each row.
///
/// The classes are the children of the root: p(class | row) for each, with missing values
/// marginalised. Where a row is impossible all classes are equally probable.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  spn predict model.spnb --data images.npy --out posteriors.npy")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    /// Where to write the probabilities, a .npy file of shape [rows, classes].
    #[arg(long, value_name = "F.npy")]
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
        let prepared = Prepared::new(&self.model, &self.data, self.precision, session)?;
        in_precision!(prepared.precision, E => self.answer::<E>(prepared, session))
    }

    fn answer<E: Real>(&self, prepared: Prepared, session: &Session) -> Result<Answer, Failure> {
        let (executable, rows) = prepared.into_parts::<E>(session)?;
        let (classes, start) = (executable.classes(), Instant::now());
        let posteriors = executable.class_posteriors(rows.borrow()?)?;
        let seconds = start.elapsed().as_secs_f64();
        let count = posteriors.len() / classes.max(1);
        npy::write(&self.out, &[count, classes], E::to_file(&posteriors))?;
        let json = json!({
            "rows": count,
            "classes": classes,
            "rows_per_s": per_second(count, seconds),
            "out": self.out,
        });
        let lines = vec![
            ("rows", thousands(count as u64)),
            ("classes", thousands(classes as u64)),
            ("rows per second", rate(count, seconds)),
            ("written to", self.out.display().to_string()),
        ];
        Ok(Answer::new(json, facts(lines)))
    }
}
