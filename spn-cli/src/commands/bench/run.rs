//! The rounds of a measurement: calls, then the machine's peak, in turn.

use indicatif::{ProgressBar, ProgressStyle};
use spn_ir::plan::Plan;
use spn_runtime::ExecutableOptions;

use super::Arguments;
use crate::format::thousands;
use crate::measure::{Streams, Times, Work, median, peak_flops};
use crate::precision::Real;
use crate::{Failure, Session};

/// Rounds in which calls and peak take turns.
const ROUNDS: u32 = 20;

/// A call that takes longer than its share of the rounds still has this many.
const LEAST_ROUNDS: u32 = 5;

/// Calls in which rows that run again are counted.
const COUNTED_CALLS: usize = 8;

/// Rounds with a measurement of memory, which takes longer.
const STREAM_ROUNDS: usize = 3;

/// What was measured.
pub(super) struct Measured {
    /// Of calls.
    pub(super) times: Times,
    /// Operations per second, the median of all rounds.
    pub(super) peak: f64,
    /// Bytes per second, medians.
    pub(super) streams: Streams,
    pub(super) threads: usize,
    /// Which part of the rows ran again because the first result was not certain.
    pub(super) rerun_fraction: f64,
}

/// Measures calls of the operation on the rows.
pub(super) fn measure<E: Real>(
    arguments: &Arguments,
    plan: Plan,
    values: &[E],
    session: &Session,
) -> Result<Measured, Failure> {
    let options = ExecutableOptions { level: session.level, threads: None };
    let mut work = Work::new(plan, arguments.op, arguments.batch, values, options)?;
    let threads = rayon::current_num_threads();
    let bar = session.draws_progress().then(|| {
        let style = ProgressStyle::with_template("{msg} {wide_bar} round {pos}/{len}");
        let bar = ProgressBar::new(u64::from(ROUNDS));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message("warming up");
        bar.tick();
        bar
    });
    work.warm_up(arguments.seconds / 5.0)?;
    let rerun_fraction = rerun_fraction(&mut work)?;
    let (mut times, mut peaks, mut spent) = (Times::default(), Vec::new(), 0.0);
    for round in 0..ROUNDS {
        if round >= LEAST_ROUNDS && spent >= arguments.seconds {
            break;
        }
        spent += work.time(arguments.seconds / f64::from(ROUNDS), &mut times)?;
        peaks.push(peak_flops::<E>(session.level, threads));
        if let Some(bar) = &bar {
            let per_second = arguments.batch as f64 / times.median();
            bar.set_message(format!("{} rows/s", thousands(per_second as u64)));
            bar.inc(1);
        }
    }
    let streams = (0..STREAM_ROUNDS).map(|_| Streams::measure(session.level, threads));
    let streams = Streams::median(&streams.collect::<Vec<_>>());
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(Measured { times, peak: median(&peaks), streams, threads, rerun_fraction })
}

/// Rows that run again among those of a few calls.
fn rerun_fraction<E: Real>(work: &mut Work<E>) -> Result<f64, Failure> {
    let reruns = |work: &Work<E>| {
        let reruns = work.executable().reruns();
        reruns.double + reruns.logarithmic
    };
    let before = reruns(work);
    for _ in 0..COUNTED_CALLS {
        work.call()?;
    }
    let again = reruns(work) - before;
    Ok(again as f64 / (COUNTED_CALLS * work.batch()) as f64)
}
