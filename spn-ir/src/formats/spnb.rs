//! Circuits in the binary container `.spnb`, in the list of formats; `container` reads and writes it.

use super::{Format, Written};
use crate::container::{Kind, Precision, read_circuit, sniff, write_circuit};

/// `.spnb` circuits in the list of formats.
pub(super) static FORMAT: Format = Format {
    name: "spnb",
    title: "the whole circuit in binary, with a checksum",
    extensions: &["spnb"],
    recognise: |bytes| sniff(bytes) == Some(Kind::Circuit),
    read: Some(|bytes| Ok(read_circuit(bytes)?)),
    write: Some(|circuit| {
        let mut bytes = Vec::new();
        // A vector refuses nothing.
        let _ = write_circuit(&mut bytes, Precision::Double, circuit);
        Ok(Written { bytes, nodes: circuit.nodes.len(), lost: Vec::new() })
    }),
};
