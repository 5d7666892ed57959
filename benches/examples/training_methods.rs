//! Training steps of every method on the 28×28 network, batch 128, beside the machine's peak.
//!
//! Rounds are interleaved, so that a machine that is busy for a while is busy for all methods; the
//! table has medians. A word behind the command keeps the methods whose names begin so.
//! `cargo run --release -p spn-benches --example training_methods -- hard`

use std::time::Instant;

use spn_compiler::{Options, compile};
use spn_runtime::learn::{ExpectationMaximization, Method, Objective, Optimizer};
use spn_runtime::simd::Level;
use spn_runtime::{Counting, Executable, GradientOptions, Rows};

const BATCH: usize = 128;
const ROUNDS: usize = 15;
const STEPS: usize = 4;

/// Operations of one matrix product for each of the network's sums, for one row.
const PRODUCT: f64 = 2.38e6;

/// A method with its network.
struct Contender {
    name: &'static str,
    executable: Executable<f32>,
    optimizer: Optimizer<f32>,
    objective: Objective,
    /// Matrix products that a step needs: forward, and those of the reverse pass.
    products: f64,
    rows_per_second: Vec<f64>,
}

fn contenders() -> Result<Vec<Contender>, Box<dyn std::error::Error>> {
    let gradients = compile(&spn_benches::dgc_spn()?, &Options::default())?;
    let counts = compile(&spn_benches::dgc_spn_for_counting()?, &Options::default())?;
    let em = |counting| Method::ExpectationMaximization(ExpectationMaximization::new(counting));
    let list = [
        ("Adam", &gradients, Method::default(), Objective::Discriminative, 3.0),
        ("soft EM", &counts, em(Counting::Soft), Objective::Generative, 3.0),
        ("hard EM", &counts, em(Counting::HARD), Objective::Generative, 1.0),
        ("unweighted hard EM", &counts, em(Counting::UNWEIGHTED_HARD), Objective::Generative, 1.0),
        ("sampled EM", &counts, em(Counting::SAMPLED), Objective::Generative, 1.0),
    ];
    let mut contenders = Vec::new();
    for (name, plan, method, objective, products) in list {
        let executable = Executable::new(plan.clone())?;
        let optimizer = Optimizer::new(method, 0.01);
        let rows_per_second = Vec::new();
        contenders.push(Contender {
            name,
            executable,
            optimizer,
            objective,
            products,
            rows_per_second,
        });
    }
    Ok(contenders)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threads = std::thread::available_parallelism()?.get();
    let level = Level::detect();
    let values = spn_benches::images(BATCH, 784);
    let rows = Rows::new(&values, 784)?;
    let labels: Vec<u32> = (0..BATCH as u32).map(|row| row % 10).collect();
    let mut contenders = contenders()?;
    if let Some(word) = std::env::args().nth(1) {
        contenders.retain(|contender| contender.name.starts_with(&word));
    }
    let mut peaks = Vec::new();
    for round in 0..=ROUNDS {
        peaks.push(spn_benches::peak_flops(level, threads));
        for contender in &mut contenders {
            let objective = contender.objective;
            let labels = Some(labels.as_slice()).filter(|_| objective.needs_labels());
            let options = GradientOptions { objective, labels, ..GradientOptions::default() };
            let start = Instant::now();
            for _ in 0..STEPS {
                contender.optimizer.step(&mut contender.executable, rows, &options)?;
            }
            // The first round warms up.
            if round > 0 {
                let seconds = start.elapsed().as_secs_f64();
                contender.rows_per_second.push((STEPS * BATCH) as f64 / seconds);
            }
        }
    }
    let peak = median(&peaks);
    println!("{level}, {threads} threads, peak {:.0} GFLOP/s\n", peak / 1e9);
    println!("| method | rows/s | products | fraction of peak |\n|---|---|---|---|");
    for Contender { name, products, rows_per_second, .. } in &contenders {
        let rows = median(rows_per_second);
        let fraction = rows * products * PRODUCT / peak * 100.0;
        println!("| {name} | {rows:.0} | {products:.0} | {fraction:.0} % |");
    }
    Ok(())
}
