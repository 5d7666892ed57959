//! What the comparison of all cases gave.

use std::io::{self, Write};

use crate::case::Case;

/// Counts and failures.
#[derive(Default)]
pub(crate) struct Report {
    cases: usize,
    compared: usize,
    worst: (f64, String),
    /// One line for each array that differs and each case that is not understood.
    pub(crate) failures: Vec<String>,
}

impl Report {
    /// Adds a case that was run.
    pub(crate) fn add(&mut self, case: Case, outcome: Result<(), String>) {
        let name = case.name.clone();
        let (ledger, unknown) = case.finish();
        self.cases += 1;
        self.compared += ledger.compared.len();
        if let Err(problem) = outcome {
            self.failures.push(format!("{name}: {problem}"));
        }
        for (array, (difference, place)) in ledger.compared {
            if let Some(problem) = &difference.problem {
                self.failures.push(format!("{name}, {array} ({place}): {problem}"));
            }
            if difference.error > self.worst.0 || self.worst.1.is_empty() {
                self.worst = (difference.error, format!("{name}, {array}"));
            }
        }
        let unknown = unknown.into_iter().map(|array| format!("{name}, {array}: not understood"));
        self.failures.extend(unknown);
    }

    /// Adds a case that cannot even be read.
    pub(crate) fn unreadable(&mut self, name: &str, problem: &str) {
        self.cases += 1;
        self.failures.push(format!("{name}: {problem}"));
    }

    /// Writes the result where libtest does not swallow it.
    pub(crate) fn print(&self) {
        let Self { cases, compared, worst: (error, place), .. } = self;
        let failed = self.failures.len();
        // The line stands alone even after libtest's `test oracle ... `.
        let text = format!(
            "\noracle: {cases} cases, {compared} arrays compared, {failed} failed, worst relative \
             error {error:.1e} ({place})\n"
        );
        // Nothing depends on the line: a closed pipe is no failure.
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }
}
