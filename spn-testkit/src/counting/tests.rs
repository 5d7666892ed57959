//! Soft counts against enumeration and against gradients, hard ones against the best tree.

use spn_ir::{CircuitBuilder, LocationScale, Node, Origin, Parameter, Quantity, VariableId};

use super::induced_trees::{Tree, induced_trees};
use super::*;
use crate::close::compare_each;
use crate::random::{CircuitOptions, RowOptions, random_circuit, random_row};
use crate::reverse::reverse_log_likelihood;

const RULES: [Counting; 3] = [Counting::Soft, Counting::Hard, Counting::UnweightedHard];

fn count_row(circuit: &Circuit, row: &[f64], counting: Counting) -> Counts {
    count(circuit, row, None, counting, Target::Generative, &EvaluateOptions::default())
}

/// Small circuits with their possible trees and the posterior of each.
fn each_enumerable(mut check: impl FnMut(&Circuit, &[f64], &[Tree], &[f64])) -> usize {
    let options = CircuitOptions { size: 12, maximum_width: 3, ..CircuitOptions::default() };
    let rows = RowOptions { odd_states: 0.0, large: 0.0, ..RowOptions::default() };
    let mut checked = 0;
    for seed in 0..400 {
        let circuit = random_circuit(seed, &options);
        let row = random_row(&circuit, seed, &rows);
        let Some(trees) = induced_trees(&circuit, &row, 500) else { continue };
        let best = trees.iter().fold(f64::NEG_INFINITY, |best, tree| best.max(tree.log_value));
        let shares: Vec<f64> = trees.iter().map(|tree| (tree.log_value - best).exp()).collect();
        let total: f64 = shares.iter().sum();
        let posteriors: Vec<f64> = shares.iter().map(|share| share / total).collect();
        checked += usize::from(trees.len() > 1);
        check(&circuit, &row, &trees, &posteriors);
    }
    checked
}

/// Compares flows and uses with those of trees, each with its share.
fn compare_uses<'a>(counts: &Counts, trees: impl Iterator<Item = (&'a Tree, f64)>) {
    let zeros = |list: &Vec<f64>| vec![0.0; list.len()];
    let mut flows: Vec<Vec<f64>> = counts.flows.iter().map(zeros).collect();
    let mut uses: Vec<Vec<f64>> = counts.quantities.iter().map(|q| zeros(&q.uses)).collect();
    for (tree, share) in trees {
        for (&(node, unit), count) in &tree.units {
            flows[node.index()][unit] += share * count;
        }
        for (&(quantity, index), count) in &tree.uses {
            uses[quantity][index] += share * count;
        }
    }
    for (flows, expected) in counts.flows.iter().zip(&flows) {
        compare_each(flows, expected, 1e-9).unwrap();
    }
    for (quantity, expected) in counts.quantities.iter().zip(&uses) {
        compare_each(&quantity.uses, expected, 1e-9).unwrap();
    }
}

#[test]
fn soft_counts_are_expected_uses_in_induced_trees() {
    let checked = each_enumerable(|circuit, row, trees, posteriors| {
        let counts = count_row(circuit, row, Counting::Soft);
        compare_uses(&counts, trees.iter().zip(posteriors.iter().copied()));
        assert_eq!(counts.margin, f64::INFINITY);
    });
    assert!(checked > 150, "{checked}");
}

/// Winners are those of values that are sums, so they need not make the best tree. But what more
/// than half of all probability goes through wins everywhere.
#[test]
fn hard_counts_are_the_uses_of_a_tree_that_is_worth_more_than_all_others() {
    let mut hard = 0;
    each_enumerable(|circuit, row, trees, posteriors| {
        let Some(best) = posteriors.iter().position(|p| *p > 0.5 + 1e-9) else { return };
        let counts = count_row(circuit, row, Counting::Hard);
        compare_uses(&counts, std::iter::once((&trees[best], 1.0)));
        assert!(counts.margin > 0.0);
        hard += usize::from(trees.len() > 1);
    });
    assert!(hard > 80, "{hard}");
}

/// Random circuits of every kind with rows of every kind.
fn each_case(
    circuits: &CircuitOptions,
    rows: &RowOptions,
    mut check: impl FnMut(&Circuit, &[f64]),
) {
    for seed in 0..300 {
        let circuit = random_circuit(seed, circuits);
        let row = random_row(&circuit, seed, rows);
        check(&circuit, &row);
    }
}

/// Equal weights within each column, so that a sum's weights do not decide who wins.
fn with_equal_weights(circuit: &Circuit) -> Circuit {
    let weights = |node: &Node| match &node.kind {
        NodeKind::Sum(sum) => Some(sum.weights.quantity),
        _ => None,
    };
    let quantities: Vec<_> = circuit.nodes.iter().filter_map(weights).collect();
    let mut circuit = circuit.clone();
    for quantity in quantities {
        let shape = circuit.quantities[quantity.index()].shape.clone();
        let values = vec![0.25; shape.iter().product()];
        let id = circuit.parameters.add(Parameter::new("equal", shape.clone(), values));
        circuit.quantities[quantity.index()] =
            Quantity { shape, formula: Formula::Direct(id), bounds: None };
    }
    circuit
}

#[test]
fn unweighted_winners_are_those_of_equal_weights() {
    each_case(&CircuitOptions::default(), &RowOptions::default(), |circuit, row| {
        let circuit = with_equal_weights(circuit);
        let counts = count_row(&circuit, row, Counting::UnweightedHard);
        let weighted = count_row(&circuit, row, Counting::Hard);
        if counts.margin > 1e-9 {
            assert_eq!(counts.flows, weighted.flows);
            assert_eq!(counts.quantities, weighted.quantities);
        }
    });
}

/// One block of two units over two inputs: weights and inputs disagree about who wins.
#[test]
fn units_of_a_sum_have_winners_of_their_own_or_share_one() {
    let mut builder = CircuitBuilder::new(1);
    let p = builder.quantity_of(Parameter::new("p", vec![2, 2], vec![0.4, 0.6, 0.8, 0.2]));
    let leaf = builder.categorical(0, 2, 2, p.at(0), Origin::Unknown).unwrap();
    let w = builder.quantity_of(Parameter::new("w", vec![2, 2], vec![0.9, 0.3, 0.1, 0.7]));
    let sum = builder.sum(&[leaf], 2, w.at(0), Origin::Unknown).unwrap();
    let v = builder.quantity_of(Parameter::new("v", vec![2, 1], vec![0.5, 0.5]));
    let root = builder.sum(&[sum], 1, v.at(0), Origin::Unknown).unwrap();
    let circuit = builder.finish(root).unwrap();
    let seeds = [1.0, 0.5];
    let counts = |counting| {
        count_seeds(&circuit, &[0.0], None, &seeds, counting, &EvaluateOptions::default())
    };
    // Inputs 0.4 and 0.8, weighted 0.36 and 0.08 for one unit, 0.12 and 0.56 for the other.
    let hard = counts(Counting::Hard);
    assert_eq!(hard.quantities[1].uses, [1.0, 0.0, 0.0, 0.5]);
    assert_eq!(hard.quantities[0].uses, [1.0, 0.0, 0.5, 0.0]);
    assert!((hard.margin - 4.5_f64.ln()).abs() < 1e-12);
    let unweighted = counts(Counting::UnweightedHard);
    assert_eq!(unweighted.quantities[1].uses, [0.0, 0.0, 1.0, 0.5]);
    assert!((unweighted.margin - 2_f64.ln()).abs() < 1e-12);
    for counts in [&hard, &unweighted] {
        assert_eq!(counts.quantities[2].uses, seeds);
    }
}

#[test]
fn seeds_are_what_rows_are_counted_for() {
    let mut builder = CircuitBuilder::new(1);
    let p =
        builder.quantity_of(Parameter::new("p", vec![3, 2], vec![0.5, 0.5, 0.9, 0.1, 0.0, 1.0]));
    let leaf = builder.categorical(0, 2, 3, p.at(0), Origin::Unknown).unwrap();
    let w = builder.quantity_of(Parameter::new("w", vec![3, 1], vec![0.6, 0.2, 0.2]));
    let root = builder.sum(&[leaf], 1, w.at(0), Origin::Unknown).unwrap();
    let circuit = builder.finish(root).unwrap();
    let values = evaluate_with(&circuit, &[0.0], None, &EvaluateOptions::default());
    let seeds = |counting, target| root_seeds(&circuit, &values, counting, target);
    // Joints 0.3, 0.18 and 0.
    let soft = seeds(Counting::Soft, Target::Generative).joints;
    compare_each(&soft, &[0.625, 0.375, 0.0], 1e-12).unwrap();
    let hard = seeds(Counting::Hard, Target::Generative);
    assert_eq!(hard.joints, [1.0, 0.0, 0.0]);
    assert!((hard.margin - (0.3_f64 / 0.18).ln()).abs() < 1e-12);
    let unweighted = seeds(Counting::UnweightedHard, Target::Generative);
    assert_eq!(unweighted.joints, [0.0, 1.0, 0.0]);
    assert!((unweighted.margin - (0.9_f64 / 0.5).ln()).abs() < 1e-12);
    for counting in RULES {
        let joint = |label| seeds(counting, Target::Joint { label }).joints;
        assert_eq!(joint(1), [0.0, 1.0, 0.0]);
        assert_eq!(joint(2), [0.0; 3], "impossible");
    }
}

/// Inside of a network an input of weight 0 can win, at the root it cannot.
#[test]
fn at_the_root_unweighted_winners_are_possible() {
    let mut builder = CircuitBuilder::new(1);
    let p = builder.quantity_of(Parameter::new("p", vec![2, 2], vec![0.1, 0.9, 0.8, 0.2]));
    let leaf = builder.categorical(0, 2, 2, p.at(0), Origin::Unknown).unwrap();
    let w = builder.quantity_of(Parameter::new("w", vec![2, 1], vec![1.0, 0.0]));
    let sum = builder.sum(&[leaf], 1, w.at(0), Origin::Unknown).unwrap();
    let v = builder.quantity_of(Parameter::new("v", vec![1, 1], vec![1.0]));
    let above = builder.sum(&[sum], 1, v.at(0), Origin::Unknown).unwrap();
    let mut circuit = builder.finish(above).unwrap();
    let inside = count_row(&circuit, &[0.0], Counting::UnweightedHard);
    assert_eq!(inside.quantities[1].uses, [0.0, 1.0]);
    circuit.root = sum;
    let root = count_row(&circuit, &[0.0], Counting::UnweightedHard);
    assert_eq!(
        (root.quantities[1].uses.as_slice(), root.margin),
        ([1.0, 0.0].as_slice(), f64::INFINITY)
    );
}

#[test]
fn drawn_counts_lie_between_winners_and_posteriors() {
    each_case(&CircuitOptions::default(), &RowOptions::default(), |circuit, row| {
        let drawn = |weighted, probability| {
            count_row(circuit, row, Counting::Drawn { weighted, probability })
        };
        assert_eq!(drawn(true, 1.0), count_row(circuit, row, Counting::Soft));
        assert_eq!(drawn(true, 0.0), count_row(circuit, row, Counting::Hard));
        assert_eq!(drawn(false, 0.0), count_row(circuit, row, Counting::UnweightedHard));
    });
    // Scores 1, 4 and 3 of 8; a quarter is drawn.
    let scores = [1.0_f64, 4.0, 3.0].map(f64::ln);
    let (shares, margin) = Counting::Drawn { weighted: false, probability: 0.25 }.shares(&scores);
    compare_each(&shares, &[0.03125, 0.875, 0.09375], 1e-12).unwrap();
    assert!((margin - (4.0_f64 / 3.0).ln()).abs() < 1e-12);
}

/// Fisher's identity: counts are what derivatives are made of, with dropout, too.
#[test]
fn statistics_make_the_gradients() {
    let rows = RowOptions { odd_states: 0.0, large: 0.0, ..RowOptions::default() };
    let mut compared = 0;
    each_case(&CircuitOptions::gentle(), &rows, |circuit, row| {
        let mut options = EvaluateOptions::default();
        if is_limited(&Inputs::new(circuit, row, None, options.statistics)) {
            return;
        }
        compared += 1;
        for (id, node) in circuit.iter().filter(|(_, node)| node.dropout.is_some()) {
            options.masks.insert(id, (0..node.width).map(|unit| unit % 3 != 2).collect());
        }
        let counts = count(circuit, row, None, Counting::Soft, Target::Generative, &options);
        let gradients = reverse_log_likelihood(circuit, row, None, &options);
        compare_each(&counts.flows.concat(), &gradients.flows.concat(), 1e-9).unwrap();
        let evaluated = circuit.quantities.iter().map(|q| q.evaluate(&circuit.parameters));
        for (index, values) in evaluated.enumerate() {
            // Each quantity is read in one way, so that the other terms are 0.
            let QuantityCounts { uses, shift, mass, square, .. } = &counts.quantities[index];
            let made = values.iter().enumerate().map(|(i, value)| {
                uses[i] / value + shift[i] + (square[i] / (value * value) - mass[i]) / value
            });
            if !is_of_moments(&circuit.quantities[index].formula) {
                let made: Vec<f64> = made.collect();
                compare_each(&made, &gradients.quantities[index], 1e-9).unwrap();
            }
        }
    });
    assert!(compared > 290, "{compared}");
}

/// Whether a value is so close to the location of a Laplace density that its weight is limited.
fn is_limited(inputs: &Inputs<'_>) -> bool {
    inputs.circuit.nodes.iter().any(|node| {
        let NodeKind::Leaf(leaf) = &node.kind else { return false };
        let LeafFamily::LocationScale { density: LocationScale::Laplace, location, scale } =
            leaf.family
        else {
            return false;
        };
        let count = leaf.variables.len();
        (0..node.width as usize * count).any(|index| {
            let x = inputs.row[leaf.variables[index % count].index()];
            let z = (x - inputs.read(location, index)) / inputs.read(scale, index);
            mixing_weight(LocationScale::Laplace, z) * z.abs() < 1.0 - 1e-9
        })
    })
}

fn is_of_moments(formula: &Formula) -> bool {
    matches!(formula, Formula::Ratio { .. } | Formula::MomentScale { .. })
}

/// A Cauchy leaf of two variables with location 0.5 and scale 2.
fn cauchy(moments: bool) -> Circuit {
    let mut builder = CircuitBuilder::new(2);
    let shape = vec![1, 2];
    let mut parameter = |name: &str, value: f64| {
        builder.parameter(Parameter::new(name, shape.clone(), vec![value; 2]))
    };
    let (location, scale) = if moments {
        let [n1, d1] = [("n1", 1.0), ("d1", 2.0)].map(|(name, value)| parameter(name, value));
        let [n2, d2] = [("n2", 17.0), ("d2", 4.0)].map(|(name, value)| parameter(name, value));
        let scale = Formula::MomentScale {
            first_numerator: n1,
            first_denominator: d1,
            second_numerator: n2,
            second_denominator: d2,
        };
        (Formula::Ratio { numerator: n1, denominator: d1 }, scale)
    } else {
        (Formula::Direct(parameter("location", 0.5)), Formula::Direct(parameter("scale", 2.0)))
    };
    let [location, scale] = [location, scale].map(|formula| {
        builder.quantity(Quantity { shape: shape.clone(), formula, bounds: None }).at(0)
    });
    let family = LeafFamily::LocationScale { density: LocationScale::Cauchy, location, scale };
    let variables = [0, 1].into_iter().map(VariableId).collect();
    let leaf = builder.leaf(Leaf { family, variables }, 1, Origin::Unknown).unwrap();
    let weights = builder.quantity_of(Parameter::new("w", vec![1, 1], vec![1.0]));
    let root = builder.sum(&[leaf], 1, weights.at(0), Origin::Unknown).unwrap();
    builder.finish(root).unwrap()
}

#[test]
fn moments_are_matched_whatever_the_family() {
    let options = EvaluateOptions::default();
    let statistics = |moments, row: &[f64]| {
        let counts =
            count_seeds(&cauchy(moments), row, None, &[0.5], Counting::Hard, &options).quantities;
        let [location, scale] = [&counts[0], &counts[1]];
        let lists = [&location.precision, &location.shift, &scale.mass, &scale.weight];
        let first = lists.map(|list| list[0]);
        let missing = location.lists().into_iter().chain(scale.lists()).map(|list| list[1]);
        assert!(missing.sum::<f64>() == 0.0);
        (first, [scale.deviation[0], scale.square[0]])
    };
    let row = [6.5, f64::NAN];
    // Three scales away: u = 2 / (1 + 9).
    let (first, second) = statistics(false, &row);
    compare_each(&first, &[0.025, 0.15, 0.5, 0.1], 1e-12).unwrap();
    compare_each(&second, &[0.6, 3.6], 1e-12).unwrap();
    let (first, second) = statistics(true, &row);
    compare_each(&first, &[0.5, 3.0, 0.5, 0.5], 1e-12).unwrap();
    compare_each(&second, &[3.0, 18.0], 1e-12).unwrap();
}

#[test]
fn every_variable_is_counted_once_whatever_the_rule() {
    for counting in RULES {
        let nothing = RowOptions { all_missing: 1.0, ..RowOptions::plain() };
        each_case(&CircuitOptions::default(), &nothing, |circuit, row| {
            let counts = count_row(circuit, row, counting);
            let mut totals = vec![0.0; circuit.variables as usize];
            for (node, flows) in circuit.nodes.iter().zip(&counts.flows) {
                if let NodeKind::Leaf(leaf) = &node.kind {
                    let total: f64 = flows.iter().sum();
                    leaf.variables.iter().for_each(|v| totals[v.index()] += total);
                }
            }
            compare_each(&totals, &vec![1.0; totals.len()], 1e-9).unwrap();
        });
    }
}

#[test]
fn counts_are_never_negative_or_nan_whatever_the_evidence() {
    let rows = RowOptions { odd_states: 0.5, large: 0.3, ..RowOptions::default() };
    for counting in RULES {
        each_case(&CircuitOptions::default(), &rows, |circuit, row| {
            let values = evaluate_with(circuit, row, None, &EvaluateOptions::default());
            let counts = count_row(circuit, row, counting);
            for QuantityCounts { uses, precision, mass, weight, square, shift, deviation } in
                &counts.quantities
            {
                let positive = [uses, precision, mass, weight, square].into_iter().flatten();
                assert!(positive.into_iter().all(|count| *count >= 0.0));
                assert!(shift.iter().chain(deviation).all(|moment| moment.is_finite()));
            }
            for (value, flow) in values.iter().flatten().zip(counts.flows.iter().flatten()) {
                assert!(*flow >= 0.0 && (*value != f64::NEG_INFINITY || *flow == 0.0));
            }
            let possible = values[circuit.root.index()][0] != f64::NEG_INFINITY;
            assert_eq!(counts.flows[circuit.root.index()][0] > 0.5, possible);
        });
    }
}
