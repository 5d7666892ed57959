//! What holds for the whole run of a command: threads, instruction set, seed, where messages go.
//!
//! In: the global options. Out: a [`Session`] that every command gets. It is the one place that
//! looks at the machine and the terminal.

use std::io::IsTerminal;

use clap::Args;
use spn_ir::plan::Plan;
use spn_runtime::simd::Level;
use spn_runtime::{Executable, ExecutableOptions, Number, RunError};

use crate::Failure;
use crate::answer::to_standard_error;

/// Options that every command has.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Everywhere")]
pub struct GlobalOptions {
    /// How many threads to use; default all cores. Results do not depend on it.
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// The instruction set: auto, baseline, avx2 or avx512.
    #[arg(long, global = true, value_name = "NAME", default_value = "auto")]
    pub isa: String,
    /// The seed of everything random; default 0.
    #[arg(long, global = true, value_name = "N")]
    pub seed: Option<u64>,
    /// Print the result as one JSON document.
    #[arg(long, global = true)]
    pub json: bool,
    /// No messages and no progress, results only.
    #[arg(long, global = true)]
    pub quiet: bool,
}

/// What holds for the whole run of a command.
#[derive(Clone, Debug)]
pub struct Session {
    /// The instruction set.
    pub level: Level,
    /// The seed, if one was given.
    pub seed: Option<u64>,
    quiet: bool,
}

impl Session {
    /// Sets up threads and the instruction set.
    ///
    /// # Errors
    /// If the machine does not have what was asked for.
    pub fn start(options: &GlobalOptions) -> Result<Self, Failure> {
        if let Some(threads) = options.threads {
            if threads == 0 {
                return Err(Failure::misuse("--threads must be at least 1"));
            }
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
            pool.map_err(|error| RunError::Threads { threads, reason: error.to_string() })?;
        }
        let level = Level::parse(&options.isa).map_err(RunError::from)?;
        Ok(Self { level, seed: options.seed, quiet: options.quiet })
    }

    /// The seed, 0 unless one was given.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// Tells the user something beside the result.
    pub fn say(&self, message: &str) {
        if !self.quiet {
            to_standard_error(&format!("{message}\n"));
        }
    }

    /// Whether progress bars may be drawn: only for a person at a terminal.
    #[must_use]
    pub fn draws_progress(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Makes a plan ready to run with the threads and instruction set that were asked for.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn executable<E: Number>(&self, plan: Plan) -> Result<Executable<E>, Failure> {
        let options = ExecutableOptions { level: self.level, threads: None };
        Ok(Executable::with_options(plan, options)?)
    }
}
