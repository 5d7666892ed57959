//! Networks of scalar nodes: what the formats of other programs hold.
//!
//! Readers collect [`ScalarNode`]s in the order and with the numbers of their files and
//! [`Scalars::build`] makes a circuit of them; writers get a circuit unit by unit from
//! [`unroll`], together with everything that was lost on the way.

mod build;
mod place;
mod tree;
mod unroll;

pub(super) use build::{BuildProblem, scopes_fit};
pub(super) use place::Source;
pub(super) use unroll::{Unrolled, unroll};

use crate::LocationScale;

/// A network of scalar nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Scalars {
    /// The nodes; children are indices into this list, in any order.
    pub(super) nodes: Vec<ScalarNode>,
}

/// A node of one unit.
#[derive(Clone, Debug)]
pub(super) struct ScalarNode {
    pub(super) kind: ScalarKind,
    /// For readers the line of the file (0 in binary files), for writers the circuit's node.
    pub(super) origin: u32,
}

/// What a node computes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ScalarKind {
    /// State `x` has probability `x` of the list.
    Categorical { variable: u32, probabilities: Values },
    /// 1 where the variable is `value`; it has at least `states` states.
    Indicator { variable: u32, value: u32, states: u32 },
    /// A location-scale density.
    LocationScale { density: LocationScale, variable: u32, location: f64, scale: f64 },
    /// A product.
    Product(Vec<u32>),
    /// A weighted sum.
    Sum { children: Vec<u32>, weights: Values },
}

/// Weights or probabilities, as they are stored: nothing is rounded that need not be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    /// As they are.
    Linear(Vec<f64>),
    /// Their natural logarithms.
    Log(Vec<f64>),
}

/// The largest value that an indicator may ask for.
pub(super) const MAXIMUM_INDICATOR: u32 = (1 << 16) - 1;

impl Values {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Linear(values) | Self::Log(values) => values.len(),
        }
    }

    /// The values themselves.
    pub(super) fn linear(&self) -> Vec<f64> {
        match self {
            Self::Linear(values) => values.clone(),
            Self::Log(values) => values.iter().map(|value| value.exp()).collect(),
        }
    }

    /// Their natural logarithms.
    pub(super) fn logarithms(&self) -> Vec<f64> {
        match self {
            Self::Linear(values) => values.iter().map(|value| value.ln()).collect(),
            Self::Log(values) => values.clone(),
        }
    }
}

impl ScalarKind {
    /// The node's children.
    pub(super) fn children(&self) -> &[u32] {
        match self {
            Self::Product(children) | Self::Sum { children, .. } => children,
            _ => &[],
        }
    }

    /// The variable of a leaf.
    pub(super) fn variable(&self) -> Option<u32> {
        match *self {
            Self::Categorical { variable, .. }
            | Self::Indicator { variable, .. }
            | Self::LocationScale { variable, .. } => Some(variable),
            Self::Product(_) | Self::Sum { .. } => None,
        }
    }

    /// What messages call the node.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Categorical { .. } => "a categorical leaf",
            Self::Indicator { .. } => "an indicator leaf",
            Self::LocationScale { density: LocationScale::Normal, .. } => "a normal leaf",
            Self::LocationScale { density: LocationScale::Cauchy, .. } => "a Cauchy leaf",
            Self::LocationScale { density: LocationScale::Laplace, .. } => "a Laplace leaf",
            Self::Product(_) => "a product",
            Self::Sum { .. } => "a sum",
        }
    }
}

impl Scalars {
    /// Adds a node and gives its index.
    pub(super) fn push(&mut self, kind: ScalarKind, origin: u32) -> u32 {
        self.nodes.push(ScalarNode { kind, origin });
        self.nodes.len() as u32 - 1
    }

    /// One more than the largest variable.
    pub(super) fn variables(&self) -> u32 {
        let variables = self.nodes.iter().filter_map(|node| node.kind.variable());
        variables.max().map_or(0, |largest| largest.saturating_add(1))
    }
}
