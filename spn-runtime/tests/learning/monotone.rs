//! Exact expectation maximisation on random circuits: the likelihood never falls.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use spn_ir::{Circuit, Constraint, Formula, LeafFamily, LocationScale, NodeKind};
use spn_runtime::learn::ExpectationMaximization;
use spn_runtime::{Counting, Rows};
use spn_testkit::random::{Sample, circuits_with_rows};
use spn_testkit::{CircuitOptions, RowOptions};

use crate::{executable, maximize, plan};

/// Moment accumulators match moments, which is what maximises the likelihood of normal leaves only.
fn matches_moments_of_other_densities(circuit: &Circuit) -> bool {
    circuit.nodes.iter().any(|node| {
        let NodeKind::Leaf(leaf) = &node.kind else { return false };
        let LeafFamily::LocationScale { density, location, .. } = leaf.family else { return false };
        let formula = circuit.quantities[location.quantity.index()].formula;
        density != LocationScale::Normal && matches!(formula, Formula::Ratio { .. })
    })
}

fn check(sample: &Sample, rows: &[Vec<f64>], improved: &AtomicUsize) -> Result<(), TestCaseError> {
    let mut circuit = sample.circuit.clone();
    prop_assume!(!matches_moments_of_other_densities(&circuit));
    let ids: Vec<_> = circuit.parameters.iter().map(|(id, _)| id).collect();
    for id in ids {
        let constraint = &mut circuit.parameters.get_mut(id).constraint;
        // A lower bound of weights lets the likelihood fall.
        if matches!(constraint, Some(Constraint::GreaterEqualEpsilonNormalized { .. })) {
            *constraint = None;
        }
    }
    let plan = plan(&circuit);
    let mut executable = executable::<f64>(&plan);
    let columns = circuit.variables as usize;
    let possible: Vec<f64> = rows
        .iter()
        .filter(|row| {
            let value = executable.log_likelihood(Rows::new(row, columns).unwrap()).unwrap();
            value[0].is_finite()
        })
        .flatten()
        .copied()
        .collect();
    let rows = Rows::new(&possible, columns).unwrap();
    let options = ExpectationMaximization::new(Counting::Soft);
    let losses = maximize(&mut executable, rows, options, (1.0, 8));
    for pair in losses.windows(2) {
        let room = 1e-9 * pair[0].abs().max(1.0);
        prop_assert!(pair[1] <= pair[0] + room, "{losses:?}");
    }
    if losses[7] < losses[0] - 1e-3 {
        improved.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

#[test]
fn the_likelihood_never_falls() {
    let improved = AtomicUsize::new(0);
    let config = ProptestConfig { cases: 150, failure_persistence: None, ..Default::default() };
    let strategy = circuits_with_rows(
        CircuitOptions { dropout: false, ..CircuitOptions::gentle() },
        RowOptions { odd_states: 0.0, ..RowOptions::default() },
        60,
    );
    let checked = |(sample, rows): (Sample, Vec<Vec<f64>>)| check(&sample, &rows, &improved);
    TestRunner::new(config).run(&strategy, checked).unwrap();
    // Most circuits have something to learn, so that the test would see a step that does nothing.
    assert!(improved.load(Ordering::Relaxed) > 75);
}
