//! Compile times: two networks of layers with over a million edges, and a scalar tree with as many.

use criterion::{Criterion, criterion_group, criterion_main};
use spn_compiler::{Options, compile};
use spn_ir::Circuit;

fn compile_circuit(criterion: &mut Criterion, name: &str, circuit: &Circuit) {
    let mut group = criterion.benchmark_group("compile");
    // The least that criterion takes: some of them take seconds.
    group.sample_size(10);
    group.bench_function(name, |bencher| {
        bencher.iter_with_large_drop(|| compile(circuit, &Options::default()));
    });
}

fn compile_networks(criterion: &mut Criterion) {
    let readme = spn_benches::dgc_spn().expect("the example is a valid layer file");
    compile_circuit(criterion, "readme_network", &readme);
    let rat = spn_benches::rat_spn().expect("the layer file is valid");
    compile_circuit(criterion, "rat_spn", &rat);
    let tree = spn_benches::random_tree(1_000, 1_000_000, 1).expect("it is not too large");
    compile_circuit(criterion, "random_tree", &tree);
}

criterion_group!(benches, compile_networks);
criterion_main!(benches);
