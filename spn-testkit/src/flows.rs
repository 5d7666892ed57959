//! The way of flows from the joints of the root down to the leaves, written to be read.
//!
//! In: the values of all units and a signal at each joint of the root. Out: how much of the signal
//! reaches each unit and goes through each edge of a sum. A product passes its flow to all its
//! factors, a sum distributes its flow among its inputs by a rule ([`Counting`]).
//!
//! A unit of value `-inf` has flow 0 and passes nothing on, so no NaN appears.

use spn_ir::{Circuit, DropoutKind, Node, NodeId, NodeKind, Sum};

use crate::reference::{DropoutMasks, Inputs, factors, sum_inputs};

/// How a sum distributes its flow among its inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Counting {
    /// In proportion to the posterior `exp(x_i + ln w_io - out_o)`: the derivative.
    #[default]
    Soft,
    /// All to the winner `argmax_i (x_i + ln w_io)`; each unit of a sum has its own.
    Hard,
    /// All to the winner `argmax_i x_i`, the same for all units of a sum.
    UnweightedHard,
    /// What is expected of [`Hard`](Self::Hard) (or, not weighted, of
    /// [`UnweightedHard`](Self::UnweightedHard)) if with this probability the input is drawn
    /// instead, in proportion to what winners are the largest of.
    Drawn {
        /// Whether weights count.
        weighted: bool,
        /// How often the input is drawn, from 0 to 1.
        probability: f64,
    },
}

impl Counting {
    /// Whether inputs are compared with their weights.
    pub(crate) fn is_weighted(self) -> bool {
        !matches!(self, Self::UnweightedHard | Self::Drawn { weighted: false, .. })
    }

    /// The share of each input, given the logarithms of what inputs are compared by, and how close
    /// the winner was as in [`winner`].
    pub(crate) fn shares(self, scores: &[f64]) -> (Vec<f64>, f64) {
        let drawn = match self {
            Self::Soft => 1.0,
            Self::Hard | Self::UnweightedHard => 0.0,
            Self::Drawn { probability, .. } => probability,
        };
        let (winner, margin) = winner(scores);
        let proportions: Vec<f64> =
            scores.iter().map(|score| (score - scores[winner]).exp()).collect();
        let total: f64 = proportions.iter().sum();
        let won = one_hot(scores.len(), winner);
        let shares = proportions.iter().zip(won);
        let shares = shares.map(|(p, won)| drawn * p / total + (1.0 - drawn) * won);
        (shares.collect(), if drawn == 1.0 { f64::INFINITY } else { margin })
    }
}

/// What has come where.
pub(crate) struct Flows {
    /// The flow of each unit's value after dropout, `[node][unit]`.
    pub(crate) units: Vec<Vec<f64>>,
    /// The flow of each unit's value before dropout: what the unit passes on. 0 for a root that is
    /// a sum, whose joints are given.
    pub(crate) passed: Vec<Vec<f64>>,
    /// The flow through each edge of a sum, `[node][input · width + unit]`; empty for other nodes.
    pub(crate) edges: Vec<Vec<f64>>,
    /// The smallest distance between a winner and the next input, over all sum units with a flow.
    pub(crate) margin: f64,
}

impl Flows {
    /// Distributes `seeds`, one for each joint of the root.
    pub(crate) fn new(
        inputs: &Inputs<'_>,
        values: &[Vec<f64>],
        seeds: &[f64],
        counting: Counting,
        masks: &DropoutMasks,
    ) -> Self {
        let circuit = inputs.circuit;
        let zeros = || values.iter().map(|units| vec![0.0; units.len()]).collect();
        let edges = |node: &Node| match &node.kind {
            NodeKind::Sum(sum) => {
                vec![0.0; sum_inputs(sum, values).count() * node.width as usize]
            }
            _ => Vec::new(),
        };
        let mut flows = Self {
            units: zeros(),
            passed: zeros(),
            edges: circuit.nodes.iter().map(edges).collect(),
            margin: f64::INFINITY,
        };
        flows.root(circuit, values, seeds);
        for (id, node) in circuit.iter().rev() {
            if id == circuit.root && matches!(node.kind, NodeKind::Sum(_)) {
                continue;
            }
            let outs: Vec<f64> =
                (0..node.width as usize).map(|unit| inputs.unit(values, node, unit)).collect();
            for (unit, out) in outs.iter().enumerate() {
                if *out != f64::NEG_INFINITY {
                    let slope = dropout_slope(node, masks.is_kept(id, unit));
                    flows.passed[id.index()][unit] = flows.units[id.index()][unit] * slope;
                }
            }
            match &node.kind {
                NodeKind::Leaf(_) => {}
                NodeKind::Product(product) => {
                    for unit in 0..node.width as usize {
                        for (child, picked) in factors(circuit, product, unit) {
                            flows.units[child.index()][picked] += flows.passed[id.index()][unit];
                        }
                    }
                }
                NodeKind::Sum(sum) => flows.sum((id, sum), inputs, values, outs.len(), counting),
            }
        }
        flows
    }

    /// Begins at the joints: `joint_n = x_n + ln w_n`.
    fn root(&mut self, circuit: &Circuit, values: &[Vec<f64>], seeds: &[f64]) {
        let root = circuit.root;
        let NodeKind::Sum(sum) = &circuit.node(root).kind else {
            self.units[root.index()][0] = seeds.iter().sum();
            return;
        };
        for (input, ((child, unit), seed)) in units_of(circuit, sum).zip(seeds).enumerate() {
            if values[child.index()][unit] != f64::NEG_INFINITY {
                self.edges[root.index()][input] = *seed;
                self.units[child.index()][unit] += seed;
            }
        }
        self.units[root.index()][0] = self.edges[root.index()].iter().sum();
    }

    /// Distributes the flow of each unit of a sum of so many units.
    fn sum(
        &mut self,
        (id, sum): (NodeId, &Sum),
        inputs: &Inputs<'_>,
        values: &[Vec<f64>],
        width: usize,
        counting: Counting,
    ) {
        let xs: Vec<f64> = sum_inputs(sum, values).collect();
        for unit in 0..width {
            let flow = self.passed[id.index()][unit];
            if flow == 0.0 {
                continue;
            }
            let weight = |input: usize| inputs.read(sum.weights, input * width + unit).ln();
            let score = |(input, x): (usize, &f64)| {
                if counting.is_weighted() { x + weight(input) } else { *x }
            };
            let scores: Vec<f64> = xs.iter().enumerate().map(score).collect();
            let (shares, margin) = counting.shares(&scores);
            self.margin = self.margin.min(margin);
            let children = units_of(inputs.circuit, sum).zip(shares);
            for (input, ((child, child_unit), share)) in children.enumerate() {
                self.edges[id.index()][input * width + unit] = flow * share;
                self.units[child.index()][child_unit] += flow * share;
            }
        }
    }
}

/// The first of the largest scores, and by how much it is larger than every other one: 0 in a tie,
/// infinite if nothing else is possible.
fn winner(scores: &[f64]) -> (usize, f64) {
    let larger =
        |best: usize, index: usize| if scores[index] > scores[best] { index } else { best };
    let winner = (0..scores.len()).fold(0, larger);
    let others = scores.iter().enumerate().filter(|(index, _)| *index != winner);
    let next = others.fold(f64::NEG_INFINITY, |next, (_, &score)| next.max(score));
    let margin = if next == f64::NEG_INFINITY { f64::INFINITY } else { scores[winner] - next };
    (winner, margin)
}

/// 1 at one place, 0 elsewhere.
pub(crate) fn one_hot(length: usize, place: usize) -> Vec<f64> {
    (0..length).map(|index| if index == place { 1.0 } else { 0.0 }).collect()
}

/// The units that a sum's inputs are, in order.
fn units_of<'a>(circuit: &'a Circuit, sum: &'a Sum) -> impl Iterator<Item = (NodeId, usize)> + 'a {
    let units = |child: NodeId| (0..circuit.node(child).width as usize).map(move |u| (child, u));
    sum.children.iter().flat_map(move |&child| units(child))
}

/// The derivative of a unit's value with respect to its value before dropout.
fn dropout_slope(node: &Node, kept: Option<bool>) -> f64 {
    match (node.dropout, kept) {
        (Some(_), Some(false)) => 0.0,
        (Some(dropout), Some(true)) => match dropout.kind {
            DropoutKind::Input { rescale: true } => 1.0 / (1.0 - dropout.rate),
            _ => 1.0,
        },
        _ => 1.0,
    }
}
