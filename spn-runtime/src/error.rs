//! Why a call of the runtime failed.

use thiserror::Error;

use crate::simd::LevelError;

/// Why a call failed. Nothing was computed.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum RunError {
    /// Rows of another length than the network's variables.
    #[error("the rows have {found} columns, but the network has {expected} variables")]
    WrongColumns {
        /// Columns of the rows.
        found: usize,
        /// Variables of the network.
        expected: usize,
    },
    /// A buffer whose length does not fit the number of rows.
    #[error("{what} has {found} values, but {expected} are needed")]
    WrongLength {
        /// Which buffer.
        what: &'static str,
        /// Its length.
        found: usize,
        /// What fits.
        expected: usize,
    },
    /// A label that is no class of the network.
    #[error(
        "label {label} of row {row} is out of range: the network has {classes} classes, from 0"
    )]
    LabelOutOfRange {
        /// The row.
        row: usize,
        /// Its label.
        label: u32,
        /// How many classes the root has.
        classes: usize,
    },
    /// An objective that needs labels was given none.
    #[error("the objective {objective} needs a label for each row")]
    LabelsMissing {
        /// Its name.
        objective: &'static str,
    },
    /// An option of training out of its range.
    #[error("{option} is {value}; it must be {range}")]
    OptionOutOfRange {
        /// Which option.
        option: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// A tensor that nodes read as two different things, for instance as weights and as locations.
    #[error(
        "quantity {quantity} is read as {first} and as {second}, so its uses cannot be counted"
    )]
    TwoRoles {
        /// Which quantity of the plan.
        quantity: usize,
        /// One of its uses.
        first: &'static str,
        /// The other one.
        second: &'static str,
    },
    /// Weight matrices that overlap without being the same.
    #[error("weight matrices of quantity {quantity} overlap, so their columns cannot all sum to 1")]
    OverlappingWeights {
        /// Which quantity of the plan.
        quantity: usize,
    },
    /// A parameter that expectation maximisation cannot change.
    #[error(
        "expectation maximisation cannot change parameter {parameter}: {reason}; make it frozen or \
         use a gradient method"
    )]
    NotMaximizable {
        /// Its name.
        parameter: String,
        /// Why not.
        reason: &'static str,
    },
    /// An option that works on gradients, given to expectation maximisation.
    #[error(
        "{option} works on gradients, which expectation maximisation does not use; its priors do \
         something similar"
    )]
    NeedsGradients {
        /// The option.
        option: &'static str,
    },
    /// Counts of an objective that is no likelihood.
    #[error(
        "expectation maximisation maximises likelihoods: the objective must be generative or \
         joint, not {objective}"
    )]
    NoLikelihood {
        /// The objective.
        objective: &'static str,
    },
    /// The instruction set is not there.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// The operating system gave no threads.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        reason: String,
    },
    /// An answer to a question the plan was not compiled for.
    #[error("the plan keeps no outputs: name the nodes in the compiler's options")]
    NoOutputs,
    /// An output that is no leaf, in a question about leaves.
    #[error("output {output} of the plan is no leaf, but only leaves can be completed")]
    OutputIsNoLeaf {
        /// Which of the outputs.
        output: usize,
    },
    /// A question that only valid networks have an answer to.
    #[error("{query} needs a valid network, but {problem}; `spn check` shows where")]
    NeedsValidNetwork {
        /// The question.
        query: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// A question that cannot be asked of a network that standardises each row by itself.
    #[error("{query}: the network standardises each row by its own mean and deviation, {reason}")]
    SampleWiseNormalisation {
        /// The question.
        query: &'static str,
        /// Why it cannot be asked.
        reason: String,
    },
    /// More samples than memory can hold.
    #[error("{each} samples of {rows} rows do not fit in memory; ask for them in parts")]
    TooManySamples {
        /// Rows.
        rows: usize,
        /// Samples of each.
        each: usize,
    },
    /// A set of parameter values that does not fit the plan's.
    #[error("parameter {name} needs {expected} values, but {found} were given")]
    WrongParameter {
        /// The parameter.
        name: String,
        /// Values given.
        found: usize,
        /// Values needed.
        expected: usize,
    },
}

/// An error unless the length fits.
pub(crate) fn check_length(
    what: &'static str,
    found: usize,
    expected: usize,
) -> Result<(), RunError> {
    if found == expected { Ok(()) } else { Err(RunError::WrongLength { what, found, expected }) }
}

/// An error unless the option is valid.
pub(crate) fn require(
    valid: bool,
    option: &'static str,
    value: f64,
    range: &'static str,
) -> Result<(), RunError> {
    if valid { Ok(()) } else { Err(RunError::OptionOutOfRange { option, value, range }) }
}
