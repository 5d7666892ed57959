//! Why a container cannot be read.

use thiserror::Error;

use crate::plan::PlanError;

/// Why a container cannot be read. Offsets count bytes from 0.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ContainerError {
    /// Another kind of file.
    #[error("byte 0: not an spn container: it does not begin with \"SPNB\"")]
    NoContainer,
    /// Too short for any container.
    #[error(
        "byte {length}: the file ends, but a container has at least {needed} bytes; copy it again"
    )]
    Ends {
        /// Its length.
        length: usize,
        /// The shortest possible length.
        needed: u64,
    },
    /// Written by a later (or damaged) program.
    #[error(
        "byte 4: format version {found}, but this program reads version {known}; use the program that wrote the file"
    )]
    UnknownVersion {
        /// The version in the file.
        found: u32,
        /// The version that is understood.
        known: u32,
    },
    /// A kind that does not exist.
    #[error(
        "byte 8: kind {found} means nothing; known are 1 (network), 2 (plan), 3 (checkpoint) and 4 \
         (circuit)"
    )]
    UnknownKind {
        /// The kind in the file.
        found: u32,
    },
    /// Not what was asked for.
    #[error("byte 8: the file holds {found}, but {expected} is needed here")]
    WrongKind {
        /// What it holds.
        found: &'static str,
        /// What was asked for.
        expected: &'static str,
    },
    /// Flags that do not exist.
    #[error("byte 12: flags {flags:#x} mean nothing; known are 0 (f64) and 1 (f32)")]
    UnknownFlags {
        /// The flags in the file.
        flags: u32,
    },
    /// Cut off or continued.
    #[error("byte 32: the file says it has {declared} bytes, but it has {actual}; copy it again")]
    WrongLength {
        /// What the header says.
        declared: u64,
        /// What is there.
        actual: usize,
    },
    /// Damaged.
    #[error(
        "byte {offset}: checksum {stored:08x}, but the bytes before give {computed:08x}: the file is damaged"
    )]
    WrongChecksum {
        /// Where the checksum stands.
        offset: usize,
        /// What it says.
        stored: u32,
        /// What it should say.
        computed: u32,
    },
    /// A section that leaves the file.
    #[error("byte {offset}: the {what} would take {needed} bytes, but {available} are left")]
    Outside {
        /// Which section.
        what: &'static str,
        /// Where it begins.
        offset: usize,
        /// How long it says to be.
        needed: u64,
        /// How much there is.
        available: usize,
    },
    /// A section that does not hold what it should.
    #[error("byte {offset}: the {what} that begins here cannot be read: {reason}")]
    Malformed {
        /// Which section.
        what: &'static str,
        /// Where it begins.
        offset: usize,
        /// What is wrong.
        reason: String,
    },
    /// A parameter's values that leave the file.
    #[error(
        "byte {offset}: parameter `{name}` of shape {shape:?} does not fit into the {available} bytes left"
    )]
    TensorOutside {
        /// The parameter's name.
        name: String,
        /// Where its values would begin.
        offset: usize,
        /// Its shape.
        shape: Vec<usize>,
        /// Bytes left for it.
        available: usize,
    },
    /// Bytes that belong to nothing.
    #[error("byte {offset}: {count} bytes too many {after}")]
    Leftover {
        /// Where they begin.
        offset: usize,
        /// How many there are.
        count: usize,
        /// Behind what.
        after: &'static str,
    },
    /// A plan that contradicts itself.
    #[error("the file is whole, but {0}")]
    Plan(#[from] PlanError),
}
