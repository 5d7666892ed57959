//! Why a circuit cannot be compiled.

use std::fmt;

use crate::check::Problem;

/// Why a circuit was refused.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CompileError {
    /// The checks found problems.
    Invalid {
        /// The problems, at least one.
        problems: Vec<Problem>,
    },
    /// A node whose values were asked for is not in the circuit.
    UnknownOutput {
        /// Its number.
        node: u32,
        /// How many nodes the circuit has.
        nodes: usize,
    },
    /// An arena would need more rows than can be counted.
    TooLarge {
        /// Rows needed.
        rows: u64,
    },
}

/// How many problems a message spells out.
const SHOWN: usize = 3;

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { problems } => {
                let count = problems.len();
                let plural = if count == 1 { "" } else { "s" };
                write!(f, "the circuit is invalid: {count} problem{plural}")?;
                for problem in problems.iter().take(SHOWN) {
                    write!(f, "\n  {problem}")?;
                }
                if count > SHOWN {
                    write!(f, "\n  … and {} more", count - SHOWN)?;
                }
                Ok(())
            }
            Self::UnknownOutput { node, nodes } => {
                write!(f, "output n{node} does not exist: the circuit has {nodes} nodes, from n0")
            }
            Self::TooLarge { rows } => {
                write!(f, "the network needs {rows} rows of memory per sample; the limit is 2^32")
            }
        }
    }
}

impl std::error::Error for CompileError {}
