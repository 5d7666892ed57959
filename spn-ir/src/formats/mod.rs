//! File formats of circuits: one list, [`FORMATS`], with one file or folder for each of its lines.
//!
//! In: the bytes of a file, out: a [`Circuit`] ([`read`]) or what is wrong with it, with the place;
//! and back ([`Format::write`]), with a list of everything that the format could not hold. Formats
//! are told apart by content ([`recognise`]); names of files matter only for what is to be written
//! ([`for_file_name`]).
//!
//! **Adding a format**: a file here with its `FORMAT`, and a line in [`FORMATS`]. Formats that list
//! scalar nodes read through `scalar::Scalars`, which makes a circuit of them, and write what
//! `scalar::Scalars::from_circuit` gives, the circuit unit by unit; `json` is a parser that knows
//! the place of every value.
//!
//! Every reader is total: any bytes give a circuit or an error, in memory bounded by a multiple of
//! the file's length and [`text::MAXIMUM_SCOPE_BYTES`].

pub(crate) mod circuit_json;
mod deeprob;
mod error;
mod json;
mod juice;
pub mod nodes_json;
mod scalar;
mod spflow;
mod spnb;
mod spnc;
pub mod text;

pub use error::{FormatError, ImportError, ImportProblem, Place, WriteError};
pub use juice::vtree::{Vtree, VtreeMismatch};

use crate::Circuit;

/// Makes a circuit of the bytes of a file.
pub type Reader = fn(&[u8]) -> Result<Circuit, FormatError>;

/// Makes the bytes of a file of a circuit.
pub type Writer = fn(&Circuit) -> Result<Written, WriteError>;

/// A file format: one line of [`FORMATS`].
#[derive(Debug)]
pub struct Format {
    /// Its name on command lines and in messages.
    pub name: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// How names of its files end, without the dot, the usual one first.
    pub extensions: &'static [&'static str],
    /// Whether the bytes look like a file of this format; looks at little more than the beginning.
    pub recognise: fn(&[u8]) -> bool,
    /// Reads a file, if the program can.
    pub read: Option<Reader>,
    /// Writes a file, if the program can.
    pub write: Option<Writer>,
}

/// A circuit as the bytes of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The file.
    pub bytes: Vec<u8>,
    /// How many nodes it has.
    pub nodes: usize,
    /// What reading the file will not give back, each in a short phrase; the function that the
    /// circuit computes is not among it. Empty if nothing is lost.
    pub lost: Vec<String>,
}

/// All formats. Those that are recognised by one certain word come first.
pub static FORMATS: &[&Format] = &[
    &text::FORMAT,
    &spnb::FORMAT,
    &juice::jpc::FORMAT,
    &juice::psdd::FORMAT,
    &circuit_json::FORMAT,
    &spflow::json::FORMAT,
    &deeprob::FORMAT,
    &nodes_json::FORMAT,
    &spflow::equation::FORMAT,
    &spflow::reference::FORMAT,
    &spnc::FORMAT,
];

/// The format that the bytes look like.
#[must_use]
pub fn recognise(bytes: &[u8]) -> Option<&'static Format> {
    FORMATS.iter().copied().find(|format| (format.recognise)(bytes))
}

/// Reads a circuit in any format.
///
/// ```
/// let circuit = spn_ir::formats::read(b"spn 1
/// variables 1
/// a = leaf normal(0) location=[0] scale=[1]
/// root a")?;
/// assert_eq!(circuit.nodes.len(), 1);
/// # Ok::<(), spn_ir::formats::FormatError>(())
/// ```
///
/// # Errors
/// If the format is none of the list, or the file is no circuit.
pub fn read(bytes: &[u8]) -> Result<Circuit, FormatError> {
    let Some(format) = recognise(bytes) else {
        return Err(FormatError::Unknown { head: bytes[..bytes.len().min(64)].to_vec() });
    };
    format.read(bytes)
}

/// The format with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().copied().find(|format| format.name == name)
}

/// The format that can be written and whose files are called like this one, the one with the longest
/// extension if there are several; `.gz` at the end does not count.
#[must_use]
pub fn for_file_name(name: &str) -> Option<&'static Format> {
    let name = name.to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let fits = |end: &&str| name.strip_suffix(*end).is_some_and(|stem| stem.ends_with('.'));
    let longest = |format: &'static Format| {
        let lengths = format.extensions.iter().filter(|end| fits(end)).map(|end| end.len());
        Some((lengths.max()?, format))
    };
    let writable = FORMATS.iter().copied().filter(|format| format.write.is_some());
    let best = writable.filter_map(longest).max_by_key(|(length, _)| *length);
    best.map(|(_, format)| format)
}

/// The names of all formats, for messages.
fn names() -> String {
    FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(", ")
}

impl Format {
    /// Reads a file of this format.
    ///
    /// # Errors
    /// If the format is only written, or the file is no circuit.
    pub fn read(&self, bytes: &[u8]) -> Result<Circuit, FormatError> {
        let read = self.read.ok_or(FormatError::WriteOnly { format: self.name })?;
        read(bytes)
    }

    /// Writes a circuit.
    ///
    /// # Errors
    /// If the format is only read, or cannot hold the function that the circuit computes.
    pub fn write(&self, circuit: &Circuit) -> Result<Written, WriteError> {
        let write = self.write.ok_or(WriteError::ReadOnly { format: self.name })?;
        write(circuit)
    }
}

/// The bytes of a text format as text, without a byte order mark.
fn as_text<'a>(format: &'static str, bytes: &'a [u8]) -> Result<&'a str, FormatError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| FormatError::NotText { format, offset: error.valid_up_to() })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The first word of a text behind blanks, if the bytes begin with text.
fn first_word(bytes: &[u8]) -> &str {
    let head = &bytes[..bytes.len().min(4096)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    text.trim_start_matches('\u{feff}').split_whitespace().next().unwrap_or_default()
}

/// The outermost keys of a JSON object, each with the text behind its colon; none for other files.
fn json_keys(bytes: &[u8]) -> Vec<(&str, &str)> {
    if !first_word(bytes).starts_with('{') {
        return Vec::new();
    }
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    json::top_level_keys(text.trim_start_matches('\u{feff}'))
}

/// Whether an object has this key.
fn has_key(keys: &[(&str, &str)], wanted: &str) -> bool {
    keys.iter().any(|(key, _)| *key == wanted)
}

/// Whether the key `format` says this name.
fn has_format(keys: &[(&str, &str)], name: &str) -> bool {
    let is_name = |rest: &str| {
        let rest = rest.trim_start().strip_prefix('"').and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with('"'))
    };
    keys.iter().any(|(key, rest)| *key == "format" && is_name(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_extensions_find_formats() {
        for format in FORMATS {
            assert_eq!(find(format.name).map(|f| f.name), Some(format.name));
            assert!(!format.extensions.is_empty() && !format.title.is_empty());
            assert!(format.read.is_some() || format.write.is_some());
        }
        let called = |name| for_file_name(name).map(|format| format.name);
        assert_eq!(called("a.b/C.SPN.gz"), Some("spn"));
        assert_eq!(called("a.nodes.json"), Some("spn-nodes-v1"));
        assert_eq!(called("nodes.json"), Some("spn-circuit-v1"));
        assert!(for_file_name("spn").is_none() && for_file_name("x.unknown").is_none());
    }

    #[test]
    fn what_is_no_circuit_is_told() {
        for (bytes, part) in [(&b""[..], "empty"), (b"\x00\x01", "no known file"), (b"[1]", "[1]")]
        {
            let message = read(bytes).unwrap_err().to_string();
            assert!(message.contains(part) && message.contains("spn-circuit-v1"), "{message}");
        }
    }
}
