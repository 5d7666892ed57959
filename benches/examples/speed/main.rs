//! Everything that `benches/README.md` tells, on the machine it runs on, as tables to paste there.
//!
//! `cargo run --release -p spn-benches --example speed -- [--only WORD] [--rounds N] [PATH ...]`
//!
//! Scalar circuits are those in the files and folders that are named, else those in the repository; rows
//! for `NAME.json` are the array `x` of `NAME.npz` beside it, or made up. `--only` keeps what has the word
//! in its name. Contenders take turns, so that a machine that is busy for a while is busy for all of them,
//! and each is followed by its own measurement of what the machine can do; tables have medians.

mod circuits;
mod compile_times;
mod contender;
mod rat_spn;
mod readme_network;
mod tables;

use std::io::IsTerminal;

use contender::Contender;
use spn_runtime::simd::Level;

type Error = Box<dyn std::error::Error>;

/// The scalar circuits that come with the repository.
const CIRCUITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../spn-cli/tests/data/circuits");

/// What the command line says.
struct Arguments {
    only: Option<String>,
    rounds: usize,
    paths: Vec<String>,
}

impl Arguments {
    fn read() -> Result<Self, Error> {
        let mut arguments = Self { only: None, rounds: 15, paths: Vec::new() };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--only" => arguments.only = words.next(),
                "--rounds" => arguments.rounds = words.next().unwrap_or_default().parse()?,
                _ => arguments.paths.push(word),
            }
        }
        if arguments.paths.is_empty() {
            arguments.paths.push(CIRCUITS.to_owned());
        }
        Ok(arguments)
    }

    /// Whether something of this name is wanted.
    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|word| name.contains(word.as_str()))
    }
}

fn main() -> Result<(), Error> {
    let arguments = Arguments::read()?;
    let threads = std::thread::available_parallelism()?.get();
    let mut contenders = readme_network::contenders(threads)?;
    contenders.extend(rat_spn::contenders(threads)?);
    contenders.extend(circuits::contenders(&arguments.paths, threads)?);
    contenders.retain(|contender| arguments.wants(&contender.name));
    measure(&mut contenders, arguments.rounds)?;
    tables::print(&contenders, threads);
    if arguments.wants("compile") {
        compile_times::print(&arguments.paths, arguments.rounds)?;
    }
    Ok(())
}

/// Lets contenders take turns.
fn measure(contenders: &mut [Contender], rounds: usize) -> Result<(), Error> {
    let level = Level::detect();
    for contender in &mut *contenders {
        contender.warm_up()?;
    }
    let shows = std::io::stderr().is_terminal();
    for round in 1..=rounds {
        if shows {
            eprint!("\rround {round} of {rounds}, {} contenders ", contenders.len());
        }
        for contender in &mut *contenders {
            contender.take_turn(level)?;
        }
    }
    if shows {
        eprintln!();
    }
    Ok(())
}
