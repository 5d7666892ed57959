//! Circuits in a container: the structure is the circuit's JSON without its parameters, which are
//! the container's tensors.

use std::io::{self, Write};

use super::{ContainerError, Kind, Precision, read_container, write_container};
use crate::Circuit;
use crate::formats::circuit_json;

/// Writes a circuit.
///
/// # Errors
/// If the writer refuses.
pub fn write_circuit(
    writer: &mut dyn Write,
    precision: Precision,
    circuit: &Circuit,
) -> io::Result<()> {
    let structure = circuit_json::write_structure(circuit);
    write_container(writer, Kind::Circuit, precision, &structure, &circuit.parameters)
}

/// Reads a circuit.
///
/// # Errors
/// As [`read_container`], or if the structure is no circuit with these parameters.
pub fn read_circuit(bytes: &[u8]) -> Result<Circuit, ContainerError> {
    let (structure, parameters): (String, _) = read_container(bytes, Kind::Circuit)?;
    circuit_json::read_structure(&structure, parameters).map_err(|error| {
        let (what, offset) = ("structure", super::header::Header::LENGTH);
        ContainerError::Malformed { what, offset, reason: format!("in its text, {error}") }
    })
}
