//! The execution plan: what the compiler emits and the runtime runs.
//!
//! A plan is a flat list of [`Step`]s. Each step runs one kernel over a group of isomorphic
//! blocks (*instances*) and writes one *slot* per instance: a block of rows, one row per unit,
//! whose columns are the samples of a tile. The same steps in opposite order, with the flags of
//! [`ReverseStep`], are the reverse pass. A plan holds no instruction set, no thread count and no
//! addresses; two compilations of one circuit give the same plan, byte for byte.

mod display;
mod memory_text;
mod scalar;
mod verify;

pub use scalar::{
    ScalarDensity, ScalarOperation, ScalarProgram, ScalarTerm, StateTable, StateVariable, TableNode,
};
#[cfg(test)]
pub(crate) use verify::tests::sample as sample_plan;
pub use verify::{Place, PlanError};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    Dropout, LocationScale, Normalisation, Parameters, PickTable, PickTableId, Quantity, Slice,
    VariableId,
};

/// Index of a slot: the values that one instance of a step writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SlotId(pub u32);

impl SlotId {
    /// The index as a `usize`.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A compiled network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// How many columns the input rows have.
    pub variables: u32,
    /// What is done to each row first.
    pub normalisation: Option<Normalisation>,
    /// What is stored and trained, with current values.
    pub parameters: Parameters,
    /// What steps read, computed from the parameters.
    pub quantities: Vec<Quantity>,
    /// Pick tables of products.
    pub tables: Vec<PickTable>,
    /// Rows of each slot.
    pub slots: Vec<u32>,
    /// The forward pass in order, without the root.
    pub steps: Vec<Step>,
    /// The last sum.
    pub root: Root,
    /// The reverse pass in order, after the root.
    pub reverse: Vec<ReverseStep>,
    /// Further slots whose values can be asked for, as the compiler's caller listed them.
    pub outputs: Vec<SlotId>,
    /// Where slots live when only values are wanted: memory is reused.
    pub inference: Memory,
    /// Where slots live when flows are wanted: everything is kept.
    pub training: Memory,
    /// Remarks a reader should see, for instance that an invalid circuit was compiled on request.
    pub remarks: Vec<String>,
    /// Another way to log-likelihoods, for circuits of blocks with one unit.
    pub scalar: Option<ScalarProgram>,
    /// The same with larger tables, for one row at a time; as [`Self::scalar`] if there is none.
    pub scalar_row: Option<ScalarProgram>,
}

/// Positions of slots in an arena, in rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// First row of each slot.
    pub offsets: Vec<u32>,
    /// First kept row of each step: for a [`SumProductStep`] in training, `inputs + width` rows
    /// per instance (linear inputs, then linear outputs). Empty for inference.
    pub kept: Vec<u32>,
    /// Rows of the arena.
    pub rows: u32,
}

/// One kernel over a group of isomorphic blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// Log-densities of leaf components.
    Leaf(LeafStep),
    /// Products that several parents read.
    Product(ProductStep),
    /// Products fused with the sum that reads them.
    SumProduct(SumProductStep),
    /// Dropout: a copy outside training.
    Dropout(DropoutStep),
}

/// Which density a leaf step computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LeafKernel {
    /// Location-scale families: `first` is the location, `second` the scale.
    LocationScale(LocationScale),
    /// Indicators of the states `0..width`.
    Indicator,
    /// Categorical components: `first` is the probabilities.
    Categorical {
        /// How many states.
        states: u32,
    },
}

/// A group of leaf blocks of one family and shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeafStep {
    /// The density.
    pub kernel: LeafKernel,
    /// Components of each block.
    pub width: u32,
    /// Variables of each block.
    pub dimensions: u32,
    /// The variables of all instances, `dimensions` for each.
    pub variables: Vec<VariableId>,
    /// The blocks.
    pub instances: Vec<LeafInstance>,
}

/// One leaf block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafInstance {
    /// First parameter slice, if the kernel has one.
    pub first: Option<Slice>,
    /// Second parameter slice, if the kernel has one.
    pub second: Option<Slice>,
    /// What is written.
    pub output: SlotId,
}

/// Which row of each factor a term's row multiplies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Pick {
    /// Row `k` of every factor.
    Same,
    /// All combinations: row `(k / stride) % rows` of each factor.
    Outer {
        /// `(stride, rows)` of each factor.
        digits: SmallVec<[(u32, u32); 4]>,
    },
    /// Row `picks[factor][k]` of each factor.
    Table(PickTableId),
}

/// A product of `factors` slots: `rows` log-values, each a sum of picked rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Term {
    /// Rows of the product.
    pub rows: u32,
    /// How many slots are multiplied; 0 is the constant log 1.
    pub factors: u32,
    /// Which of their rows.
    pub pick: Pick,
}

/// A group of products that are written to memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProductStep {
    /// Shape of each product.
    pub term: Term,
    /// Factors of all instances, `term.factors` for each.
    pub factors: Vec<SlotId>,
    /// What each instance writes.
    pub outputs: Vec<SlotId>,
}

/// A group of sums over products: `out[o] = ln Σ_i w[i, o] exp(x_i)`, where the `x_i` are the rows
/// of the terms one after the other. The products are never written to the arena.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SumProductStep {
    /// Outputs of each sum.
    pub width: u32,
    /// Rows of all terms together.
    pub inputs: u32,
    /// Shapes of the products that each instance sums.
    pub terms: Vec<Term>,
    /// Factors of all instances, for each the factors of all terms in order.
    pub factors: Vec<SlotId>,
    /// The blocks.
    pub instances: Vec<SumInstance>,
}

/// One sum block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SumInstance {
    /// Linear weights `[inputs, width]`.
    pub weights: Slice,
    /// What is written.
    pub output: SlotId,
}

/// A group of dropouts with one shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DropoutStep {
    /// For each instance what is read, what is written and how.
    pub instances: Vec<(SlotId, SlotId, Dropout)>,
}

/// The last sum, whose weighted children (*joints*) are the class joints `log p(x, y)` of a
/// classifier: `joint[n] = x_n + ln w_n`, and the log-likelihood is their log-sum-exp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Root {
    /// Shapes of the products that are summed.
    pub terms: Vec<Term>,
    /// Factors of all terms in order.
    pub factors: Vec<SlotId>,
    /// How many joints there are.
    pub inputs: u32,
    /// Linear weights `[inputs]`; `None` if the root is no sum (one joint of weight 1).
    pub weights: Option<Slice>,
}

/// One step of the reverse pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReverseStep {
    /// Index of the forward step.
    pub step: u32,
    /// Whether derivatives of the step's parameters are wanted: one of them is trainable.
    pub parameters: bool,
    /// Whether flows are passed on: something trainable lies below.
    pub children: bool,
}

impl Pick {
    /// The row of factor `factor` that row `row` multiplies.
    #[inline]
    #[must_use]
    pub fn row(&self, tables: &[PickTable], factor: usize, row: usize) -> usize {
        match self {
            Self::Same => row,
            Self::Outer { digits } => {
                let (stride, rows) = digits[factor];
                row / stride as usize % rows as usize
            }
            Self::Table(id) => tables[id.0 as usize].picks[factor][row] as usize,
        }
    }
}

impl SumProductStep {
    /// Factors of each instance.
    #[must_use]
    pub fn factors_each(&self) -> usize {
        self.terms.iter().map(|term| term.factors as usize).sum()
    }
}

impl Step {
    /// The slots the step writes, in order.
    pub fn outputs(&self) -> Box<dyn Iterator<Item = SlotId> + '_> {
        match self {
            Self::Leaf(step) => Box::new(step.instances.iter().map(|i| i.output)),
            Self::Product(step) => Box::new(step.outputs.iter().copied()),
            Self::SumProduct(step) => Box::new(step.instances.iter().map(|i| i.output)),
            Self::Dropout(step) => Box::new(step.instances.iter().map(|i| i.1)),
        }
    }

    /// The slots the step reads, in order.
    pub fn inputs(&self) -> Box<dyn Iterator<Item = SlotId> + '_> {
        match self {
            Self::Leaf(_) => Box::new(std::iter::empty()),
            Self::Product(step) => Box::new(step.factors.iter().copied()),
            Self::SumProduct(step) => Box::new(step.factors.iter().copied()),
            Self::Dropout(step) => Box::new(step.instances.iter().map(|i| i.0)),
        }
    }
}
