//! Compile time of the 28×28 network: 1,201,930 trainable weights in about 2,000 blocks.

use criterion::{Criterion, criterion_group, criterion_main};
use spn_compiler::{Options, compile};

fn compile_network(criterion: &mut Criterion) {
    let circuit = spn_benches::dgc_spn().expect("the example is a valid layer file");
    criterion.bench_function("compile/dgc_spn_28x28", |bencher| {
        bencher.iter(|| compile(&circuit, &Options::default()));
    });
}

criterion_group!(benches, compile_network);
criterion_main!(benches);
