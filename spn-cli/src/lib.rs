//! The `spn` command: compile, train and query sum-product networks from the command line.
//!
//! [`run`] reads the command line, runs one of the [`commands`] and prints its answer. On the way
//! lie [`model`] (every kind of MODEL file), [`data`] (every kind of DATA file), [`training`],
//! [`picture`] and [`output`] (files that appear whole or not at all).
//!
//! Exit codes: 0 done, 1 the answer is "no" (an invalid network), 2 wrong use or unreadable input.

mod answer;
mod arguments;
pub mod commands;
pub mod data;
mod evidence;
mod failure;
mod format;
mod hidden;
pub mod measure;
pub mod model;
pub mod output;
pub mod picture;
pub mod precision;
mod prepared;
mod session;
pub mod training;

pub use answer::Answer;
pub use failure::{Exit, Failure};
pub use session::Session;

use std::process::ExitCode;

use clap::Parser;

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match commands::CommandLine::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return answer::print_usage(&error),
    };
    let json = arguments.global.json;
    let answer =
        Session::start(&arguments.global).and_then(|session| arguments.command.run(&session));
    match answer {
        Ok(answer) => answer.print(json),
        Err(failure) => failure.print(json),
    }
}

/// The README, so that its example is compiled and run with the documentation's tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// The tutorial, for the same reason.
#[cfg(doctest)]
#[doc = include_str!("../../docs/tutorial.md")]
pub struct Tutorial;
