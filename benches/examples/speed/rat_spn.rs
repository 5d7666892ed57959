//! A Gaussian RAT-SPN over 784 variables: forward and training steps.

use spn_cli::measure::{Operation, made_up_rows};
use spn_compiler::{Options, compile};

use super::Error;
use super::contender::{Contender, Table, Threads};

/// Rows per second of the fastest torch library for these networks on two idle cores of an AMD EPYC with
/// AVX-512: forward at batch 512, Adam steps at batch 64.
const FORWARD: f64 = 466.0;
const ADAM: f64 = 194.0;

/// Everything that is measured on the network.
pub(crate) fn contenders(threads: usize) -> Result<Vec<Contender>, Error> {
    let plan = compile(&spn_benches::rat_spn()?, &Options::default())?;
    let rows = made_up_rows(&plan, 1024, 0);
    let new = |name: &str, operation, batch, threads| {
        let (name, threads) = (format!("RAT-SPN, {name}"), Threads::Pool(threads));
        Contender::new(Table::Products, name, &plan, operation, (batch, &rows), threads)
    };
    Ok(vec![
        new("forward", Operation::Loglik, 512, 1)?,
        new("forward", Operation::Loglik, 512, threads)?.beside(FORWARD),
        new("Adam step", Operation::Adam, 64, threads)?.beside(ADAM),
    ])
}
