//! One Adam step on the 28×28 network, cross entropy, rows per second, by batch size.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spn_compiler::{Options, compile};
use spn_runtime::learn::{Method, Objective, Optimizer};
use spn_runtime::{Executable, GradientOptions, Rows};

fn adam_step(criterion: &mut Criterion) {
    let circuit = spn_benches::dgc_spn().expect("the example is a valid layer file");
    let plan = compile(&circuit, &Options::default()).expect("the example is a valid network");
    let mut group = criterion.benchmark_group("adam_step");
    for batch in [32_usize, 128] {
        let mut executable =
            Executable::<f32>::new(plan.clone()).expect("the global pool is always there");
        let mut optimizer = Optimizer::new(Method::default(), 1e-2);
        let values = spn_benches::images(batch, 784);
        let rows = Rows::new(&values, 784).expect("whole rows");
        let labels: Vec<u32> = (0..batch as u32).map(|row| row % 10).collect();
        let objective = Objective::Discriminative;
        let options =
            GradientOptions { objective, labels: Some(&labels), ..GradientOptions::default() };
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::from_parameter(batch), |bencher| {
            bencher.iter(|| optimizer.step(&mut executable, rows, &options));
        });
    }
}

criterion_group!(benches, adam_step);
criterion_main!(benches);
