//! Reading a container.

use serde::de::DeserializeOwned;

use crate::{Parameter, Parameters};

use super::header::{Header, aligned};
use super::{CHECKSUM_LENGTH, ContainerError, Kind, Precision, Tensor, count};

/// Reads the structure and the parameters of a file of the `expected` kind.
///
/// The memory taken is proportional to the file's length, whatever lengths the file claims.
///
/// # Errors
/// If the file is of another kind or version, damaged, or contradicts itself.
pub fn read_container<S: DeserializeOwned>(
    bytes: &[u8],
    expected: Kind,
) -> Result<(S, Parameters), ContainerError> {
    let header = Header::read(bytes)?;
    if header.kind != expected {
        let (found, expected) = (header.kind.name(), expected.name());
        return Err(ContainerError::WrongKind { found, expected });
    }
    if header.file != bytes.len() as u64 {
        let (declared, actual) = (header.file, bytes.len());
        return Err(ContainerError::WrongLength { declared, actual });
    }
    check_sum(bytes)?;
    let (structure, table) = header.sections(bytes.len())?;
    let arrays = table.end;
    let tensors: Vec<Tensor> = section("tensor table", bytes, table.start, table.end)?;
    let structure = section("structure", bytes, structure.start, structure.end)?;
    let parameters = parameters(bytes, arrays, tensors, header.precision)?;
    Ok((structure, parameters))
}

fn check_sum(bytes: &[u8]) -> Result<(), ContainerError> {
    let Some((before, stored)) = bytes.split_last_chunk::<CHECKSUM_LENGTH>() else {
        let needed = CHECKSUM_LENGTH as u64;
        return Err(ContainerError::Ends { length: bytes.len(), needed });
    };
    let (stored, computed) = (u32::from_le_bytes(*stored), crc32fast::hash(before));
    if stored == computed {
        return Ok(());
    }
    Err(ContainerError::WrongChecksum { offset: before.len(), stored, computed })
}

/// Reads a postcard section, which must be used up.
fn section<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    start: usize,
    end: usize,
) -> Result<T, ContainerError> {
    match postcard::take_from_bytes(&bytes[start..end]) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => {
            let after = if what == "structure" { "after the structure" } else { "after the table" };
            let (offset, count) = (end - rest.len(), rest.len());
            Err(ContainerError::Leftover { offset, count, after })
        }
        Err(error) => {
            let reason = error.to_string();
            Err(ContainerError::Malformed { what, offset: start, reason })
        }
    }
}

/// The parameters whose arrays begin behind `position`.
fn parameters(
    bytes: &[u8],
    mut position: usize,
    tensors: Vec<Tensor>,
    precision: Precision,
) -> Result<Parameters, ContainerError> {
    let end = bytes.len() - CHECKSUM_LENGTH;
    let mut parameters = Parameters::default();
    for tensor in tensors {
        let start = aligned(position).unwrap_or(usize::MAX);
        let length = count(&tensor.shape).and_then(|count| count.checked_mul(precision.bytes()));
        let array = length
            .and_then(|length| start.checked_add(length))
            .filter(|&stop| stop <= end)
            .and_then(|stop| bytes.get(start..stop));
        let Some(array) = array else {
            let available = end.saturating_sub(start);
            let (name, shape) = (tensor.name, tensor.shape);
            return Err(ContainerError::TensorOutside { name, offset: start, shape, available });
        };
        position = start + array.len();
        let Tensor { name, shape, trainable, constraint } = tensor;
        let values = values(array, precision);
        parameters.add(Parameter { name, shape, values, trainable, constraint });
    }
    if position != end {
        let (offset, count) = (position, end - position);
        return Err(ContainerError::Leftover { offset, count, after: "after the arrays" });
    }
    Ok(parameters)
}

fn values(array: &[u8], precision: Precision) -> Vec<f64> {
    match precision {
        Precision::Double => {
            array.as_chunks().0.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect()
        }
        Precision::Single => {
            array.as_chunks().0.iter().map(|chunk| f64::from(f32::from_le_bytes(*chunk))).collect()
        }
    }
}
