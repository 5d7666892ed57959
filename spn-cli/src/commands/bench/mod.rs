//! `spn bench`: how fast a network runs on this machine, and how fast it could.
//!
//! In: MODEL, an operation, perhaps DATA. Out: rows per second, times of a batch, and what the machine
//! can do at best, measured in the same run.

mod run;

use std::ops::Range;
use std::time::Instant;

use clap::Args;
use serde_json::json;
use spn_compiler::Options;
use spn_ir::layers::TrainingData;
use spn_ir::plan::Plan;

use crate::arguments::{ModelArguments, PrecisionArguments, row_range};
use crate::data::{self, Table};
use crate::format::{facts, thousands};
use crate::measure::{Operation, made_up_rows};
use crate::model::{LoadOptions, LoadedModel};
use crate::precision::{Precision, Real, in_precision};
use crate::training::check_trainable;
use crate::{Answer, Failure, Session};
use run::{Measured, measure};

/// Measures how fast a network runs, and how much of the machine's peak that is.
///
/// After warm-up, batches are timed in rounds; after each round the same threads measure the peak of
/// multiply-adds, so that both figures hold for the same minutes. Operations are counted for the matrix
/// products that the operation cannot do without: one for each sum forward, two more for derivatives.
/// Without --data rows are made up that the network finds plausible. Training steps are so small that the
/// network stays what it is; nothing is written.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  spn bench examples/dgc_spn_mnist.json --batch 512\n  \
    spn bench model.spnb --op em --batch 128 --data train.npy --threads 1\n  \
    spn bench circuit.json --batch 1 --precision f32 --json")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// What is timed.
    #[arg(long, value_name = "NAME", default_value = "loglik")]
    op: Operation,
    /// Rows of a call.
    #[arg(long, value_name = "ROWS", default_value = "512", value_parser = at_least_one)]
    batch: usize,
    /// The data: .npy, FILE.npz:KEY, CSV or IDX, also .gz; batches are taken in turn. Without it rows are
    /// made up.
    #[arg(long, value_name = "DATA")]
    data: Option<String>,
    /// Which rows of DATA, from 0 and without the end: A..B.
    #[arg(long, value_name = "A..B", value_parser = row_range, requires = "data")]
    rows: Option<Range<usize>>,
    /// How long calls are timed, all rounds together; a batch that takes longer is timed five times.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = positive)]
    seconds: f64,
    #[command(flatten)]
    precision: PrecisionArguments,
}

/// Rows are made up for this many batches, but not for more rows than this.
const MADE_UP: (usize, usize) = (8, 4096);

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// If model or data cannot be read or do not fit, or the model cannot be trained and that is asked
    /// for.
    pub fn run(&self, session: &Session) -> Result<Answer, Failure> {
        let range = self.rows.clone();
        let table = self.data.as_ref().map(|file| data::read(file, range)).transpose()?;
        let rows = table.as_ref().map(|t| TrainingData::from_f32(&t.values, t.columns));
        // Speed does not depend on what initialisers would find in data.
        let options = LoadOptions { seed: session.seed, data: rows, structure_only: true };
        let model = LoadedModel::read(&self.model.model, options)?;
        if let (Some(file), Some(table)) = (&self.data, &table) {
            model.check_columns(file, table.columns)?;
        }
        if let Some(method) = self.op.method() {
            let hint = "--op gradient needs no constraint, as it changes nothing";
            check_trainable(&model, &method).map_err(|failure| failure.with_hint(hint))?;
        }
        let columns = table.as_ref().map(|table| table.columns);
        let options = Options { allow_invalid: self.model.allow_invalid, ..Options::default() };
        let start = Instant::now();
        let plan = model.plan(columns, &options)?;
        let compile = start.elapsed().as_secs_f64();
        let precision = self.precision.precision.unwrap_or(model.precision);
        in_precision!(precision, E => self.answer::<E>(plan, table, compile, session))
    }

    fn answer<E: Real>(
        &self,
        plan: Plan,
        table: Option<Table>,
        compile: f64,
        session: &Session,
    ) -> Result<Answer, Failure> {
        let (adds, passes) = (plan.multiply_adds(), self.op.passes());
        let made = table.is_none();
        let values = table.map_or_else(|| self.made_up(&plan, session.seed()), |t| t.values);
        let rows = values.len() / (plan.variables as usize).max(1);
        let Measured { times, peak, streams, threads, rerun_fraction } =
            measure::<E>(self, plan, &E::from_table(values), session)?;
        let (median, late) = (times.median(), times.quantile(0.99));
        let per_second = self.batch as f64 / median.max(1e-12);
        let flops = 2.0 * (adds * u64::from(passes)) as f64 * per_second;
        let precision = match E::PRECISION {
            Precision::F32 => "f32",
            Precision::F64 => "f64",
        };
        let json = json!({
            "op": self.op.name(), "batch": self.batch, "precision": precision,
            "isa": session.level.to_string(), "threads": threads,
            "rows_per_s": per_second, "median_s": median, "p99_s": late, "samples": times.len(),
            "multiply_adds_per_row": adds, "passes": passes, "rerun_fraction": rerun_fraction,
            "gflops": flops / 1e9, "peak_gflops": peak / 1e9, "fraction_of_peak": flops / peak,
            "l2_gb_s": streams.level2 / 1e9, "l3_gb_s": streams.level3 / 1e9,
            "memory_gb_s": streams.memory / 1e9,
            "compile_s": compile, "data": self.data, "rows": rows,
        });
        let count = if passes == 1 { "once".to_owned() } else { format!("{passes} times") };
        let of_rows = if made { "made up" } else { "given" };
        let lines = vec![
            (
                "operation",
                format!("{} in batches of {}", self.op.name(), thousands(self.batch as u64)),
            ),
            ("rows", format!("{} {of_rows}", thousands(rows as u64))),
            ("runs on", format!("{threads} threads, {}, {precision}", session.level)),
            ("rows per second", thousands(per_second.round() as u64)),
            (
                "time of a batch",
                format!("{} (median of {})", brief(median), thousands(times.len() as u64)),
            ),
            ("99 % stay below", brief(late)),
            ("multiply-adds", format!("{} for each row, {count}", thousands(adds))),
            ("speed", format!("{:.1} GFLOP/s, {:.1} % of peak", flops / 1e9, 100.0 * flops / peak)),
            ("peak", format!("{:.1} GFLOP/s", peak / 1e9)),
            (
                "reads",
                format!(
                    "{:.0} GB/s from second-level cache, {:.0} from third-level, {:.0} from memory",
                    streams.level2 / 1e9,
                    streams.level3 / 1e9,
                    streams.memory / 1e9
                ),
            ),
            ("run again", format!("{:.2} % of rows", 100.0 * rerun_fraction)),
            ("compiled in", brief(compile)),
        ];
        Ok(Answer::new(json, facts(lines)))
    }

    /// Rows for some batches.
    fn made_up(&self, plan: &Plan, seed: u64) -> Vec<f32> {
        let (batches, most) = MADE_UP;
        let rows = self.batch.saturating_mul(batches).min(most.max(self.batch));
        made_up_rows(plan, rows, seed)
    }
}

/// A time of any size: `1.23 µs`, `4.56 ms`.
fn brief(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.2} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "a batch is a number of rows, at least 1".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|seconds: &f64| *seconds > 0.0 && seconds.is_finite());
    number.ok_or_else(|| "give a number of seconds greater than 0".to_owned())
}
