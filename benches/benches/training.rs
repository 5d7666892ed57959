//! Training steps, rows per second: every kind of step on the README network, Adam on a RAT-SPN.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use spn_benches::bench_beside_peak;
use spn_cli::measure::{Operation, Work, made_up_rows};
use spn_compiler::{Options, compile};
use spn_ir::Circuit;
use spn_ir::layers::LayerError;
use spn_runtime::ExecutableOptions;

fn step(
    criterion: &mut Criterion,
    network: &str,
    circuit: Result<Circuit, LayerError>,
    (operations, batch): (&[Operation], usize),
) {
    let circuit = circuit.expect("the layer file is valid");
    let plan = compile(&circuit, &Options::default()).expect("the network is valid");
    let rows = made_up_rows(&plan, batch, 0);
    let mut group = criterion.benchmark_group(format!("step/{network}"));
    for operation in operations {
        let (plan, options) = (plan.clone(), ExecutableOptions::default());
        let work = Work::<f32>::new(plan, *operation, batch, &rows, options);
        let mut work = work.expect("the rows are the plan's");
        bench_beside_peak(&mut group, BenchmarkId::new(operation.name(), batch), &mut work);
    }
}

fn readme_network(criterion: &mut Criterion) {
    use Operation::{Adam, Em, Gradient, HardEm, SampledEm, UnweightedHardEm};
    step(criterion, "readme_network", spn_benches::dgc_spn(), (&[Gradient, Adam], 128));
    let counting = spn_benches::dgc_spn_for_counting();
    let counts = &[Em, HardEm, UnweightedHardEm, SampledEm];
    step(criterion, "readme_network", counting, (counts, 128));
}

fn rat_spn(criterion: &mut Criterion) {
    step(criterion, "rat_spn", spn_benches::rat_spn(), (&[Operation::Adam], 64));
}

criterion_group!(benches, readme_network, rat_spn);
criterion_main!(benches);
