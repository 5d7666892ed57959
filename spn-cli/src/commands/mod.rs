//! The commands, one file for each.
//!
//! In: the command line. Out: for each command an [`Answer`]. **Adding a command**: a file with its
//! `Arguments` (whose documentation is the command's help) and their `run`, its `mod` line and its
//! line in the list `commands!` below.

mod bench;
mod check;
mod compile;
mod complete;
mod conditional;
mod convert;
mod demo;
mod eval;
mod loglik;
mod marginals;
mod moments;
mod mpe;
mod predict;
mod sample;
mod summary;
mod train;

use clap::{Parser, Subcommand};

use crate::session::GlobalOptions;
use crate::{Answer, Failure, Session};

/// Compiles, trains and queries sum-product networks.
///
/// A sum-product network is a probability distribution that can be asked anything: how likely a
/// row is, which class it belongs to, what its missing values are. Start with `spn demo`, which
/// needs no arguments; `spn help COMMAND` explains a command with an example.
#[derive(Debug, Parser)]
#[command(name = "spn", version, after_help = EXIT_CODES)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What holds for every command.
    #[command(flatten)]
    pub global: GlobalOptions,
}

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 the network is invalid, 2 wrong use or unreadable input.";

/// Makes the enum of all commands; dispatch lives nowhere else.
macro_rules! commands {
    ($($name:ident => $module:ident),+ $(,)?) => {
        /// One of the commands.
        #[derive(Debug, Subcommand)]
        pub enum Command {
            $(
                #[expect(missing_docs, reason = "a line of its own would replace the command's help")]
                $name(Box<$module::Arguments>),
            )+
        }

        impl Command {
            /// Runs the command.
            ///
            /// # Errors
            /// If it has no answer: wrong use, unreadable input, an invalid network.
            pub fn run(&self, session: &Session) -> Result<Answer, Failure> {
                match self {
                    $(Self::$name(arguments) => arguments.run(session),)+
                }
            }
        }
    };
}

commands! {
    Demo => demo,
    Summary => summary,
    Check => check,
    Compile => compile,
    Loglik => loglik,
    Eval => eval,
    Train => train,
    Predict => predict,
    Complete => complete,
    Conditional => conditional,
    Marginals => marginals,
    Moments => moments,
    Mpe => mpe,
    Sample => sample,
    Convert => convert,
    Bench => bench,
}
