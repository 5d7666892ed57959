//! The `spn` command. In: the command line. Out: results on standard output, messages on standard
//! error, an exit code. Everything is in the library, so that tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    spn_cli::run()
}
