//! What can be wrong with a node list.

use thiserror::Error;

use super::FORMAT_NAME;
use crate::CircuitError;
use crate::formats::ImportProblem;
use crate::text::{MAXIMUM_SCOPE_BYTES, MAXIMUM_VARIABLES};

/// Why a text is no circuit.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum NodesError {
    /// No JSON, or a value of a wrong kind.
    #[error("line {line}, column {column}: {reason}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the JSON reader says.
        reason: String,
    },
    /// Another format.
    #[error("the format is `{found}`; only `{FORMAT_NAME}` is known")]
    Format {
        /// What the file says.
        found: String,
    },
    /// More variables than a circuit can have.
    #[error("{found} variables are too many: at most {MAXIMUM_VARIABLES}")]
    TooManyVariables {
        /// What the file says.
        found: u64,
    },
    /// The scopes of the nodes would take too much memory.
    #[error("node {id}: the scopes so far take more than {MAXIMUM_SCOPE_BYTES} bytes")]
    ScopesTooLarge {
        /// The first node that is too much.
        id: u64,
    },
    /// Two nodes with one id.
    #[error("node {id}: there is a node with this id before it; ids must be unique")]
    DuplicateId {
        /// The id.
        id: u64,
    },
    /// The root is none of the nodes.
    #[error("the root is node {id}, which is not there")]
    UnknownRoot {
        /// What the file says.
        id: u64,
    },
    /// A child that does not precede its parent.
    #[error("node {id}: its child {child} is not before it; children must precede their parents")]
    UnknownChild {
        /// The parent.
        id: u64,
        /// The child.
        child: u64,
    },
    /// A node of an unknown type.
    #[error(
        "node {id}: unknown type `{found}`; known are bernoulli, categorical, gaussian, product \
         and sum"
    )]
    UnknownType {
        /// The node.
        id: u64,
        /// Its type.
        found: String,
    },
    /// A node without a key that its type needs.
    #[error("node {id}: a {kind} needs `{key}`")]
    Missing {
        /// The node.
        id: u64,
        /// Its type.
        kind: &'static str,
        /// What is missing.
        key: &'static str,
    },
    /// A value out of its range.
    #[error("node {id}: `{key}` is {value}; it must be {allowed}")]
    BadValue {
        /// The node.
        id: u64,
        /// The value's key.
        key: &'static str,
        /// The value.
        value: f64,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A leaf over no or several variables.
    #[error("node {id}: a {kind} is over one variable, but `scope` has {found}")]
    LeafScope {
        /// The node.
        id: u64,
        /// Its type.
        kind: &'static str,
        /// How many variables its scope has.
        found: usize,
    },
    /// A scope that is not what the children make it.
    #[error("node {id}: `scope` is {declared:?}, but its children make it {actual:?}")]
    WrongScope {
        /// The node.
        id: u64,
        /// The first variables of what the file says.
        declared: Vec<usize>,
        /// The first variables that the children have.
        actual: Vec<usize>,
    },
    /// Not one weight for each child.
    #[error("node {id}: {weights} weights for {children} children")]
    WeightCount {
        /// The node.
        id: u64,
        /// How many weights.
        weights: usize,
        /// How many children.
        children: usize,
    },
    /// What no circuit can be made of.
    #[error("node {id}: {problem}")]
    Unreadable {
        /// The node.
        id: u64,
        /// Why.
        problem: Box<ImportProblem>,
    },
    /// What a circuit refuses for other reasons.
    #[error("node {id}: {error}")]
    Refused {
        /// The node.
        id: u64,
        /// Why.
        error: CircuitError,
    },
}

/// What an error is about.
pub(super) enum Subject {
    /// The entry with this id.
    Node(u64),
    /// The value of this key of the file.
    Key(&'static str),
}

impl NodesError {
    /// What the error is about; `None` if it says itself where it is.
    pub(super) fn subject(&self) -> Option<Subject> {
        match *self {
            Self::Syntax { .. } => None,
            Self::Format { .. } => Some(Subject::Key("format")),
            Self::TooManyVariables { .. } => Some(Subject::Key("num_vars")),
            Self::UnknownRoot { .. } => Some(Subject::Key("root")),
            Self::ScopesTooLarge { id }
            | Self::DuplicateId { id }
            | Self::UnknownChild { id, .. }
            | Self::UnknownType { id, .. }
            | Self::Missing { id, .. }
            | Self::BadValue { id, .. }
            | Self::LeafScope { id, .. }
            | Self::WrongScope { id, .. }
            | Self::WeightCount { id, .. }
            | Self::Unreadable { id, .. }
            | Self::Refused { id, .. } => Some(Subject::Node(id)),
        }
    }
}
