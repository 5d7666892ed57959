//! Simplification keeps the function, node by node as far as nodes stay, and finishes in one run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use rand::{Rng, RngExt};
use spn_compiler::{Options, check, fuse, schedule, simplify};
use spn_ir::{Circuit, CircuitBuilder, Combine, NodeId, Origin, Parameter, Slice};
use spn_testkit::random::circuits_with_rows;
use spn_testkit::{CircuitOptions, RowOptions, compare_each, evaluate};

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_of_root_and_outputs_stay(
        (sample, rows) in circuits_with_rows(CircuitOptions::default(), RowOptions::default(), 5),
        choice in proptest::num::usize::ANY,
        dropout in proptest::bool::ANY,
    ) {
        let circuit = &sample.circuit;
        let output = NodeId((choice % circuit.nodes.len()) as u32);
        let options = Options { dropout, outputs: vec![output], ..Options::default() };
        let simplified = simplify::run(circuit, &options);
        prop_assert!(simplified.circuit.nodes.len() <= circuit.nodes.len());
        prop_assert!(check(&simplified.circuit).is_valid());
        for row in rows {
            // The reference applies dropout only where it is given masks.
            let (old, new) = (evaluate(circuit, &row, None), evaluate(&simplified.circuit, &row, None));
            let pairs = [(circuit.root, simplified.circuit.root), (output, simplified.outputs[0])];
            for (before, after) in pairs {
                compare_each(&new[after.index()], &old[before.index()], 1e-12)
                    .map_err(|difference| TestCaseError::fail(difference.to_string()))?;
            }
        }
    }

    #[test]
    fn a_second_run_changes_nothing(
        (sample, _) in circuits_with_rows(CircuitOptions::default(), RowOptions::default(), 1),
        dropout in proptest::bool::ANY,
    ) {
        let options = Options { dropout, ..Options::default() };
        let once = simplify::run(&sample.circuit, &options);
        let twice = simplify::run(&once.circuit, &options);
        prop_assert_eq!(&twice.circuit.nodes, &once.circuit.nodes);
    }

    #[test]
    fn every_operation_gets_one_slot(
        (sample, _) in circuits_with_rows(CircuitOptions::default(), RowOptions::default(), 1),
        dropout in proptest::bool::ANY,
    ) {
        let options = Options { dropout, ..Options::default() };
        let fused = fuse::run(simplify::run(&sample.circuit, &options));
        let schedule = schedule::run(&fused);
        let nodes: Vec<NodeId> = fused.operations.iter().map(|operation| operation.node).collect();
        let mut slots = schedule.slots_of(&nodes);
        prop_assert_eq!(slots.len(), nodes.len());
        slots.sort_unstable();
        slots.dedup();
        prop_assert_eq!(slots.len(), nodes.len());
        for (node, slot) in nodes.iter().zip(schedule.slots_of(&nodes)) {
            prop_assert_eq!(schedule.slots[slot.index()], fused.circuit.node(*node).width);
        }
    }
}

/// A circuit in which two readers of a product turn out to be equal: one run is not enough.
#[test]
fn readers_that_become_one_count_once() {
    let options = CircuitOptions {
        size: 2,
        maximum_variables: 7,
        maximum_width: 8,
        ..CircuitOptions::default()
    };
    let circuit = spn_testkit::random_circuit(4_909_913_663_183_375_394, &options);
    for dropout in [false, true] {
        let options = Options { dropout, ..Options::default() };
        let once = simplify::run(&circuit, &options);
        assert_eq!(simplify::run(&once.circuit, &options).circuit.nodes, once.circuit.nodes);
    }
}

/// Products of products of products, which random circuits hardly have: nested element-wise and
/// outer ones, products of one child, and constants.
struct Nested<R> {
    builder: CircuitBuilder,
    random: R,
}

impl<R: Rng> Nested<R> {
    /// `rows` random distributions over `columns` things.
    fn distributions(&mut self, rows: usize, columns: usize, by_column: bool) -> Slice {
        let mut values = vec![0.0; rows * columns];
        let cell = |row: usize, column: usize| {
            if by_column { column * rows + row } else { row * columns + column }
        };
        for row in 0..rows {
            let raw: Vec<f64> = (0..columns).map(|_| self.random.random_range(0.1..1.0)).collect();
            let total: f64 = raw.iter().sum();
            for (column, value) in raw.into_iter().enumerate() {
                values[cell(row, column)] = value / total;
            }
        }
        let name = format!("p{}", self.builder.circuit().parameters.len());
        self.builder.quantity_of(Parameter::new(name, vec![values.len()], values)).at(0)
    }

    /// A product over these variables.
    fn product(&mut self, variables: &[u32]) -> NodeId {
        if let &[variable] = variables {
            let width = self.random.random_range(1..4);
            let table = self.distributions(width as usize, 2, false);
            return self.builder.categorical(variable, 2, width, table, Origin::Unknown).unwrap();
        }
        let cut = self.random.random_range(1..variables.len());
        let mut children = vec![self.product(&variables[..cut]), self.product(&variables[cut..])];
        if self.random.random_bool(0.3) {
            let width = self.random.random_range(1..3);
            let place = self.random.random_range(0..=children.len());
            children.insert(place, self.builder.one(width, Origin::Unknown).unwrap());
        }
        let widths: Vec<u32> =
            children.iter().map(|child| self.builder.circuit().node(*child).width).collect();
        let equal = widths.iter().all(|width| *width == widths[0]);
        let combine = if equal { Combine::ElementWise } else { Combine::Outer };
        let product = self.builder.product(&children, combine, Origin::Unknown).unwrap();
        match self.random.random_range(0..4) {
            0 => self.builder.product(&[product], Combine::Outer, Origin::Unknown).unwrap(),
            1 => self.builder.element_wise(&[product], Origin::Unknown).unwrap(),
            _ => product,
        }
    }
}

fn nested(seed: u64) -> Circuit {
    let random = spn_ir::random::stream(seed, 0);
    let mut nested = Nested { builder: CircuitBuilder::new(4), random };
    let product = nested.product(&[0, 1, 2, 3]);
    let inputs = nested.builder.circuit().node(product).width as usize;
    let weights = nested.distributions(1, inputs, true);
    let root = nested.builder.sum(&[product], 1, weights, Origin::Unknown).unwrap();
    nested.builder.finish(root).unwrap()
}

#[test]
fn nested_products_become_one_with_the_same_rows() {
    let mut flattened = 0;
    for seed in 0..500 {
        let circuit = nested(seed);
        let simplified = simplify::run(&circuit, &Options::default()).circuit;
        flattened += usize::from(simplified.nodes.iter().any(|node| node.children().len() > 3));
        for state in 0..16 {
            let row: Vec<f64> = (0..4).map(|variable| f64::from(state >> variable & 1)).collect();
            let (old, new) = (evaluate(&circuit, &row, None), evaluate(&simplified, &row, None));
            let (old, new) = (&old[circuit.root.index()], &new[simplified.root.index()]);
            compare_each(new, old, 1e-12).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        }
    }
    assert!(flattened > 100, "{flattened} circuits had products to flatten");
}
