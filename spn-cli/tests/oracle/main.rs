//! The reference library's values against ours.
//!
//! Every case (`NAME.json` with `NAME.npz`) in `SPN_ORACLE_DIR`, or in the repository's
//! `tests/data/oracle` without it, is built, lowered, compiled and run in both precisions on every
//! instruction set of this machine, and every array of it is compared. The layout and the
//! tolerances are those of the page beside the reference values; cases are told apart by what they
//! hold, not by their names. An array that nothing here understands is a failure.
//!
//! | module | compares |
//! |---|---|
//! | `network` | forward values, gradients: networks of layers, with stored or with closed-form parameters |
//! | `cross_entropy`, `differences` | gradients that are differences of larger ones |
//! | `expectation_maximization` | signals of the same networks, steps along them |
//! | `queries` | marginals, posteriors, completions of the same networks |
//! | `dropout` | outputs and gradients given recorded masks |
//! | `dynamic`, `unrolled` | dynamic networks over left-padded sequences |
//! | `sum_ops` | sums alone, with extreme inputs |
//! | `trajectories` | several steps of the optimisers |
//! | `units` | constraints, initialisers, losses, normalisation, leaf densities |

mod case;
mod compare;
mod cross_entropy;
mod differences;
mod dropout;
mod dynamic;
mod expectation_maximization;
mod formula;
mod inputs;
mod machine;
mod network;
mod queries;
mod report;
mod setup;
mod sum_ops;
mod trajectories;
mod units;
mod unrolled;

use std::env;
use std::path::{Path, PathBuf};

use case::Case;
use report::Report;

#[test]
fn oracle() {
    let fixtures = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/oracle");
    let folder = env::var_os("SPN_ORACLE_DIR").map_or_else(fixtures, PathBuf::from);
    let names = case::names(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut report = Report::default();
    for name in &names {
        match Case::read(&folder, name) {
            Ok(case) => {
                let outcome = run(&case);
                report.add(case, outcome);
            }
            Err(problem) => report.unreadable(name, &problem),
        }
    }
    report.print();
    assert!(!names.is_empty(), "no case in {}", folder.display());
    assert!(report.failures.is_empty(), "\n{}", report.failures.join("\n"));
}

/// Compares all arrays of a case.
fn run(case: &Case) -> Result<(), String> {
    let has = |key: &str| case.json.get(key).is_some();
    if has("runs") {
        trajectories::run(case)
    } else if has("template") {
        dynamic::run(case)
    } else if has("log_dropout_position") {
        dropout::run(case)
    } else if has("architecture") {
        network::run(case)
    } else if case.has("upstream") {
        sum_ops::run(case)
    } else if ["constraint/", "loss/", "leaf/", "normalize/"].iter().any(|group| case.has_in(group))
    {
        units::run(case)
    } else {
        Err("nothing here tells what kind of case it is".to_owned())
    }
}
