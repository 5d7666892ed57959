//! Plans from damaged files: whatever passes verification runs without a panic.
//!
//! Bytes of a valid plan's file are changed at random and its checksum mended, so that the damage
//! reaches the plan itself. Most mutations are refused; those that are not may compute nonsense,
//! but must stay inside their arrays.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rand::{Rng, RngExt};
use spn_compiler::{Options, compile};
use spn_ir::container::{Precision, read_plan, write_plan};
use spn_ir::plan::Plan;
use spn_runtime::learn::{ExpectationMaximization, Method, Optimizer, Prior, Regularization};
use spn_runtime::{
    CompletionOptions, Counting, Dropping, Executable, ExecutableOptions, FlowOptions,
    GradientOptions, Rows, RunError, StateRows, Statistics,
};
use spn_testkit::{CircuitOptions, random_circuit};

const CIRCUITS: u64 = 150;
const MUTATIONS: usize = 150;

/// Where the structure begins in a file, and where its length stands.
const STRUCTURE: usize = 40;
const LENGTH: usize = 16;

/// Changes up to three bytes of the structure and mends the checksum.
fn mutate(random: &mut impl Rng, file: &[u8], changes: usize) -> Vec<u8> {
    let mut bytes = file.to_vec();
    let length = u64::from_le_bytes(*file[LENGTH..].first_chunk().unwrap()) as usize;
    for _ in 0..changes {
        let byte = &mut bytes[STRUCTURE + random.random_range(0..length)];
        *byte = match random.random_range(0..4) {
            0 => random.random_range(0..8),
            1 => *byte ^ 1,
            2 => byte.wrapping_add(1),
            _ => byte.wrapping_sub(1),
        };
    }
    let end = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Every query, on a few rows. Errors are as good as results.
fn run(plan: Plan) -> Result<(), RunError> {
    let columns = plan.variables as usize;
    let values: Vec<f64> =
        (0..3 * columns).map(|i| if i % 5 == 4 { f64::NAN } else { (i % 3) as f64 }).collect();
    let options = ExecutableOptions { threads: Some(1), ..ExecutableOptions::default() };
    let outputs = !plan.outputs.is_empty();
    let executable = Executable::<f64>::with_options(plan, options)?;
    let rows = Rows::new(&values, columns)?;
    executable.log_likelihood(rows)?;
    // Scalar programs: a row alone, in both its forms, and rows of states.
    executable.log_likelihood(Rows::new(&values[..columns], columns)?)?;
    executable.log_likelihood(Rows::new(&vec![0.0; columns], columns)?)?;
    let states: Vec<u8> = (0..70 * columns).map(|i| (i % 3) as u8).collect();
    executable.log_likelihood_states(StateRows::new(&states, columns)?, &mut vec![0.0; 70])?;
    executable.class_posteriors(rows)?;
    let dropping = Dropping::Random { seed: 1, step: 2 };
    let regularization = Regularization { l1: 1.0, l2: 1.0, entropy: 1.0 };
    let gradient =
        GradientOptions { regularization, inputs: true, dropping, ..GradientOptions::default() };
    executable.gradient(rows, &gradient)?;
    executable.complete(rows, CompletionOptions::default())?;
    if outputs {
        executable.output_values(rows, Statistics::Observed)?;
        executable.output_flows(rows, FlowOptions::default())?;
    }
    maximize(executable, rows)
}

/// Two steps of expectation maximisation by every counting rule, with all its options.
fn maximize(mut executable: Executable<f64>, rows: Rows<'_, f64>) -> Result<(), RunError> {
    let prior = Prior { pseudocount: 0.1, location_rows: 1.0, scale_rows: 1.0, ..Prior::default() };
    let gradient = GradientOptions::default();
    let half = Counting::UnweightedHard { sample_probability: 0.5 };
    for counting in [Counting::Soft, Counting::HARD, half, Counting::SAMPLED] {
        let options = ExpectationMaximization {
            momentum: 0.5,
            accumulate_batches: 2,
            prior,
            keep_zeros: true,
            ..ExpectationMaximization::new(counting)
        };
        let mut optimizer = Optimizer::new(Method::ExpectationMaximization(options), 0.5);
        for _ in 0..2 {
            optimizer.step(&mut executable, rows, &gradient)?;
        }
    }
    Ok(())
}

#[test]
fn hostile_plans_run_or_are_refused() {
    let mut random = spn_ir::random::stream(11, 0);
    let (mut ran, mut refused) = (0, 0);
    for seed in 0..CIRCUITS {
        // Every third circuit has a scalar program.
        let maximum_width = if seed % 3 == 0 { 1 } else { 20 };
        let normalisation = maximum_width > 1;
        let options =
            CircuitOptions { size: 15, maximum_width, normalisation, ..CircuitOptions::default() };
        let circuit = random_circuit(seed, &options);
        let outputs = if seed % 2 == 0 { vec![circuit.root] } else { Vec::new() };
        let small_part = 100 * (seed % 3);
        let options = Options { dropout: true, outputs, small_part, ..Options::default() };
        let plan = compile(&circuit, &options).unwrap();
        let mut file = Vec::new();
        write_plan(&mut file, Precision::Double, &plan).unwrap();
        for round in 0..MUTATIONS {
            let bytes = mutate(&mut random, &file, 1 + round % 3);
            let Ok(plan) = read_plan(&bytes) else {
                refused += 1;
                continue;
            };
            // Large plans are allowed, but not what this test is about.
            if plan.training.rows > 1 << 14 || plan.variables > 1000 {
                continue;
            }
            let names = format!("seed {seed}, round {round}:\n{plan}");
            let result = std::panic::catch_unwind(|| run(plan));
            assert!(result.is_ok(), "{names}");
            ran += 1;
        }
    }
    assert!(ran > 1000 && refused > 5000, "{ran} ran, {refused} were refused");
}
