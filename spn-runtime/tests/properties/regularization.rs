//! Penalties are those of the circuit: of every different weight matrix once, whatever the compiler
//! did to the sums that read it.

use std::collections::BTreeSet;

use proptest::test_runner::TestRunner;
use spn_compiler::Options;
use spn_ir::{Circuit, NodeKind};
use spn_runtime::learn::Regularization;
use spn_runtime::{GradientOptions, Number};
use spn_testkit::random::circuits_with_rows;
use spn_testkit::{CircuitOptions, RowOptions};

use crate::{all_nodes, batch, cases, executable, flat};

/// The penalty by its definition, from the circuit's trainable weights in double precision.
fn penalty(circuit: &Circuit, regularization: Regularization) -> f64 {
    let (mut seen, mut total) = (BTreeSet::new(), 0.0);
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
    total
}

fn check<E: Number>(circuit: &Circuit, rows: &[Vec<f64>], tolerance: f64) {
    let values = flat::<E>(rows);
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
            let expected = penalty(circuit, regularization);
            let error = (loss(regularization) - plain - expected).abs();
            let scale = plain.abs().max(expected.abs()).max(1.0);
            assert!(error < tolerance * scale, "{regularization:?}: {error} of {expected}");
        }
    }
}

#[test]
fn penalties_are_those_of_the_circuit() {
    let mut runner = TestRunner::new(cases(60));
    // Rows without evidence: the loss of an impossible one would hide the penalty.
    let rows = RowOptions { missing: 1.0, ..RowOptions::plain() };
    let strategy = circuits_with_rows(CircuitOptions::default(), rows, 2);
    runner
        .run(&strategy, |(sample, rows)| {
            check::<f64>(&sample.circuit, &rows, 1e-12);
            check::<f32>(&sample.circuit, &rows, 1e-5);
            Ok(())
        })
        .unwrap();
}

/// Two sums read the same matrix, which a random circuit rarely has.
#[test]
fn shared_weights_are_penalised_once() {
    let circuit = spn_ir::text::parse(
        "spn 1
         variables 2
         parameter weights [2 1] = [0.25; 0.75]
         quantity weights = direct(weights)
         a = leaf indicator(0) x2
         b = leaf indicator(1) x2
         s = sum(a) weights=weights
         t = sum(b) weights=weights
         p = product(s, t)
         q = sum(p) weights=[1]
         root q",
    )
    .unwrap();
    let total = penalty(&circuit, Regularization { l1: 1.0, l2: 0.0, entropy: 0.0 });
    // That of the shared matrix and that of the last sum.
    assert!((total - 2.0).abs() < 1e-12, "{total}");
    check::<f64>(&circuit, &[vec![f64::NAN; 2]], 1e-12);
    check::<f32>(&circuit, &[vec![f64::NAN; 2]], 1e-5);
}
