//! Flows through a thousand layers of sums, and counts of trees with ten thousand nodes, in single
//! precision against double.

use spn_ir::{
    Circuit, CircuitBuilder, Leaf, LeafFamily, NodeId, Origin, Parameter, Slice, VariableId,
};
use spn_runtime::learn::ExpectationMaximization;
use spn_runtime::simd::Real;
use spn_runtime::{CountOptions, Counting, Executable, Number, QuantityCounts, Rows};
use spn_testkit::compare;

use crate::{RULES, executable, maximize, number, plan};

/// Numbers drawn one after the other.
#[derive(Default)]
struct Numbers(usize);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 += 1;
        number(self.0)
    }

    /// Columns of a matrix `[inputs, outputs]` that sum to 1, row-major.
    fn columns(&mut self, inputs: usize, outputs: usize) -> Vec<f64> {
        let mut values: Vec<f64> = (0..inputs * outputs).map(|_| 0.02 + self.next()).collect();
        for output in 0..outputs {
            let total: f64 = values.iter().skip(output).step_by(outputs).sum();
            values.iter_mut().skip(output).step_by(outputs).for_each(|value| *value /= total);
        }
        values
    }
}

const STATES: usize = 3;

/// A leaf of `width` components over one variable of three states.
fn leaf(builder: &mut CircuitBuilder, numbers: &mut Numbers, variable: u32, width: u32) -> NodeId {
    let values: Vec<f64> = (0..width).flat_map(|_| numbers.columns(STATES, 1)).collect();
    let name = format!("leaf {}", numbers.0);
    let table = Parameter::new(name, vec![width as usize, STATES], values);
    let probabilities = builder.quantity_of(table).at(0);
    let family = LeafFamily::Categorical { states: STATES as u32, probabilities };
    let variables = [VariableId(variable)].into_iter().collect();
    builder.leaf(Leaf { family, variables }, width, Origin::Unknown).unwrap()
}

fn sum(
    builder: &mut CircuitBuilder,
    numbers: &mut Numbers,
    from: &[NodeId],
    shape: [usize; 2],
) -> NodeId {
    let name = format!("sum {}", numbers.0);
    let values = numbers.columns(shape[0], shape[1]);
    let weights: Slice = builder.quantity_of(Parameter::new(name, shape.to_vec(), values)).at(0);
    builder.sum(from, shape[1] as u32, weights, Origin::Unknown).unwrap()
}

/// A hidden Markov chain: one variable and one layer of sums for each step.
fn chain(steps: u32, width: usize) -> Circuit {
    let mut builder = CircuitBuilder::new(steps);
    let mut numbers = Numbers::default();
    let mut state = leaf(&mut builder, &mut numbers, 0, width as u32);
    for variable in 1..steps {
        let before = sum(&mut builder, &mut numbers, &[state], [width, width]);
        let seen = leaf(&mut builder, &mut numbers, variable, width as u32);
        state = builder.element_wise(&[before, seen], Origin::Unknown).unwrap();
    }
    let root = sum(&mut builder, &mut numbers, &[state], [width, 1]);
    builder.finish(root).unwrap()
}

/// A scalar tree as structure learners make them: sums of two products that cut the variables in
/// two at random places.
fn tree(
    variables: std::ops::Range<u32>,
    builder: &mut CircuitBuilder,
    numbers: &mut Numbers,
) -> NodeId {
    if variables.len() == 1 {
        return leaf(builder, numbers, variables.start, 1);
    }
    let products: Vec<NodeId> = (0..2)
        .map(|_| {
            let inside = variables.len() as u32 - 1;
            let cut = variables.start + 1 + (numbers.next() * f64::from(inside)) as u32;
            let cut = cut.min(variables.end - 1);
            let left = tree(variables.start..cut, builder, numbers);
            let right = tree(cut..variables.end, builder, numbers);
            builder.element_wise(&[left, right], Origin::Unknown).unwrap()
        })
        .collect();
    sum(builder, numbers, &products, [2, 1])
}

fn rows(variables: u32, count: usize) -> Vec<f64> {
    let state = |index| {
        let missing = number(index * 2 + 1) < 0.1;
        if missing { f64::NAN } else { (number(index * 2) * STATES as f64).floor() }
    };
    (0..variables as usize * count).map(state).collect()
}

fn counts<E: Number>(executable: &Executable<E>, rows: &[f64], counting: Counting) -> Vec<f64> {
    let values: Vec<E> = rows.iter().map(|value| E::from_f64(*value)).collect();
    let rows = Rows::new(&values, executable.plan().variables as usize).unwrap();
    let options = CountOptions { counting, ..CountOptions::default() };
    let counts = executable.counts(rows, &options).unwrap();
    let lists = counts.quantities.iter().flat_map(|counts| match counts {
        QuantityCounts::Weights(uses) | QuantityCounts::Probabilities(uses) => uses.as_slice(),
        other => panic!("{other:?}"),
    });
    lists.map(|value| Real::to_f64(*value)).collect()
}

fn check(circuit: &Circuit, count: usize) {
    let plan = plan(circuit);
    let rows = rows(circuit.variables, count);
    let (single, double) = (executable::<f32>(&plan), executable::<f64>(&plan));
    let expected = counts(&double, &rows, Counting::Soft);
    assert!(expected.iter().all(|value| value.is_finite() && *value >= 0.0));
    compare(&counts(&single, &rows, Counting::Soft), &expected, 2e-4).unwrap();
    // Whatever the rule, each row uses the root once.
    let root = circuit.quantities.len() - 1;
    for rule in RULES {
        let all = counts(&single, &rows, rule);
        let length = circuit.quantities[root].len();
        let used: f64 = all[all.len() - length..].iter().sum();
        assert!((used - count as f64).abs() < 1e-3, "{rule:?}: {used}");
    }
    let values: Vec<f32> = rows.iter().map(|value| *value as f32).collect();
    let rows = Rows::new(&values, circuit.variables as usize).unwrap();
    for rule in RULES {
        let mut executable = executable::<f32>(&plan);
        let options = ExpectationMaximization::new(rule);
        let losses = maximize(&mut executable, rows, options, (1.0, 3));
        assert!(losses.iter().all(|loss| loss.is_finite()), "{rule:?}: {losses:?}");
        assert!(losses[2] < losses[0], "{rule:?}: {losses:?}");
    }
}

#[test]
fn chains_of_depth_1100_keep_their_flows() {
    check(&chain(1100, 4), 40);
}

#[test]
fn trees_of_ten_thousand_nodes_keep_their_flows() {
    let mut builder = CircuitBuilder::new(160);
    let mut numbers = Numbers::default();
    // A forest of trees over ten variables each, below one product for each of three sum inputs.
    let products: Vec<NodeId> = (0..3)
        .map(|_| {
            let parts: Vec<NodeId> = (0..16)
                .map(|part| tree(part * 10..part * 10 + 10, &mut builder, &mut numbers))
                .collect();
            builder.element_wise(&parts, Origin::Unknown).unwrap()
        })
        .collect();
    let root = sum(&mut builder, &mut numbers, &products, [3, 1]);
    let circuit = builder.finish(root).unwrap();
    assert!(circuit.nodes.len() >= 10_000, "{}", circuit.nodes.len());
    check(&circuit, 40);
}
