//! Log-likelihood of the 28×28 network, rows per second, by batch size.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spn_compiler::{Options, compile};
use spn_runtime::{Executable, Rows, Statistics};

fn log_likelihood(criterion: &mut Criterion) {
    let circuit = spn_benches::dgc_spn().expect("the example is a valid layer file");
    let plan = compile(&circuit, &Options::default()).expect("the example is a valid network");
    let executable = Executable::<f32>::new(plan).expect("the global pool is always there");
    let mut group = criterion.benchmark_group("log_likelihood");
    for batch in [1_usize, 32, 128, 512] {
        let values = spn_benches::images(batch, 784);
        let rows = Rows::new(&values, 784).expect("whole rows");
        let mut out = vec![0.0; batch];
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::from_parameter(batch), |bencher| {
            bencher.iter(|| executable.log_likelihood_into(rows, Statistics::Observed, &mut out));
        });
    }
}

criterion_group!(benches, log_likelihood);
criterion_main!(benches);
