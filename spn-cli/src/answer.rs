//! What a command answers, and how it reaches the terminal or the program that reads it.
//!
//! In: an [`Answer`]. Out: its text or, with `--json`, exactly one JSON document on standard
//! output. Writing never panics: a reader that closes the pipe early is no error.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::Exit;

/// The answer of a command.
#[derive(Clone, Debug)]
pub struct Answer {
    /// For programs.
    pub json: Value,
    /// For people; complete lines.
    pub text: String,
    /// Whether the answer is "yes"; only a check can answer "no".
    pub yes: bool,
}

impl Answer {
    /// An answer that is no question of yes or no.
    pub fn new(json: Value, text: impl Into<String>) -> Self {
        Self { json, text: text.into(), yes: true }
    }

    /// Prints it and gives the exit code.
    pub(crate) fn print(&self, json: bool) -> ExitCode {
        if json {
            to_standard_output(&format!("{:#}\n", self.json));
        } else {
            to_standard_output(&self.text);
        }
        if self.yes { ExitCode::SUCCESS } else { ExitCode::from(Exit::Invalid.code()) }
    }
}

/// Prints help, the version or what is wrong with the command line.
pub(crate) fn print_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        to_standard_output(&error.to_string());
        return ExitCode::SUCCESS;
    }
    to_standard_error(&error.to_string());
    // The command line was not understood, so whether JSON is wanted is read off the words.
    if std::env::args_os().any(|word| word == "--json") {
        let message = error.to_string();
        let message = message.trim_start_matches("error: ").trim_end();
        to_standard_output(&format!("{}\n", json!({ "error": message })));
    }
    ExitCode::from(Exit::Misuse.code())
}

/// Writes to standard output. Nobody can be told if that fails.
pub(crate) fn to_standard_output(text: &str) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// Writes to standard error. Nobody can be told if that fails.
pub(crate) fn to_standard_error(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
