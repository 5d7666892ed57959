//! Writing a container.

use std::io::{Error, ErrorKind, Result, Write};

use serde::Serialize;

use crate::Parameters;

use super::header::{Header, aligned};
use super::{CHECKSUM_LENGTH, Kind, Precision, count, tensors};

/// How many values are written in one piece.
const AT_ONCE: usize = 8192;

/// Writes a structure and its parameters. Equal contents give equal bytes.
///
/// # Errors
/// If writing fails, or with [`ErrorKind::InvalidInput`] if the structure cannot be serialised
/// (postcard knows no maps of unknown length) or a parameter's values do not make up its shape.
pub fn write_container<S: Serialize>(
    writer: impl Write,
    kind: Kind,
    precision: Precision,
    structure: &S,
    parameters: &Parameters,
) -> Result<()> {
    let structure = postcard::to_stdvec(structure).map_err(invalid)?;
    let table = postcard::to_stdvec(&tensors(parameters)).map_err(invalid)?;
    let mut end = Header::LENGTH + structure.len() + table.len();
    for (_, parameter) in parameters.iter() {
        if count(&parameter.shape) != Some(parameter.values.len()) {
            let (name, shape, values) = (&parameter.name, &parameter.shape, parameter.values.len());
            let message = format!("parameter `{name}` of shape {shape:?} has {values} values");
            return Err(invalid(message));
        }
        let start = aligned(end).ok_or_else(|| invalid("the file would be too long"))?;
        end = start + parameter.values.len() * precision.bytes();
    }
    let header = Header {
        kind,
        precision,
        structure: structure.len() as u64,
        table: table.len() as u64,
        file: (end + CHECKSUM_LENGTH) as u64,
    };
    let mut output = Summing { writer, hasher: crc32fast::Hasher::new(), position: 0 };
    output.put(&header.to_bytes())?;
    output.put(&structure)?;
    output.put(&table)?;
    for (_, parameter) in parameters.iter() {
        output.align()?;
        for values in parameter.values.chunks(AT_ONCE) {
            let bytes: Vec<u8> = match precision {
                Precision::Double => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
                Precision::Single => {
                    values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect()
                }
            };
            output.put(&bytes)?;
        }
    }
    let checksum = output.hasher.clone().finalize();
    output.put(&checksum.to_le_bytes())
}

fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::InvalidInput, reason)
}

/// A writer that keeps the checksum and the position.
struct Summing<W> {
    writer: W,
    hasher: crc32fast::Hasher,
    position: usize,
}

impl<W: Write> Summing<W> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.position += bytes.len();
        self.writer.write_all(bytes)
    }

    /// Writes zeros up to the next aligned position.
    fn align(&mut self) -> Result<()> {
        let target = aligned(self.position).unwrap_or(self.position);
        let zeros = [0; super::ALIGNMENT];
        self.put(&zeros[..target - self.position])
    }
}
