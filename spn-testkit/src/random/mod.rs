//! Random circuits and rows, as functions of a seed and as proptest strategies.
//!
//! In: a seed and options. Out: always the same circuit, valid (complete, decomposable and
//! normalised) and small; with [`invalid_circuit`], one that is broken in one known place.
//!
//! Every kind of node occurs: all leaf families, all ways to combine, shared and unreachable
//! nodes, sums of several children, tied weights, constants, dropout, wide and scalar blocks.

mod convolution;
mod copier;
mod deterministic;
mod invalid;
mod leaves;
mod maker;
mod regions;
mod rows;
mod weights;

use std::fmt;

use proptest::strategy::Strategy;
use spn_ir::{Circuit, CircuitError};

pub use self::deterministic::deterministic_circuit;
pub use self::invalid::{ExpectedProblem, invalid_circuit};
pub use self::rows::{RowOptions, VariableKind, random_row, variable_kinds};

use self::maker::Maker;

/// What a random circuit looks like as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Every node has one parent.
    Tree,
    /// Regions are shared between several parents.
    Graph,
    /// A row of cells, convolved with growing dilation: shared cells, padding, often tied weights.
    Convolution,
}

/// What may occur in a random circuit. Whether it does occur depends on the seed.
#[derive(Clone, Debug, PartialEq)]
pub struct CircuitOptions {
    /// About how many nodes to make at most.
    pub size: usize,
    /// The most variables; there is at least one.
    pub maximum_variables: u32,
    /// The widest block.
    pub maximum_width: u32,
    /// Only indicators and categoricals, so that all states can be enumerated.
    pub discrete_only: bool,
    /// Leaves over several variables.
    pub multivariate: bool,
    /// Normalised input rows (in circuits without discrete leaves).
    pub normalisation: bool,
    /// Dropout nodes.
    pub dropout: bool,
    /// Weights of exactly zero.
    pub sparse: bool,
    /// Weights and scales of very different magnitudes.
    pub extreme: bool,
    /// The shape, or `None` for any.
    pub shape: Option<Shape>,
}

impl Default for CircuitOptions {
    fn default() -> Self {
        Self {
            size: 30,
            maximum_variables: 8,
            maximum_width: 20,
            discrete_only: false,
            multivariate: true,
            normalisation: true,
            dropout: true,
            sparse: true,
            extreme: true,
            shape: None,
        }
    }
}

impl CircuitOptions {
    /// Options for circuits that brute force can enumerate: discrete, few variables.
    #[must_use]
    pub fn discrete() -> Self {
        Self { discrete_only: true, maximum_variables: 5, ..Self::default() }
    }

    /// Options without very large and very small numbers, for finite differences.
    #[must_use]
    pub fn gentle() -> Self {
        Self { sparse: false, extreme: false, ..Self::default() }
    }
}

/// The random circuit with this seed.
#[must_use]
pub fn random_circuit(seed: u64, options: &CircuitOptions) -> Circuit {
    make(seed, options).expect("the generator makes only what the circuit builder accepts")
}

fn make(seed: u64, options: &CircuitOptions) -> Result<Circuit, CircuitError> {
    let mut maker = Maker::new(seed, options);
    let root = match maker.shape {
        Shape::Tree | Shape::Graph => maker.whole_region()?,
        Shape::Convolution => maker.convolution()?,
    };
    maker.finish(root)
}

/// A random circuit with what is needed to make it again; its `Debug` form can be read and pasted.
#[derive(Clone)]
pub struct Sample {
    /// The seed.
    pub seed: u64,
    /// The options.
    pub options: CircuitOptions,
    /// The circuit.
    pub circuit: Circuit,
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, options, circuit } = self;
        writeln!(f, "random_circuit({seed}, &{options:?}) =")?;
        write!(f, "{}", spn_ir::text::print(circuit))
    }
}

/// A strategy of random circuits; failing ones shrink to fewer nodes, variables and units.
pub fn circuits(options: CircuitOptions) -> impl Strategy<Value = Sample> {
    let seeds = proptest::num::u64::ANY.no_shrink();
    let sizes = (
        1..=options.size.max(1),
        1..=options.maximum_variables.max(1),
        1..=options.maximum_width.max(1),
    );
    (seeds, sizes).prop_map(move |(seed, (size, maximum_variables, maximum_width))| {
        let options = CircuitOptions { size, maximum_variables, maximum_width, ..options.clone() };
        Sample { seed, circuit: random_circuit(seed, &options), options }
    })
}

/// A strategy of random circuits, each with some random rows (NaN is missing).
pub fn circuits_with_rows(
    options: CircuitOptions,
    rows: RowOptions,
    count: usize,
) -> impl Strategy<Value = (Sample, Vec<Vec<f64>>)> {
    circuits(options).prop_map(move |sample| {
        let seeds = (0..count as u64).map(|index| sample.seed.wrapping_add(index));
        let rows = seeds.map(|seed| random_row(&sample.circuit, seed, &rows)).collect();
        (sample, rows)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use spn_ir::{Combine, LeafFamily, NodeKind};

    use super::*;

    #[test]
    fn a_seed_gives_one_circuit() {
        let options = CircuitOptions::default();
        for seed in 0..20 {
            let (first, second) = (random_circuit(seed, &options), random_circuit(seed, &options));
            assert_eq!(spn_ir::text::print(&first), spn_ir::text::print(&second));
        }
    }

    /// What a circuit has that some circuit should have.
    fn features(circuit: &Circuit) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut parents = vec![0; circuit.nodes.len()];
        let mut weights = BTreeSet::new();
        for node in &circuit.nodes {
            node.children().iter().for_each(|child| parents[child.index()] += 1);
            let name = match &node.kind {
                NodeKind::Leaf(leaf) => match &leaf.family {
                    LeafFamily::LocationScale { density, .. } => format!("{density:?}"),
                    LeafFamily::Indicator => "Indicator".to_owned(),
                    LeafFamily::Categorical { .. } => "Categorical".to_owned(),
                },
                NodeKind::Product(product) if product.children.is_empty() => "one".to_owned(),
                NodeKind::Product(product) => match product.combine {
                    Combine::Table(_) => "Table".to_owned(),
                    other => format!("{other:?}"),
                },
                NodeKind::Sum(sum) => {
                    if !weights.insert(sum.weights) {
                        found.insert("tied".to_owned());
                    }
                    if sum.weights.offset > 0 {
                        found.insert("offset".to_owned());
                    }
                    format!("sum of {}", sum.children.len().min(3))
                }
            };
            found.insert(name);
            found.extend(node.dropout.map(|_| "dropout".to_owned()));
            found.insert(if node.width == 1 { "scalar" } else { "block" }.to_owned());
        }
        if parents.iter().any(|&count| count > 1) {
            found.insert("shared".to_owned());
        }
        found.extend(circuit.normalisation.as_ref().map(|_| "normalisation".to_owned()));
        let kind = |formula: &spn_ir::Formula| {
            format!("{formula:?}").chars().take_while(char::is_ascii_alphabetic).collect()
        };
        found.extend(circuit.quantities.iter().map(|q| -> String { kind(&q.formula) }));
        found
    }

    #[test]
    fn every_kind_of_node_occurs() {
        let options = CircuitOptions::default();
        let found: BTreeSet<String> =
            (0..200).flat_map(|seed| features(&random_circuit(seed, &options))).collect();
        let expected = "Normal Cauchy Laplace Indicator Categorical one ElementWise Outer Table \
            tied offset dropout scalar block shared normalisation Direct Exp Softmax Normalized \
            Softplus Ratio MomentScale";
        for feature in expected.split_whitespace() {
            assert!(found.contains(feature), "no {feature} in {found:?}");
        }
        for count in 1..=3 {
            assert!(found.contains(&format!("sum of {count}")), "{found:?}");
        }
    }
}
