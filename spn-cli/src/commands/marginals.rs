//! `spn marginals`: the distribution of every single variable given evidence.
//!
//! In: MODEL and perhaps evidence. Out: a file with the probabilities of states, means and variances.

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

/// Computes the distribution of every single variable given each row's evidence.
///
/// For discrete variables the probabilities of their states, for all variables mean and variance as `spn
/// moments` computes them. An observed variable is certain of its value. Where the evidence is impossible,
/// everything is NaN.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  spn marginals circuit.spn --data rows.csv --out marginals.npz")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    evidence: EvidenceArguments,
    /// Where to write a .npz file: `states` [variables], how many each has, 0 if it is continuous;
    /// `probabilities` [rows, variables, most states], unless all are continuous; `mean` and `variance`
    /// [rows, variables].
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
        let marginals = executable.marginals(rows.borrow()?, Statistics::Observed)?;
        let moments = executable.moments(rows.borrow()?, Statistics::Observed)?;
        let seconds = start.elapsed().as_secs_f64();
        let (count, columns) = (rows.len(), rows.columns);
        let states: Vec<f64> = marginals.states.iter().map(|states| *states as f64).collect();
        let (of_variables, of_values) = ([columns], [count, columns]);
        let of_states = [count, columns, marginals.most_states];
        let mut arrays = vec![
            ("states", of_variables.as_slice(), states.as_slice().into()),
            ("mean", of_values.as_slice(), E::to_file(&moments.mean)),
            ("variance", of_values.as_slice(), E::to_file(&moments.variance)),
        ];
        if marginals.most_states > 0 {
            let probabilities = E::to_file(&marginals.probabilities);
            arrays.push(("probabilities", of_states.as_slice(), probabilities));
        }
        npz::write(&self.out, &arrays)?;
        let discrete = marginals.states.iter().filter(|states| **states > 0).count();
        let json = json!({
            "rows": count,
            "discrete_variables": discrete,
            "most_states": marginals.most_states,
            "rows_per_s": per_second(count, seconds),
            "out": self.out,
        });
        let lines = vec![
            ("rows", thousands(count as u64)),
            ("discrete variables", format!("{discrete} of {columns}")),
            ("rows per second", rate(count, seconds)),
            ("written to", self.out.display().to_string()),
        ];
        Ok(Answer::new(json, facts(lines)))
    }
}
