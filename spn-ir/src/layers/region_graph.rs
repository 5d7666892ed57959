//! Region graphs: a tree of scopes becomes a stack of region layers.
//!
//! In: a [`Region`] tree, in files nested lists of variable indices such as `[[0, 2], 1]`. Out: a
//! [`Network`]: `FlatToRegions(1)`, leaf, `PermuteAndPadScopes`, then `DenseProduct` and `DenseSum`
//! alternating, `DenseSum(num_classes)` if wanted, `RootSum`.
//!
//! A region of height `h` (variables have 0) takes one slot on level `h`; level `l` multiplies
//! `f_l` slots below, the most children of any region of height `l`. A region that is used on a
//! level above its own passes through: it takes the first slot and padding (log 1) the rest.
//! For trees in which all leaves have one depth this is what the reference library makes; for
//! others the reference pads too little and fails, while this is correct for every tree. Like
//! there, a region that occurs twice is made twice.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;
use thiserror::Error;

use super::shape::LIMIT;
use super::{
    DenseProduct, DenseSum, FlatToRegions, Layer, LayerError, Network, PermuteAndPadScopes, RootSum,
};

/// The greatest height of a region graph; keeps recursion over it shallow.
const MAXIMUM_HEIGHT: usize = 64;

/// The region of a single variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegionVariable(pub u32);

/// A region that is partitioned into its children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionNode {
    children: Vec<Region>,
    height: usize,
}

/// A region: a variable, or a set of variables partitioned into smaller regions.
///
/// ```
/// use spn_ir::layers::{Region, RegionNode, RegionVariable};
///
/// let pair = RegionNode::new([RegionVariable(0), RegionVariable(2)])?;
/// let root = RegionNode::new([Region::from(pair), RegionVariable(1).into()])?;
/// assert_eq!(root.to_string(), "{{x0, x2}, x1}");
/// assert!(RegionNode::new([Region::from(root), RegionVariable(2).into()]).is_err());
/// # Ok::<(), spn_ir::layers::RegionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Region {
    /// One variable.
    Variable(RegionVariable),
    /// Several regions with disjoint variables.
    Node(RegionNode),
}

/// Why a tree is not a region graph.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegionError {
    /// Children share variables.
    #[error(
        "the region {region} has variables {shared:?} in several of its children; children must be disjoint"
    )]
    OverlappingScopes {
        /// The region, written out.
        region: String,
        /// The variables, ascending.
        shared: Vec<u32>,
    },
    /// A region without children.
    #[error("a region has no children; write a variable's index for a single variable")]
    NoChildren,
    /// A tree that is too high.
    #[error("the region graph is more than {MAXIMUM_HEIGHT} levels high; make it flatter")]
    TooHigh,
    /// Something else than lists and indices.
    #[error("a region graph is made of variable indices and lists of regions; found {found}")]
    Unreadable {
        /// What was found.
        found: String,
    },
    /// The layers would have too many scopes.
    #[error(
        "padded to even levels, the region graph has too many scopes; make it flatter or more even"
    )]
    TooLarge,
    /// A wrong number of sums.
    #[error("`num_sums` has {found} numbers; the region graph has {expected} levels of sums")]
    WrongNumSums {
        /// How many were given.
        found: usize,
        /// How many there must be.
        expected: usize,
    },
}

impl From<RegionVariable> for Region {
    fn from(variable: RegionVariable) -> Self {
        Self::Variable(variable)
    }
}

impl From<RegionNode> for Region {
    fn from(node: RegionNode) -> Self {
        Self::Node(node)
    }
}

impl RegionNode {
    /// A region of these children.
    ///
    /// # Errors
    /// If there is no child, children share variables or the tree is too high.
    pub fn new<R: Into<Region>>(
        children: impl IntoIterator<Item = R>,
    ) -> Result<Self, RegionError> {
        let children: Vec<Region> = children.into_iter().map(Into::into).collect();
        let height =
            1 + children.iter().map(Region::height).max().ok_or(RegionError::NoChildren)?;
        if height > MAXIMUM_HEIGHT {
            return Err(RegionError::TooHigh);
        }
        let (mut seen, mut shared) = (BTreeSet::new(), BTreeSet::new());
        for child in &children {
            child.for_variables(&mut |variable| {
                if !seen.insert(variable) {
                    shared.insert(variable);
                }
            });
        }
        let node = Self { children, height };
        if shared.is_empty() {
            return Ok(node);
        }
        let region = node.to_string();
        Err(RegionError::OverlappingScopes { region, shared: shared.into_iter().collect() })
    }

    /// The regions this one is partitioned into.
    #[must_use]
    pub fn children(&self) -> &[Region] {
        &self.children
    }
}

impl Region {
    /// Reads nested lists of variable indices.
    ///
    /// # Errors
    /// If something else is found, or the tree is not a region graph.
    pub fn from_value(value: &Value) -> Result<Self, RegionError> {
        match value {
            Value::Array(list) => {
                let children: Result<Vec<Self>, _> = list.iter().map(Self::from_value).collect();
                Ok(Self::Node(RegionNode::new(children?)?))
            }
            other => {
                let index = other.as_u64().and_then(|index| u32::try_from(index).ok());
                let index = index.filter(|&index| (index as usize) < LIMIT);
                let error = RegionError::Unreadable { found: other.to_string() };
                index.map(|index| Self::Variable(RegionVariable(index))).ok_or(error)
            }
        }
    }

    /// Levels of products in the tree; 0 for a variable.
    #[must_use]
    pub fn height(&self) -> usize {
        match self {
            Self::Variable(_) => 0,
            Self::Node(node) => node.height,
        }
    }

    fn for_variables(&self, visit: &mut impl FnMut(u32)) {
        match self {
            Self::Variable(RegionVariable(variable)) => visit(*variable),
            Self::Node(node) => node.children.iter().for_each(|child| child.for_variables(visit)),
        }
    }

    /// Raises `factors[h - 1]` to the most children of any region of height `h`.
    fn count_factors(&self, factors: &mut [usize]) {
        let Self::Node(node) = self else { return };
        let factor = &mut factors[node.height - 1];
        *factor = (*factor).max(node.children.len());
        for child in &node.children {
            child.count_factors(factors);
        }
    }

    /// Writes the region's leaves into its slot of the permutation: `slot` has as many places as
    /// the levels with these factors, from the bottom, have below one region.
    fn place(&self, factors: &[usize], slot: &mut [i64]) {
        let Some((_, below)) = factors.split_last() else {
            if let (Self::Variable(RegionVariable(variable)), [place]) = (self, slot) {
                *place = i64::from(*variable);
            }
            return;
        };
        let part = below.iter().product::<usize>().max(1);
        match self {
            Self::Node(node) if node.height == factors.len() => {
                for (child, slot) in node.children.iter().zip(slot.chunks_exact_mut(part)) {
                    child.place(below, slot);
                }
            }
            passing => passing.place(below, &mut slot[..part]),
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(RegionVariable(variable)) => write!(f, "x{variable}"),
            Self::Node(node) => node.fmt(f),
        }
    }
}

impl fmt::Display for RegionNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, child) in self.children.iter().enumerate() {
            write!(f, "{}{child}", if index == 0 { "{" } else { ", " })?;
        }
        f.write_str("}")
    }
}

/// A region graph with what its network is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionGraph {
    /// The whole scope.
    pub root: Region,
    /// The leaf layer.
    pub leaf: Layer,
    /// Sums of each level between products, from the bottom: one fewer than the tree has levels.
    pub num_sums: Vec<usize>,
    /// Sums of an additional level below the root, one for each class.
    pub num_classes: Option<usize>,
    /// As in [`SumOptions`](super::SumOptions), for all sums. The reference's function stores
    /// linear weights by default; here the default is the layers' own, logarithms.
    pub logspace_accumulators: Option<bool>,
    /// As in [`RootSum`]; default true.
    pub return_weighted_child_logits: bool,
    /// The shape of the input rows; default as many variables as the highest index needs.
    pub variables: Option<Vec<usize>>,
}

impl RegionGraph {
    /// A region graph over a leaf layer, one sum on every level, without classes.
    #[must_use]
    pub fn new(root: Region, leaf: impl Into<Layer>) -> Self {
        let mut graph = Self {
            root,
            leaf: leaf.into(),
            num_sums: Vec::new(),
            num_classes: None,
            logspace_accumulators: None,
            return_weighted_child_logits: true,
            variables: None,
        };
        graph.num_sums = vec![1; graph.sum_layers()];
        graph
    }

    /// How many numbers [`num_sums`](Self::num_sums) must have.
    #[must_use]
    pub fn sum_layers(&self) -> usize {
        self.root.height().saturating_sub(1)
    }

    /// The network of the region graph.
    ///
    /// # Errors
    /// If the number of sums does not fit the tree, or its layers would be too large.
    pub fn network(&self) -> Result<Network, LayerError> {
        let (found, expected) = (self.num_sums.len(), self.sum_layers());
        if found != expected {
            return Err(RegionError::WrongNumSums { found, expected }.into());
        }
        let factors = self.factors();
        let mut highest = 0;
        self.root.for_variables(&mut |variable| highest = highest.max(variable as usize));
        let variables = self.variables.clone().unwrap_or_else(|| vec![highest + 1]);
        let permutation = self.permutation(&factors)?;
        let mut network = Network::new(variables)
            .layer(FlatToRegions::new(1))
            .layer(self.leaf.clone())
            .layer(PermuteAndPadScopes::new(vec![permutation]));
        for (level, &factor) in factors.iter().enumerate() {
            network = network.layer(DenseProduct::new(factor));
            if let Some(&num_sums) = self.num_sums.get(level) {
                network = network.layer(self.sum(num_sums));
            }
        }
        if let Some(num_classes) = self.num_classes {
            network = network.layer(self.sum(num_classes));
        }
        Ok(network.layer(RootSum {
            return_weighted_child_logits: self.return_weighted_child_logits,
            logspace_accumulators: self.logspace_accumulators,
            ..RootSum::default()
        }))
    }

    fn sum(&self, num_sums: usize) -> DenseSum {
        let mut sum = DenseSum::new(num_sums);
        sum.0.logspace_accumulators = self.logspace_accumulators;
        sum
    }

    /// The factors of the products, from the bottom.
    fn factors(&self) -> Vec<usize> {
        let mut factors = vec![0; self.root.height()];
        self.root.count_factors(&mut factors);
        factors
    }

    fn permutation(&self, factors: &[usize]) -> Result<Vec<i64>, RegionError> {
        let length = factors.iter().try_fold(1_usize, |length, &f| length.checked_mul(f));
        let length = length.filter(|&length| length <= LIMIT / 32).ok_or(RegionError::TooLarge)?;
        let mut permutation = vec![-1; length];
        self.root.place(factors, &mut permutation);
        Ok(permutation)
    }
}
