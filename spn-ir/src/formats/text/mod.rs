//! The `.spn` text form of a circuit, for people, tests and bug reports.
//!
//! In: text, out: a [`Circuit`] ([`parse`]) or what is wrong with it, with line and column; and
//! back ([`print()`], or [`print_structure`] without the numbers). The grammar is in
//! `docs/format-spn.md`.
//!
//! ```
//! let circuit = spn_ir::text::parse("\
//! spn 1
//! variables 2
//! a = leaf categorical(0) x2 probabilities=[0.2 0.8; 0.6 0.4]
//! b = leaf categorical(1) x2 probabilities=[0.5 0.5; 0.9 0.1]
//! p = product(a, b)
//! s = sum(p) weights=[0.3 0.7]
//! root s
//! ")?;
//! assert_eq!(circuit.nodes.len(), 4);
//! let again = spn_ir::text::parse(&spn_ir::text::print(&circuit))?;
//! assert_eq!(again.parameters, circuit.parameters);
//! # Ok::<(), spn_ir::text::TextError>(())
//! ```
//!
//! The parser is total: any text gives a circuit or an error, in memory that is bounded by a
//! multiple of the text's length and [`MAXIMUM_SCOPE_BYTES`].

mod attributes;
mod cursor;
mod declarations;
mod error;
mod fragments;
mod lexer;
mod nodes;
mod parser;
mod printer;
mod slices;
mod words;

use super::{Format, Written, as_text, first_word};
use crate::Circuit;

pub use error::{TextError, TextProblem};
pub use parser::{MAXIMUM_SCOPE_BYTES, MAXIMUM_VARIABLES};

/// `.spn` text in the list of formats.
pub(super) static FORMAT: Format = Format {
    name: "spn",
    title: "the whole circuit as text that people read and write",
    extensions: &["spn"],
    recognise: |bytes| {
        let word = first_word(bytes);
        word == "spn" || word.starts_with('#')
    },
    read: Some(|bytes| Ok(parse(as_text("spn", bytes)?)?)),
    write: Some(|circuit| {
        let lost = match circuit.layers.as_slice() {
            [] => Vec::new(),
            _ => vec!["names of layers: nodes come from lines instead".to_owned()],
        };
        Ok(Written { bytes: print(circuit).into_bytes(), nodes: circuit.nodes.len(), lost })
    }),
};

/// Reads a circuit from its text form.
///
/// # Errors
/// If the text does not follow the grammar or a node does not fit its children and parameters.
pub fn parse(text: &str) -> Result<Circuit, TextError> {
    parser::Parser::new(text).file()
}

/// The circuit as text that [`parse`] reads back: every number bit for bit, every node, parameter
/// and quantity in its place. Origins are not kept, they become line numbers.
///
/// NaN is printed as `NaN`, which [`parse`] refuses.
#[must_use]
pub fn print(circuit: &Circuit) -> String {
    printer::Printer::new(circuit, true).circuit()
}

/// The circuit as text without the values of parameters, and with where each node came from: for
/// looking at large networks. It cannot be read back.
#[must_use]
pub fn print_structure(circuit: &Circuit) -> String {
    printer::Printer::new(circuit, false).circuit()
}

#[cfg(test)]
mod tests;
