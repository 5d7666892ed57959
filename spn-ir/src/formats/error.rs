//! Why a file of another program's format cannot be read, and why a circuit cannot be written to it.

use std::fmt;

use thiserror::Error;

use crate::CircuitError;
use crate::container::ContainerError;
use crate::nodes_json::NodesError;
use crate::text::{MAXIMUM_SCOPE_BYTES, MAXIMUM_VARIABLES, TextError};

/// Why a file is no circuit of its format. Every one says where.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// No format was recognised.
    #[error("{start}; known formats are {known}", start = begins(.head), known = super::names())]
    Unknown {
        /// The first bytes of the file.
        head: Vec<u8>,
    },
    /// A text format with bytes that are no UTF-8.
    #[error("byte {offset}: {format} is text, but this byte is no UTF-8: the file is damaged")]
    NotText {
        /// The format.
        format: &'static str,
        /// The first wrong byte.
        offset: usize,
    },
    /// A format that is only written.
    #[error("{format} can be written but not read")]
    WriteOnly {
        /// The format.
        format: &'static str,
    },
    /// In `.spn` text.
    #[error(transparent)]
    Text(#[from] TextError),
    /// In `spn-nodes-v1` JSON.
    #[error("{place}: {error}")]
    Nodes {
        /// Where the node or value that is to blame begins.
        place: Place,
        /// What is wrong.
        error: NodesError,
    },
    /// In a `.spnb` container.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// In any other format.
    #[error(transparent)]
    Import(#[from] ImportError),
}

fn begins(head: &[u8]) -> String {
    match head {
        [] => "the file is empty".to_owned(),
        _ => {
            let start = String::from_utf8_lossy(&head[..head.len().min(12)]);
            format!("no known file begins with `{}`", start.escape_debug())
        }
    }
}

/// Where something stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a text; both count from 1, the column in characters.
    Text {
        /// The line.
        line: u32,
        /// The column.
        column: u32,
    },
    /// In a binary file, from 0.
    Byte(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { line, column } => write!(f, "line {line}, column {column}"),
            Self::Byte(offset) => write!(f, "byte {offset}"),
        }
    }
}

/// What is wrong in a file, and where.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{place}: {problem}")]
pub struct ImportError {
    /// Where.
    pub place: Place,
    /// What.
    pub problem: ImportProblem,
}

/// What can be wrong in a file.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum ImportProblem {
    /// No JSON, or a value of a wrong kind.
    #[error("{reason}")]
    Json {
        /// What the JSON reader says.
        reason: String,
    },
    /// Something else should stand here.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What should stand here.
        expected: String,
        /// What does.
        found: String,
    },
    /// A key that is not there.
    #[error("{what} needs `{key}`")]
    Missing {
        /// Which object.
        what: String,
        /// The key.
        key: &'static str,
    },
    /// A key that means nothing.
    #[error("{what} has no `{key}`; it can have {known}")]
    UnknownKey {
        /// Which object.
        what: String,
        /// The key.
        key: String,
        /// The keys there are.
        known: String,
    },
    /// Lists or objects too deep in each other.
    #[error("more than {limit} levels lie in each other here; use a format with a list of nodes")]
    TooDeep {
        /// How many may.
        limit: usize,
    },
    /// A finite number beyond the largest one.
    #[error("this number is beyond the largest 64-bit number")]
    TooLarge,
    /// A number outside its range.
    #[error("{what} must be {allowed}, not {value}")]
    OutOfRange {
        /// What the number is.
        what: String,
        /// Which numbers are allowed.
        allowed: &'static str,
        /// The number.
        value: f64,
    },
    /// A distribution family that circuits do not have.
    #[error(
        "node {node} is a leaf of the family {family}, which spn does not have; replace it before the \
         file is written, by {known} for instance"
    )]
    UnknownFamily {
        /// The node, as the file calls it.
        node: String,
        /// The family, as the file calls it.
        family: String,
        /// Families of this format that can be read.
        known: &'static str,
    },
    /// A name or number that stands for nothing (yet).
    #[error("{what} `{name}` is not defined{mend}")]
    Undefined {
        /// What it should be.
        what: &'static str,
        /// Its name.
        name: String,
        /// How to mend it, with what joins it to the sentence.
        mend: &'static str,
    },
    /// A name or number that is used twice.
    #[error("{what} `{name}` is defined twice: give each its own name")]
    Duplicate {
        /// What it is.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A node that is its own descendant.
    #[error("node `{name}` is below itself: a circuit has no cycles")]
    Cycle {
        /// The node.
        name: String,
    },
    /// Not as many as there should be.
    #[error("{what}: {found}, but {expected}")]
    Count {
        /// What is counted.
        what: String,
        /// How many there are.
        found: u64,
        /// How many there should be, and why.
        expected: String,
    },
    /// Values that were left out with `...`.
    #[error("values are left out here (`...`), so the file is incomplete; write all of them")]
    Elided,
    /// More variables than a circuit can have.
    #[error("variable {found} is too large: at most {MAXIMUM_VARIABLES} variables are possible")]
    TooManyVariables {
        /// The variable.
        found: u64,
    },
    /// The scopes would take too much memory.
    #[error("the scopes so far take more than {MAXIMUM_SCOPE_BYTES} bytes")]
    ScopesTooLarge,
    /// A section that leaves the file.
    #[error("{what} would need {needed} bytes from here, but {available} are left")]
    Outside {
        /// What it is.
        what: &'static str,
        /// How many bytes it says to have.
        needed: u64,
        /// How many there are.
        available: usize,
    },
    /// What a circuit refuses.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
}

impl ImportError {
    /// The error at byte `offset` of `text`.
    pub(super) fn at(text: &str, offset: usize, problem: impl Into<ImportProblem>) -> Self {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() as u32 + 1;
        let column = before[start..].chars().count() as u32 + 1;
        Self { place: Place::Text { line, column }, problem: problem.into() }
    }

    /// The error that something else should stand at byte `offset` of `text`.
    pub(super) fn expected_at(text: &str, offset: usize, expected: &str) -> Self {
        let found = match text.get(offset..).and_then(|rest| rest.chars().next()) {
            None => "the end of the file".to_owned(),
            Some('\n' | '\r') => "the end of the line".to_owned(),
            Some(_) => {
                let rest = &text[offset..];
                let word = rest.split([' ', '\t', '\n', '\r']).next().unwrap_or_default();
                let word = if word.is_empty() { &rest[..1] } else { word };
                format!("`{}`", shortened(word))
            }
        };
        Self::at(text, offset, ImportProblem::Expected { expected: expected.to_owned(), found })
    }

    /// The error at a byte of a binary file.
    pub(super) fn in_binary(offset: usize, problem: impl Into<ImportProblem>) -> Self {
        Self { place: Place::Byte(offset), problem: problem.into() }
    }
}

/// Why a circuit cannot be written in a format.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A format that is only read.
    #[error("{format} can be read but not written")]
    ReadOnly {
        /// The format.
        format: &'static str,
    },
    /// Something without which the circuit would be another function.
    #[error("{format} cannot hold {what}{place}; {mend}")]
    CannotHold {
        /// The format.
        format: &'static str,
        /// What it cannot hold.
        what: String,
        /// Which node has it, with what joins it to the sentence.
        place: String,
        /// What to do about it.
        mend: &'static str,
    },
    /// More nodes than the format, or any memory, holds.
    #[error("written out unit by unit the circuit has more than {limit} {what}; {mend}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How many there may be.
        limit: u64,
        /// What to do about it.
        mend: &'static str,
    },
}

/// A word for a message: not longer than a line.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl WriteError {
    /// The error of a leaf of a family that the format does not have.
    pub(super) fn leaf(
        format: &'static str,
        kind: &super::scalar::ScalarKind,
        circuit: &crate::Circuit,
        node: u32,
    ) -> Self {
        let origin = circuit.nodes.get(node as usize).map(|node| node.origin);
        let origin = circuit.describe_origin(origin.unwrap_or_default());
        Self::CannotHold {
            format,
            what: kind.name().to_owned(),
            place: format!(" (node n{node}, {origin})"),
            mend: "write it as .spn or spn-circuit-v1, or replace the leaf",
        }
    }
}
