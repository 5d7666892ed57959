//! What a plan's verification finds.

use std::fmt;

use thiserror::Error;

use super::product;

/// A contradiction in a plan.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PlanError {
    /// Something is named that is not there.
    #[error(
        "{place} of the plan names {what} {index}, but there are {count}; compile the network again"
    )]
    Missing {
        /// Where.
        place: Place,
        /// What is named.
        what: &'static str,
        /// Its index.
        index: u32,
        /// How many there are.
        count: usize,
    },
    /// A number that does not follow from the others.
    #[error(
        "{place} of the plan: the {what} is {found}, but must be {expected}; compile the network again"
    )]
    Mismatch {
        /// Where.
        place: Place,
        /// Which number.
        what: &'static str,
        /// What it is.
        found: u64,
        /// What it must be.
        expected: u64,
    },
    /// A slice that leaves its quantity.
    #[error(
        "{place} of the plan reads {needed} values of quantity {quantity} from index {offset}, but it has {available}; compile the network again"
    )]
    SliceOutside {
        /// Where.
        place: Place,
        /// The quantity.
        quantity: u32,
        /// First index.
        offset: u32,
        /// Values needed.
        needed: u64,
        /// Values there are.
        available: u64,
    },
    /// A slot that is read before anything is in it.
    #[error(
        "{place} of the plan reads slot {slot}, which nothing before it writes; compile the network again"
    )]
    NotWritten {
        /// Where.
        place: Place,
        /// The slot.
        slot: u32,
    },
    /// A slot with two writers.
    #[error(
        "{place} of the plan writes slot {slot}, which was written before; compile the network again"
    )]
    WrittenTwice {
        /// Where.
        place: Place,
        /// The slot.
        slot: u32,
    },
    /// Memory that is reused too early.
    #[error(
        "{place} of the plan: slot {slot} is overwritten before run {run} is done with it; compile the network again"
    )]
    Overwritten {
        /// Which memory plan.
        place: Place,
        /// The slot whose values are lost.
        slot: u32,
        /// The run that needs them; the number of runs stands for what follows the last.
        run: usize,
    },
    /// Anything else.
    #[error("{place} of the plan: {reason}; compile the network again")]
    Wrong {
        /// Where.
        place: Place,
        /// What is wrong.
        reason: &'static str,
    },
}

/// A part of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The normalisation of input rows.
    Normalisation,
    /// A parameter.
    Parameter(usize),
    /// A quantity.
    Quantity(usize),
    /// A slot.
    Slot(usize),
    /// A forward step.
    Step(usize),
    /// A run in the order of execution.
    Run(usize),
    /// The last sum.
    Root,
    /// A reverse step.
    Reverse(usize),
    /// How values are represented.
    Numbers,
    /// The further outputs.
    Outputs,
    /// The scalar program.
    Scalar,
    /// The memory plan for inference.
    Inference,
    /// The memory plan for training.
    Training,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normalisation => write!(f, "the normalisation"),
            Self::Parameter(index) => write!(f, "parameter {index}"),
            Self::Quantity(index) => write!(f, "quantity {index}"),
            Self::Slot(index) => write!(f, "slot {index}"),
            Self::Step(index) => write!(f, "step {index}"),
            Self::Run(index) => write!(f, "run {index}"),
            Self::Root => write!(f, "the root"),
            Self::Reverse(index) => write!(f, "reverse step {index}"),
            Self::Numbers => write!(f, "the list of representations"),
            Self::Scalar => write!(f, "the scalar program"),
            Self::Outputs => write!(f, "the list of outputs"),
            Self::Inference => write!(f, "the inference memory"),
            Self::Training => write!(f, "the training memory"),
        }
    }
}

impl Place {
    pub(super) fn wrong(self, reason: &'static str) -> PlanError {
        PlanError::Wrong { place: self, reason }
    }

    /// `index` must be one of `count`.
    pub(super) fn exists(
        self,
        what: &'static str,
        index: u32,
        count: usize,
    ) -> Result<(), PlanError> {
        if (index as usize) < count {
            return Ok(());
        }
        Err(PlanError::Missing { place: self, what, index, count })
    }

    /// The number `what` must be as expected.
    pub(super) fn equal(
        self,
        what: &'static str,
        found: usize,
        expected: impl Into<u64>,
    ) -> Result<(), PlanError> {
        let (found, expected) = (found as u64, expected.into());
        if found == expected {
            return Ok(());
        }
        Err(PlanError::Mismatch { place: self, what, found, expected })
    }

    /// How many values a tensor of this shape has. Axes of length 0 count as 1 in the check that
    /// arithmetic on the lengths cannot overflow.
    pub(super) fn count(self, shape: &[usize]) -> Result<u64, PlanError> {
        let bounds: Vec<u64> = shape.iter().map(|&length| (length as u64).max(1)).collect();
        let bound = product(&bounds).and_then(|bound| bound.checked_mul(8));
        if bound.is_none_or(|bound| usize::try_from(bound).is_err()) {
            return Err(self.wrong("its shape holds more values than any memory"));
        }
        Ok(if shape.contains(&0) { 0 } else { bounds.iter().product() })
    }
}
