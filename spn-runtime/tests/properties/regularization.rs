//! Penalties are those of the circuit: of every different weight matrix once, whatever the compiler
//! did to the sums that read it.

use std::collections::BTreeSet;

use proptest::test_runner::TestRunner;
use spn_compiler::Options;
use spn_ir::{Circuit, NodeKind};
use spn_runtime::learn::Regularization;
use spn_runtime::{GradientOptions, Number};
use spn_testkit::random::{Sample, circuits_with_rows};
use spn_testkit::{CircuitOptions, RowOptions};

use crate::{all_nodes, batch, cases, executable, flat};

/// The penalty by its definition, from the circuit's trainable weights in double precision; and
/// how many matrices several sums share.
fn penalty(circuit: &Circuit, regularization: Regularization) -> (f64, usize) {
    let (mut seen, mut shared, mut total) = (BTreeSet::new(), 0, 0.0);
    for id in all_nodes(circuit) {
        let node = &circuit.nodes[id.index()];
        let NodeKind::Sum(sum) = &node.kind else { continue };
        let quantity = &circuit.quantities[sum.weights.quantity.index()];
        if !quantity.is_trainable(&circuit.parameters) {
            continue;
        }
        let children = sum.children.iter();
        let inputs: u32 = children.map(|child| circuit.nodes[child.index()].width).sum();
        if !seen.insert((sum.weights, inputs, node.width)) {
            shared += 1;
            continue;
        }
        let values = quantity.evaluate(&circuit.parameters);
        let count = (inputs * node.width) as usize;
        for w in &values[sum.weights.offset as usize..][..count] {
            let entropy = if *w == 0.0 { 0.0 } else { -w * w.ln() };
            total += regularization.l1 * w.abs() + regularization.l2 * w * w;
            total -= regularization.entropy * entropy;
        }
    }
    (total, shared)
}

fn check<E: Number>(sample: &Sample, rows: &[Vec<f64>], tolerance: f64) -> usize {
    let circuit = &sample.circuit;
    let values = flat::<E>(rows);
    let mut shared = 0;
    let all = Options { outputs: all_nodes(circuit), ..Options::default() };
    for options in [Options::default(), Options { dropout: true, ..Options::default() }, all] {
        let executable = executable::<E>(circuit, &options, 1);
        let loss = |regularization| {
            let options = GradientOptions { regularization, ..GradientOptions::default() };
            executable.gradient(batch(circuit, &values), &options).unwrap().loss
        };
        let plain = loss(Regularization::default());
        for regularization in [
            Regularization { l1: 1.5, l2: 0.0, entropy: 0.0 },
            Regularization { l1: 0.0, l2: 2.5, entropy: 0.0 },
            Regularization { l1: 0.0, l2: 0.0, entropy: 0.5 },
            Regularization { l1: 0.5, l2: 1.0, entropy: -2.0 },
        ] {
            let (expected, tied) = penalty(circuit, regularization);
            shared = tied;
            let error = (loss(regularization) - plain - expected).abs();
            let scale = plain.abs().max(expected.abs()).max(1.0);
            assert!(error < tolerance * scale, "{regularization:?}: {error} of {expected}");
        }
    }
    shared
}

#[test]
fn penalties_are_those_of_the_circuit() {
    let mut runner = TestRunner::new(cases(60));
    // Rows without evidence: the loss of an impossible one would hide the penalty.
    let rows = RowOptions { missing: 1.0, ..RowOptions::plain() };
    let strategy = circuits_with_rows(CircuitOptions::default(), rows, 2);
    let shared = std::cell::Cell::new(0);
    runner
        .run(&strategy, |(sample, rows)| {
            shared.set(shared.get() + check::<f64>(&sample, &rows, 1e-12));
            check::<f32>(&sample, &rows, 1e-5);
            Ok(())
        })
        .unwrap();
    assert!(shared.get() >= 10, "{shared:?}");
}
