//! The 28×28 network of the libspn-keras README: forward, training steps, one row.

use spn_cli::measure::Operation;
use spn_compiler::{Options, compile};

use super::Error;
use super::contender::{Contender, Table, Threads};

/// Rows per second of libspn-keras 0.6.0 (TensorFlow 2.13, oneDNN) on two idle cores of an AMD EPYC with
/// AVX-512: forward at batch 512, then training steps at batch 128.
const FORWARD: f64 = 3_300.0;
const ADAM: f64 = 1_067.0;
const SOFT_EM: f64 = 996.0;
const HARD_EM: f64 = 119.0;
const UNWEIGHTED_HARD_EM: f64 = 1_352.0;

/// Everything that is measured on the network.
pub(crate) fn contenders(threads: usize) -> Result<Vec<Contender>, Error> {
    use Operation::{Adam, Em, HardEm, Loglik, SampledEm, UnweightedHardEm};
    let options = Options::default();
    let plan = compile(&spn_benches::dgc_spn()?, &options)?;
    let counting = compile(&spn_benches::dgc_spn_for_counting()?, &options)?;
    let rows = spn_benches::images(1024, 784);
    let (one, all) = (Threads::Pool(1), Threads::Pool(threads));
    let new = |table, name: &str, operation, batch, threads| {
        let counts = matches!(operation, Em | HardEm | UnweightedHardEm | SampledEm);
        let plan = if counts { &counting } else { &plan };
        let name = format!("README network, {name}");
        Contender::new(table, name, plan, operation, (batch, &rows), threads)
    };
    Ok(vec![
        new(Table::Products, "forward", Loglik, 512, one)?,
        new(Table::Products, "forward", Loglik, 512, all)?.beside(FORWARD),
        new(Table::Products, "Adam step", Adam, 128, all)?.beside(ADAM),
        new(Table::Products, "soft EM step", Em, 128, all)?.beside(SOFT_EM),
        new(Table::Products, "hard EM step", HardEm, 128, all)?.beside(HARD_EM),
        new(Table::Products, "unweighted hard EM step", UnweightedHardEm, 128, all)?
            .beside(UNWEIGHTED_HARD_EM),
        new(Table::Products, "sampled EM step", SampledEm, 128, all)?,
        new(Table::OneRow, "one row", Loglik, 1, one)?,
        new(Table::OneRow, "one row", Loglik, 1, Threads::Caller)?,
    ])
}
