//! The first bytes of a container.

use std::ops::Range;

use super::{ALIGNMENT, CHECKSUM_LENGTH, ContainerError};

/// First bytes of every container.
const MAGIC: &[u8; 4] = b"SPNB";

/// Version of the format; a reader knows exactly one. It rises with every change of the layout,
/// also of the fields of [`Plan`](crate::plan::Plan), which a plan's structure lists in order.
const VERSION: u32 = 2;

/// Flag: arrays hold `f32` instead of `f64`.
const SINGLE: u32 = 1;

/// What a container holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A network of layers with its parameters.
    Network,
    /// A compiled plan.
    Plan,
    /// A training that can be gone on with.
    Checkpoint,
    /// A circuit.
    Circuit,
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// `f64`: every value comes back exactly.
    #[default]
    Double,
    /// `f32`: half the size, values are rounded.
    Single,
}

/// What `bytes`, a file or its beginning, holds; `None` if it is no container of a known kind.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Option<Kind> {
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    Kind::from_number(number(bytes, Header::KIND)?)
}

/// The fixed part of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) precision: Precision,
    /// Bytes of the structure, which begins behind the header.
    pub(super) structure: u64,
    /// Bytes of the tensor table behind the structure.
    pub(super) table: u64,
    /// Bytes of the whole file, the checksum included.
    pub(super) file: u64,
}

impl Header {
    pub(super) const LENGTH: usize = 40;
    const VERSION: usize = 4;
    const KIND: usize = 8;
    const FLAGS: usize = 12;
    const STRUCTURE: usize = 16;
    const TABLE: usize = 24;
    const FILE: usize = 32;

    /// The header's bytes.
    pub(super) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let flags = if self.precision == Precision::Single { SINGLE } else { 0 };
        let mut bytes = [0; Self::LENGTH];
        bytes[..Self::VERSION].copy_from_slice(MAGIC);
        bytes[Self::VERSION..Self::KIND].copy_from_slice(&VERSION.to_le_bytes());
        bytes[Self::KIND..Self::FLAGS].copy_from_slice(&self.kind.number().to_le_bytes());
        bytes[Self::FLAGS..Self::STRUCTURE].copy_from_slice(&flags.to_le_bytes());
        bytes[Self::STRUCTURE..Self::TABLE].copy_from_slice(&self.structure.to_le_bytes());
        bytes[Self::TABLE..Self::FILE].copy_from_slice(&self.table.to_le_bytes());
        bytes[Self::FILE..].copy_from_slice(&self.file.to_le_bytes());
        bytes
    }

    /// Reads the header of a whole file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ContainerError> {
        if !bytes.starts_with(MAGIC) {
            return Err(ContainerError::NoContainer);
        }
        let ends = || ContainerError::Ends {
            length: bytes.len(),
            needed: (Self::LENGTH + CHECKSUM_LENGTH) as u64,
        };
        if bytes.len() < Self::LENGTH + CHECKSUM_LENGTH {
            return Err(ends());
        }
        let version = number(bytes, Self::VERSION).ok_or_else(ends)?;
        if version != VERSION {
            return Err(ContainerError::UnknownVersion { found: version, known: VERSION });
        }
        let found = number(bytes, Self::KIND).ok_or_else(ends)?;
        let kind = Kind::from_number(found).ok_or(ContainerError::UnknownKind { found })?;
        let precision = match number(bytes, Self::FLAGS).ok_or_else(ends)? {
            0 => Precision::Double,
            SINGLE => Precision::Single,
            flags => return Err(ContainerError::UnknownFlags { flags }),
        };
        let structure = long_number(bytes, Self::STRUCTURE).ok_or_else(ends)?;
        let table = long_number(bytes, Self::TABLE).ok_or_else(ends)?;
        let file = long_number(bytes, Self::FILE).ok_or_else(ends)?;
        Ok(Self { kind, precision, structure, table, file })
    }

    /// Where the structure and the tensor table lie in a file of `length` bytes.
    pub(super) fn sections(
        self,
        length: usize,
    ) -> Result<(Range<usize>, Range<usize>), ContainerError> {
        let end = length.saturating_sub(CHECKSUM_LENGTH);
        let section = |what, start: usize, bytes: u64| {
            let stop = usize::try_from(bytes).ok().and_then(|bytes| start.checked_add(bytes));
            match stop {
                Some(stop) if stop <= end => Ok(start..stop),
                _ => {
                    let available = end.saturating_sub(start);
                    Err(ContainerError::Outside { what, offset: start, needed: bytes, available })
                }
            }
        };
        let structure = section("structure", Self::LENGTH, self.structure)?;
        let table = section("tensor table", structure.end, self.table)?;
        Ok((structure, table))
    }
}

impl Kind {
    fn number(self) -> u32 {
        match self {
            Self::Network => 1,
            Self::Plan => 2,
            Self::Checkpoint => 3,
            Self::Circuit => 4,
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Network),
            2 => Some(Self::Plan),
            3 => Some(Self::Checkpoint),
            4 => Some(Self::Circuit),
            _ => None,
        }
    }

    /// What the kind is called in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Network => "a network",
            Self::Plan => "a compiled plan",
            Self::Checkpoint => "a checkpoint of a training",
            Self::Circuit => "a circuit",
        }
    }
}

impl Precision {
    /// Bytes of one value.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Double => size_of::<f64>(),
            Self::Single => size_of::<f32>(),
        }
    }
}

/// The first aligned position from `offset` on; `None` beyond every memory.
pub(super) fn aligned(offset: usize) -> Option<usize> {
    offset.checked_next_multiple_of(ALIGNMENT)
}

fn number(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn long_number(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes.get(offset..)?.first_chunk().copied().map(u64::from_le_bytes)
}
