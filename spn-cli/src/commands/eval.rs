//! `spn eval`: how well a model does on a data set.
//!
//! In: MODEL, DATA and perhaps labels. Out: mean log-likelihood, bits per variable, accuracy.

use std::time::Instant;

use clap::Args;
use serde_json::json;
use spn_runtime::learn::{Examples, Objective, evaluate};

use crate::arguments::{DataArguments, ModelArguments, PrecisionArguments};
use crate::format::{facts, number, per_second, rate, thousands};
use crate::precision::{Real, in_precision};
use crate::prepared::{Prepared, read_labels};
use crate::{Answer, Failure, Session};

/// Measures the quality of a model on a data set.
///
/// Prints the mean log-likelihood (natural logarithm; of a network that normalises its input, the
/// density of the normalised values), the bits per variable and, with labels, the share of rows
/// whose most probable class is their label. Missing values are marginalised.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  spn eval model.spnb --data t10k-images-idx3-ubyte.gz \
                        --labels t10k-labels-idx1-ubyte.gz")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    /// The class of each row, from 0: a file of the same kinds as DATA.
    #[arg(long, value_name = "DATA")]
    labels: Option<String>,
    #[command(flatten)]
    precision: PrecisionArguments,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// If model, data or labels cannot be read or do not fit each other.
    pub fn run(&self, session: &Session) -> Result<Answer, Failure> {
        let prepared = Prepared::new(&self.model, &self.data, self.precision, session)?;
        in_precision!(prepared.precision, E => self.answer::<E>(prepared, session))
    }

    fn answer<E: Real>(&self, prepared: Prepared, session: &Session) -> Result<Answer, Failure> {
        let count = prepared.table.rows;
        let classes = prepared.plan.root.inputs as usize;
        let labels = self.labels.as_ref();
        let rows = self.data.rows.as_ref();
        let labels = labels.map(|file| read_labels(file, rows, count, classes)).transpose()?;
        let (executable, rows) = prepared.into_parts::<E>(session)?;
        let start = Instant::now();
        let examples = Examples { labels: labels.as_deref(), ..Examples::new(rows.borrow()?) };
        let quality = evaluate(&executable, examples, Objective::Generative)?;
        let seconds = start.elapsed().as_secs_f64();
        let bits = -quality.log_likelihood / std::f64::consts::LN_2 / rows.columns as f64;
        let mut lines = vec![
            ("rows", thousands(count as u64)),
            ("log-likelihood", format!("{:.4}", quality.log_likelihood)),
            ("bits per variable", format!("{bits:.4}")),
        ];
        let mut json = json!({
            "rows": count,
            "log_likelihood": number(quality.log_likelihood),
            "bits_per_dim": number(bits),
            "rows_per_s": per_second(count, seconds),
        });
        if let Some(accuracy) = quality.accuracy {
            lines.push(("accuracy", format!("{:.2} %", accuracy * 100.0)));
            json["accuracy"] = json!(accuracy);
        }
        if quality.log_likelihood == f64::NEG_INFINITY {
            let values = executable.log_likelihood(rows.borrow()?)?;
            let impossible = values.iter().filter(|v| v.double() == f64::NEG_INFINITY).count();
            lines.push(("impossible rows", thousands(impossible as u64)));
            json["impossible_rows"] = json!(impossible);
        }
        lines.push(("rows per second", rate(count, seconds)));
        Ok(Answer::new(json, facts(lines)))
    }
}
