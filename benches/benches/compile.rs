//! Compile time of the 28×28 network, 1,201,930 trainable weights in about 2,000 blocks, and of a
//! scalar tree of a million edges.

use criterion::{Criterion, criterion_group, criterion_main};
use spn_compiler::{Options, compile};

fn compile_network(criterion: &mut Criterion) {
    let circuit = spn_benches::dgc_spn().expect("the example is a valid layer file");
    criterion.bench_function("compile/dgc_spn_28x28", |bencher| {
        bencher.iter(|| compile(&circuit, &Options::default()));
    });
}

/// A scalar tree of a million edges, as structure learning makes them.
fn compile_scalar_tree(criterion: &mut Criterion) {
    let circuit = spn_benches::scalar_tree(1_000_000).expect("indices fit");
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10);
    group.bench_function("scalar_tree_1m_edges", |bencher| {
        bencher.iter(|| compile(&circuit, &Options::default()));
    });
}

criterion_group!(benches, compile_network, compile_scalar_tree);
criterion_main!(benches);
