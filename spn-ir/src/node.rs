//! The nodes of a circuit.
//!
//! A node is a **block**: `width` units that share one scope. Scalar circuits are blocks of
//! width 1. All values are natural-log densities; `x_i` is unit `i` of a child.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{ScopeId, Slice};

/// Index of a node in its circuit; children have smaller ids than their parents.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The index as a `usize`.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Index of a variable: a column of the input rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VariableId(pub u32);

impl VariableId {
    /// The index as a `usize`.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A block of units that share a scope.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What the units compute.
    pub kind: NodeKind,
    /// How many units the block has.
    pub width: u32,
    /// The variables they depend on.
    pub scope: ScopeId,
    /// Where the node came from, for messages.
    pub origin: Origin,
    /// Dropout on the units' values, in training only.
    pub dropout: Option<Dropout>,
}

/// What a node's units compute from their children or from the input.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// Log-densities of `width` components of a distribution family.
    Leaf(Leaf),
    /// Products of children with pairwise disjoint scopes.
    Product(Product),
    /// Weighted sums of children with equal scopes.
    Sum(Sum),
}

/// `width` components of a distribution over one or several variables. Several variables are
/// independent given the component. A missing variable contributes log 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// The distribution family with its parameters.
    pub family: LeafFamily,
    /// The variables, in the order in which the parameters hold them.
    pub variables: SmallVec<[VariableId; 1]>,
}

/// A family of distributions. Adding one: a variant here, a kernel file in the runtime.
#[derive(Clone, Debug, PartialEq)]
pub enum LeafFamily {
    /// A location-scale family; both slices hold `[width, variables]` values.
    LocationScale {
        /// Which density.
        density: LocationScale,
        /// Locations.
        location: Slice,
        /// Scales, positive.
        scale: Slice,
    },
    /// Component `k` is 1 where every variable is `k` (truncated towards zero) and 0 elsewhere.
    Indicator,
    /// Component `k` gives state `x` of variable `d` the probability `[k, d, x]`; values are
    /// state numbers, truncated towards zero.
    Categorical {
        /// How many states each variable has.
        states: u32,
        /// Probabilities `[width, variables, states]`.
        probabilities: Slice,
    },
}

/// The location-scale densities, with `z = (x - location) / scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LocationScale {
    /// `-z²/2 - ln scale - ln(2π)/2`
    Normal,
    /// `-ln(1 + z²) - ln scale - ln π`
    Cauchy,
    /// `-|z| - ln scale - ln 2`
    Laplace,
}

/// A product node. Without children it is the constant log 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    /// The factors, with pairwise disjoint scopes.
    pub children: SmallVec<[NodeId; 4]>,
    /// Which units of the children are multiplied.
    pub combine: Combine,
}

/// Which unit of each child a product's unit multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Combine {
    /// Unit `k` multiplies unit `k` of every child; all widths are equal.
    ElementWise,
    /// All combinations, the first child varying slowest; the width is the product of theirs.
    Outer,
    /// Unit `k` multiplies unit `table[child][k]` of each child.
    Table(PickTableId),
}

/// Index of a pick table in its circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PickTableId(pub u32);

/// For each child (outer index) and unit of the product (inner index), the unit of the child.
/// Many products may share one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PickTable {
    /// `picks[child][unit]`.
    pub picks: Vec<Vec<u32>>,
}

/// A sum node: unit `o` is `ln Σ_i w[i, o] exp(x_i)`, `i` running over the units of all children
/// one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Sum {
    /// The children, with equal scopes.
    pub children: SmallVec<[NodeId; 4]>,
    /// Linear weights `[Σ widths of the children, width]`, row-major.
    pub weights: Slice,
}

/// Where a node came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Origin {
    /// Made by a pass or by a program.
    #[default]
    Unknown,
    /// Cell `(row, column)` of a layer: rows and columns of an image, or scope and decomposition.
    Layer {
        /// Index of the layer from the bottom; the circuit knows its name.
        layer: u32,
        /// Row or scope.
        row: u32,
        /// Column or decomposition.
        column: u32,
    },
    /// Line of a circuit file, from 1.
    Line(u32),
}

/// Random masking of a block's values in training. The random number of unit `k` is number
/// `first + k · stride` of the stream `stream`, so that units can share one (`stride` 0).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dropout {
    /// What happens to a value that is not kept.
    pub kind: DropoutKind,
    /// Probability of not keeping a value.
    pub rate: f64,
    /// Which random stream, in a network the index of the layer.
    pub stream: u32,
    /// Index of the first unit's random number.
    pub first: u32,
    /// Distance of neighbouring units' random numbers.
    pub stride: u32,
}

/// The two kinds of dropout of the reference library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DropoutKind {
    /// `LogDropout`: a dropped value becomes log 0; nothing is rescaled.
    Sum {
        /// Whether the unit with the largest random number of the block is always kept.
        keep_one: bool,
    },
    /// Keras' `Dropout` on log-densities: a dropped value becomes log 1.
    Input {
        /// Whether kept log-densities are multiplied by `1 / (1 - rate)`, as Keras does.
        rescale: bool,
    },
}
