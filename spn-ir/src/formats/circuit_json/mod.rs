//! The whole circuit as JSON, `spn-circuit-v1`, for programs that write or change circuits.
//!
//! In and out: everything a [`Circuit`] has, each in its old place, every number bit for bit.
//! `docs/format-json.md` has the schema. Unknown keys are errors, so that a misspelt one is not
//! ignored; every error has line and column.

mod read;
mod read_nodes;
mod write;

use super::{Format, FormatError, ImportError, Written, as_text, has_format, has_key, json_keys};
use crate::{Circuit, Parameters};

/// The format's name in its files.
const NAME: &str = "spn-circuit-v1";

/// `spn-circuit-v1` JSON in the list of formats.
pub(super) static FORMAT: Format = Format {
    name: NAME,
    title: "the whole circuit as JSON: blocks, tied parameters, constraints",
    extensions: &["json"],
    recognise,
    read: Some(read),
    write: Some(|circuit| {
        let bytes = write::write(circuit, true);
        Ok(Written { bytes, nodes: circuit.nodes.len(), lost: Vec::new() })
    }),
};

fn recognise(bytes: &[u8]) -> bool {
    let keys = json_keys(bytes);
    has_format(&keys, NAME) || (has_key(&keys, "quantities") && has_key(&keys, "nodes"))
}

fn read(bytes: &[u8]) -> Result<Circuit, FormatError> {
    Ok(read::read(as_text(NAME, bytes)?, None)?)
}

/// The circuit without its parameters, for files that keep these elsewhere.
pub(crate) fn write_structure(circuit: &Circuit) -> String {
    // Everything that is written is UTF-8.
    String::from_utf8(write::write(circuit, false)).unwrap_or_default()
}

/// The circuit that was written without its parameters.
pub(crate) fn read_structure(text: &str, parameters: Parameters) -> Result<Circuit, ImportError> {
    read::read(text, Some(parameters))
}
