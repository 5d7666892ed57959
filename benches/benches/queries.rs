//! Queries beside their lower bounds: a forward pass (`loglik`), forward and reverse (`gradient`).

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use spn_benches::bench_beside_peak;
use spn_cli::measure::{Operation, Work, made_up_rows};
use spn_compiler::{Options, compile};
use spn_ir::Circuit;
use spn_runtime::ExecutableOptions;

/// Rows of a call.
const BATCH: usize = 512;

const OPERATIONS: [Operation; 6] = [
    Operation::Loglik,
    Operation::Gradient,
    Operation::Moments,
    Operation::Mpe,
    Operation::SampleGiven,
    Operation::Sample,
];

fn queries(criterion: &mut Criterion, name: &str, circuit: &Circuit) {
    let plan = compile(circuit, &Options::default()).expect("the network is valid");
    let rows = made_up_rows(&plan, BATCH, 0);
    let mut group = criterion.benchmark_group(name);
    for operation in OPERATIONS {
        let (plan, options) = (plan.clone(), ExecutableOptions::default());
        let work = Work::<f32>::new(plan, operation, BATCH, &rows, options);
        let mut work = work.expect("the rows are the plan's");
        bench_beside_peak(&mut group, BenchmarkId::from_parameter(operation.name()), &mut work);
    }
}

fn rat_spn(criterion: &mut Criterion) {
    let circuit = spn_benches::rat_spn().expect("the layer file is valid");
    queries(criterion, "queries/rat_spn", &circuit);
}

fn tree(criterion: &mut Criterion) {
    let circuit = spn_benches::random_tree(16, 1103, 0).expect("the tree is a circuit");
    queries(criterion, "queries/tree", &circuit);
}

criterion_group!(benches, rat_spn, tree);
criterion_main!(benches);
