//! The specification of counting for expectation maximisation, written to be read.
//!
//! In: a circuit, a row, what the row is counted for ([`Target`]) and how sums distribute their
//! flow ([`Counting`]). Out: the flow of every unit and, for every quantity, the statistics from
//! which a maximisation step computes new values ([`QuantityCounts`]). Everything is positive: the
//! joints of the root begin with their posteriors.
//!
//! Leaves are counted as scale mixtures of normal densities (Andrews & Mallows, "Scale mixtures of
//! normal distributions", 1974): a value counts with the mixing weight `u(z)` that the normal
//! density's precision has, given the value. Moment accumulators ([`Formula::Ratio`],
//! [`Formula::MomentScale`]) match moments instead, whatever the family: a leaf that has any is
//! counted with `u = 1`.
//!
//! Where several readings were possible, this file decides:
//! * the first input wins a tie (see [`Counts::margin`]);
//! * an unweighted winner gets the flow even if its weight is 0, but not at the root: what is known
//!   there are joints, and one of weight 0 is impossible whatever its input is;
//! * a row, or a row with its label, of probability 0 is not counted at all.

use spn_ir::{Circuit, Formula, Leaf, LeafFamily, NodeKind, Slice};

use crate::density::mixing_weight;
use crate::flows::{Flows, one_hot};
use crate::reference::{EvaluateOptions, Inputs, evaluate_with, joints_of, state, sum_inputs};

pub use crate::flows::Counting;

/// What a row is counted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// `log p(x)`.
    #[default]
    Generative,
    /// `log p(x, y)`.
    Joint {
        /// The joint `y`.
        label: usize,
    },
}

/// A signal for each joint of the root.
#[derive(Clone, Debug, PartialEq)]
pub struct Seeds {
    /// The signals.
    pub joints: Vec<f64>,
    /// How close the winner was, as [`Counts::margin`]; infinite where none was looked for.
    pub margin: f64,
}

/// What a row counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    /// The flow of the value (after dropout) of each unit, `[node][unit]`.
    pub flows: Vec<Vec<f64>>,
    /// The statistics of each quantity.
    pub quantities: Vec<QuantityCounts>,
    /// The smallest distance, in nats, between a winner and the next input of its sum, over all
    /// sum units with a flow; infinite if nothing had a choice or the counting is soft. With
    /// rounding errors beyond it, another input may win.
    pub margin: f64,
}

/// Statistics of one quantity, summed over all nodes that read it: each list has one entry for
/// each of the quantity's values and is 0 where nothing of the kind is read.
///
/// `F` is a leaf unit's flow, `x` the (normalised) observed value, `m` and `s` are its location
/// and scale as they are now, `u` is the mixing weight.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuantityCounts {
    /// Of a sum's weight, the flow through it; of a categorical leaf's probability, the flow of
    /// units that observed this state.
    pub uses: Vec<f64>,
    /// Of a location, `Σ F u / s²`; of a mean of moments, `Σ F`.
    pub precision: Vec<f64>,
    /// Of a location, `Σ F u (x - m) / s²`; of a mean of moments, `Σ F (x - m)`.
    pub shift: Vec<f64>,
    /// Of a scale, `Σ F`.
    pub mass: Vec<f64>,
    /// Of a scale, `Σ F u`.
    pub weight: Vec<f64>,
    /// Of a scale, `Σ F u (x - m)`.
    pub deviation: Vec<f64>,
    /// Of a scale, `Σ F u (x - m)²`.
    pub square: Vec<f64>,
}

impl QuantityCounts {
    fn zeros(length: usize) -> Self {
        let zeros = || vec![0.0; length];
        Self {
            uses: zeros(),
            precision: zeros(),
            shift: zeros(),
            mass: zeros(),
            weight: zeros(),
            deviation: zeros(),
            square: zeros(),
        }
    }

    /// All lists.
    #[must_use]
    pub fn lists(&self) -> [&[f64]; 7] {
        let Self { uses, precision, shift, mass, weight, deviation, square } = self;
        [uses, precision, shift, mass, weight, deviation, square]
    }
}

/// The signals at the root's joints. Generative ones sum to 1 and are posteriors or all at the
/// winner (unweighted, that of the largest input among those of weights above 0), those of a joint
/// are 1 at the label. All are 0 if what is counted has probability 0.
///
/// `values` are those of [`evaluate_with`].
#[must_use]
pub fn root_seeds(
    circuit: &Circuit,
    values: &[Vec<f64>],
    counting: Counting,
    target: Target,
) -> Seeds {
    let joints = joints_of(circuit, values);
    let best = joints.iter().fold(f64::NEG_INFINITY, |best, &joint| best.max(joint));
    let counted = match target {
        Target::Generative => best,
        Target::Joint { label } => joints[label],
    };
    if counted == f64::NEG_INFINITY {
        return Seeds { joints: vec![0.0; joints.len()], margin: f64::INFINITY };
    }
    if let Target::Joint { label } = target {
        return Seeds { joints: one_hot(joints.len(), label), margin: f64::INFINITY };
    }
    let mut scores = joints.clone();
    if let (NodeKind::Sum(sum), false) = (&circuit.node(circuit.root).kind, counting.is_weighted())
    {
        let inputs = scores.iter_mut().zip(sum_inputs(sum, values));
        let possible = inputs.filter(|(joint, _)| **joint != f64::NEG_INFINITY);
        possible.for_each(|(score, input)| *score = input);
    }
    let (joints, margin) = counting.shares(&scores);
    Seeds { joints, margin }
}

/// Counts one row.
#[must_use]
pub fn count(
    circuit: &Circuit,
    row: &[f64],
    observed: Option<&[bool]>,
    counting: Counting,
    target: Target,
    options: &EvaluateOptions,
) -> Counts {
    let values = evaluate_with(circuit, row, observed, options);
    let seeds = root_seeds(circuit, &values, counting, target);
    let counts = count_seeds(circuit, row, observed, &seeds.joints, counting, options);
    Counts { margin: counts.margin.min(seeds.margin), ..counts }
}

/// Counts one row whose joint `n` has the signal `seeds[n]`. The count of the root's weight `n` is
/// just this signal.
#[must_use]
pub fn count_seeds(
    circuit: &Circuit,
    row: &[f64],
    observed: Option<&[bool]>,
    seeds: &[f64],
    counting: Counting,
    options: &EvaluateOptions,
) -> Counts {
    let values = evaluate_with(circuit, row, observed, options);
    let inputs = Inputs::new(circuit, row, observed, options.statistics);
    let flows = Flows::new(&inputs, &values, seeds, counting, &options.masks);
    let zeros = inputs.quantities.iter().map(|values| QuantityCounts::zeros(values.len()));
    let mut counter = Counter { inputs: &inputs, quantities: zeros.collect() };
    for (id, node) in circuit.iter() {
        match &node.kind {
            NodeKind::Leaf(leaf) => {
                for (unit, &flow) in flows.passed[id.index()].iter().enumerate() {
                    counter.leaf(leaf, unit, flow);
                }
            }
            NodeKind::Product(_) => {}
            NodeKind::Sum(sum) => {
                for (edge, flow) in flows.edges[id.index()].iter().enumerate() {
                    let (counts, index) = counter.at(sum.weights, edge);
                    counts.uses[index] += flow;
                }
            }
        }
    }
    Counts { flows: flows.units, quantities: counter.quantities, margin: flows.margin }
}

/// What is filled node by node.
struct Counter<'a> {
    inputs: &'a Inputs<'a>,
    quantities: Vec<QuantityCounts>,
}

impl Counter<'_> {
    /// The counts of a slice's quantity, and where in it value `index` of the slice is.
    fn at(&mut self, slice: Slice, index: usize) -> (&mut QuantityCounts, usize) {
        (&mut self.quantities[slice.quantity.index()], slice.offset as usize + index)
    }

    /// Counts the values that one unit of a leaf observed.
    fn leaf(&mut self, leaf: &Leaf, unit: usize, flow: f64) {
        let count = leaf.variables.len();
        for (position, variable) in leaf.variables.iter().enumerate() {
            let x = self.inputs.row[variable.index()];
            if x.is_nan() || flow == 0.0 {
                continue;
            }
            let index = unit * count + position;
            match &leaf.family {
                LeafFamily::LocationScale { density, location, scale } => {
                    let (m, s) =
                        (self.inputs.read(*location, index), self.inputs.read(*scale, index));
                    let u = mixing_weight(*density, (x - m) / s);
                    let (precision, u) = match self.is_of_moments([*location, *scale]) {
                        true => (1.0, 1.0),
                        false => (u / (s * s), u),
                    };
                    self.location(*location, index, (flow, x - m, precision));
                    self.scale(*scale, index, (flow, x - m, u));
                }
                LeafFamily::Indicator => {}
                LeafFamily::Categorical { states, probabilities } => {
                    if let Some(state) = state(x, *states) {
                        let (counts, index) =
                            self.at(*probabilities, index * *states as usize + state);
                        counts.uses[index] += flow;
                    }
                }
            }
        }
    }

    fn location(&mut self, slice: Slice, index: usize, (flow, deviation, u): (f64, f64, f64)) {
        let (counts, index) = self.at(slice, index);
        counts.precision[index] += flow * u;
        counts.shift[index] += flow * u * deviation;
    }

    fn scale(&mut self, slice: Slice, index: usize, (flow, deviation, u): (f64, f64, f64)) {
        let (counts, index) = self.at(slice, index);
        counts.mass[index] += flow;
        counts.weight[index] += flow * u;
        counts.deviation[index] += flow * u * deviation;
        counts.square[index] += flow * u * deviation * deviation;
    }

    /// Whether the location or the scale of a leaf is made of moment accumulators.
    fn is_of_moments(&self, slices: [Slice; 2]) -> bool {
        slices.iter().any(|slice| {
            let formula = self.inputs.circuit.quantities[slice.quantity.index()].formula;
            matches!(formula, Formula::Ratio { .. } | Formula::MomentScale { .. })
        })
    }
}

#[cfg(test)]
mod induced_trees;
#[cfg(test)]
mod tests;
