//! What a person sees while a network trains.
//!
//! In: the runtime's progress. Out: on a terminal a bar for the current epoch with samples per
//! second, loss and time left; everywhere one line for each epoch.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use spn_runtime::learn::{Epoch, Progress};

use crate::Session;
use crate::format::{duration, rate};

/// The bar and the lines of one training.
pub(super) struct Display<'a> {
    session: &'a Session,
    bar: Option<ProgressBar>,
    rows: usize,
    epochs: usize,
    /// Rows that an earlier run saw.
    before: usize,
    start: Instant,
}

impl<'a> Display<'a> {
    /// A display of `epochs` passes over `rows` rows, of which an earlier run saw `before`.
    pub(super) fn new(session: &'a Session, rows: usize, epochs: usize, before: usize) -> Self {
        let bar = session.draws_progress().then(|| {
            let bar = ProgressBar::new(rows as u64);
            let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { session, bar, rows, epochs, before, start: Instant::now() }
    }

    /// Shows where the training stands.
    pub(super) fn show(&self, progress: &Progress) {
        match *progress {
            Progress::Step { epoch, rows, loss } => self.step(epoch, rows, loss),
            Progress::Epoch(epoch) => self.epoch(&epoch),
        }
    }

    fn step(&self, epoch: usize, rows: usize, loss: f64) {
        let Some(bar) = &self.bar else { return };
        if bar.position() == 0 || bar.prefix().is_empty() {
            bar.set_prefix(format!("epoch {epoch}/{}", self.epochs));
        }
        let elapsed = self.start.elapsed().as_secs_f64();
        let all = (epoch - 1) * self.rows + rows;
        let seen = all.saturating_sub(self.before);
        let rest = (self.epochs * self.rows).saturating_sub(all);
        let left = elapsed / seen.max(1) as f64 * rest as f64;
        let per_second = rate(seen, elapsed);
        bar.set_message(format!("{per_second}/s  loss {loss:.4}  {} left", duration(left)));
        bar.set_position(rows as u64);
    }

    fn epoch(&self, epoch: &Epoch) {
        let line = epoch_line(epoch, self.epochs, self.rows);
        match &self.bar {
            Some(bar) => {
                bar.println(line);
                bar.set_position(0);
                bar.set_prefix("");
            }
            None => self.session.say(&line),
        }
    }
}

impl Drop for Display<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `epoch  3/15  loss 0.1234  valid 0.1456  accuracy 96.10 %  1.2 s  (50,000/s)`
fn epoch_line(epoch: &Epoch, epochs: usize, rows: usize) -> String {
    let seconds = epoch.training_time.as_secs_f64();
    let width = epochs.to_string().len();
    let mut line = format!("epoch {:>width$}/{epochs}  loss {:.4}", epoch.epoch, epoch.train);
    if let Some(valid) = epoch.valid {
        line.push_str(&format!("  valid {:.4}", valid.loss));
        if let Some(accuracy) = valid.accuracy {
            line.push_str(&format!("  accuracy {:.2} %", accuracy * 100.0));
        }
    }
    line.push_str(&format!("  {}  ({}/s)", duration(seconds), rate(rows, seconds)));
    line
}
