//! How long circuits compile.

use std::time::Instant;

use spn_cli::measure::median;
use spn_cli::model::{LoadOptions, LoadedModel};
use spn_compiler::{Options, compile};
use spn_ir::Circuit;

use super::Error;
use super::circuits::{files, stem};

/// Prints nodes, edges and seconds of generated networks and of those in files.
pub(crate) fn print(paths: &[String], rounds: usize) -> Result<(), Error> {
    let mut circuits = vec![
        ("random scalar tree".to_owned(), spn_benches::random_tree(1_000, 1_000_000, 1)?),
        ("README network".to_owned(), spn_benches::dgc_spn()?),
        ("RAT-SPN".to_owned(), spn_benches::rat_spn()?),
    ];
    for path in files(paths)? {
        circuits
            .push((stem(&path), LoadedModel::read(&path, LoadOptions::default())?.circuit(None)?));
    }
    println!("\n| circuit | nodes | edges | compiled in |\n|---|---|---|---|");
    for (name, circuit) in circuits {
        let seconds = seconds(&circuit, rounds)?;
        let (nodes, edges) = (circuit.nodes.len(), circuit.edges());
        println!("| {name} | {nodes} | {edges} | {:.1} ms |", seconds * 1e3);
    }
    Ok(())
}

/// Compilations of each circuit, at most: large ones take seconds.
const MOST: usize = 5;

/// The median time of a compilation.
fn seconds(circuit: &Circuit, rounds: usize) -> Result<f64, Error> {
    let mut seconds = Vec::new();
    for _ in 0..rounds.min(MOST) {
        let start = Instant::now();
        let plan = compile(circuit, &Options::default())?;
        seconds.push(start.elapsed().as_secs_f64());
        drop(plan);
    }
    Ok(median(&seconds))
}
