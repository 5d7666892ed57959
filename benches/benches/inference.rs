//! Log-likelihoods, rows per second: the README network by batch size, and a RAT-SPN.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use spn_benches::bench_beside_peak;
use spn_cli::measure::{Operation, Work, made_up_rows};
use spn_compiler::{Options, compile};
use spn_ir::Circuit;
use spn_ir::layers::LayerError;
use spn_runtime::ExecutableOptions;

fn log_likelihood(
    criterion: &mut Criterion,
    name: &str,
    circuit: Result<Circuit, LayerError>,
    batches: &[usize],
) {
    let circuit = circuit.expect("the layer file is valid");
    let plan = compile(&circuit, &Options::default()).expect("the network is valid");
    let rows = made_up_rows(&plan, 512, 0);
    let mut group = criterion.benchmark_group(name);
    for batch in batches {
        let (plan, options) = (plan.clone(), ExecutableOptions::default());
        let work = Work::<f32>::new(plan, Operation::Loglik, *batch, &rows, options);
        let mut work = work.expect("the rows are the plan's");
        bench_beside_peak(&mut group, BenchmarkId::from_parameter(batch), &mut work);
    }
}

fn readme_network(criterion: &mut Criterion) {
    let circuit = spn_benches::dgc_spn();
    log_likelihood(criterion, "log_likelihood/readme_network", circuit, &[1, 32, 128, 512]);
}

fn rat_spn(criterion: &mut Criterion) {
    log_likelihood(criterion, "log_likelihood/rat_spn", spn_benches::rat_spn(), &[1, 512]);
}

criterion_group!(benches, readme_network, rat_spn);
criterion_main!(benches);
