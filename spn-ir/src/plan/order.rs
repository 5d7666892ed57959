//! The order in which the instances of steps run forward.
//!
//! Step after step would do, too: a step reads what earlier steps write. But then a whole level of
//! the network is alive at a time. The order cuts steps into [`Run`]s so that what is written is
//! soon read and its rows are free again, which keeps a tile in cache. The inference memory is
//! planned for this order and for no other; the training memory, where everything is kept, allows
//! both.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Plan, SlotId, Step};

/// Neighbouring instances of one step that run one after the other.
///
/// The runs of a step come in the order of its instances and leave none out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Index of the step.
    pub step: u32,
    /// The first instance.
    pub first: u32,
    /// How many there are; at least 1.
    pub count: u32,
}

impl Run {
    /// The instances of the step that run.
    #[must_use]
    pub fn instances(&self) -> Range<usize> {
        self.first as usize..self.first as usize + self.count as usize
    }
}

impl Plan {
    /// What the forward pass runs, in order, before the root: indices of steps, and which of their
    /// instances. To be used wherever values lie where [`Plan::inference`] says.
    pub fn forward_order(&self) -> impl ExactSizeIterator<Item = (usize, Range<usize>)> + '_ {
        self.order.iter().map(|run| (run.step as usize, run.instances()))
    }
}

impl Step {
    /// How many instances the step has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Leaf(step) => step.instances.len(),
            Self::Product(step) => step.outputs.len(),
            Self::SumProduct(step) => step.instances.len(),
            Self::Dropout(step) => step.instances.len(),
        }
    }

    /// Whether the step has no instance; no valid plan has such a step.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slots that one instance reads.
    #[must_use]
    pub fn reads(&self, instance: usize) -> &[SlotId] {
        let (factors, each) = match self {
            Self::Leaf(_) => return &[],
            Self::Dropout(step) => return std::slice::from_ref(&step.instances[instance].0),
            Self::Product(step) => (&step.factors, step.term.factors as usize),
            Self::SumProduct(step) => (&step.factors, step.factors_each()),
        };
        &factors[instance * each..(instance + 1) * each]
    }

    /// The slot that one instance writes.
    #[must_use]
    pub fn writes(&self, instance: usize) -> SlotId {
        match self {
            Self::Leaf(step) => step.instances[instance].output,
            Self::Product(step) => step.outputs[instance],
            Self::SumProduct(step) => step.instances[instance].output,
            Self::Dropout(step) => step.instances[instance].1,
        }
    }
}

/// `step 3, instances 0..4`.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.instances();
        match self.count {
            1 => write!(f, "step {}, instance {start}", self.step),
            _ => write!(f, "step {}, instances {start}..{end}", self.step),
        }
    }
}
