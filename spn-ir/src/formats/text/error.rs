//! What can be wrong with a circuit's text: where, what, and how to mend it.

use std::fmt;

use thiserror::Error;

use crate::CircuitError;

/// How many characters of the source line are shown on either side of the error.
const WINDOW: usize = 60;

/// An error in a circuit's text. Its `Display` form shows the line with a caret.
#[derive(Clone, Debug, PartialEq, Error)]
pub struct TextError {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub problem: TextProblem,
    /// The line, or what surrounds the column in a long one.
    source_line: String,
    /// What to put before the caret.
    indent: String,
}

/// What is wrong with a circuit's text.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum TextProblem {
    /// Something else should stand here.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What should stand here.
        expected: String,
        /// What does.
        found: String,
    },
    /// The text is of another version of the format.
    #[error("this is version {version} of the format; only version 1 is known")]
    Version {
        /// The version.
        version: String,
    },
    /// A name that was not defined before.
    #[error("there is no {kind} `{name}`{}", defined_later(*.later))]
    Undefined {
        /// `node`, `parameter`, …
        kind: &'static str,
        /// The name.
        name: String,
        /// The line that seems to define it further down.
        later: Option<u32>,
    },
    /// A name that was defined before.
    #[error("the {kind} `{name}` is defined already, in line {line}: choose another name")]
    Redefined {
        /// `node`, `parameter`, …
        kind: &'static str,
        /// The name.
        name: String,
        /// Where it was defined.
        line: u32,
    },
    /// NaN as a parameter.
    #[error("NaN is not a parameter value: write the number that is meant")]
    NotANumber,
    /// A finite number too large for an `f64`.
    #[error("`{text}` is beyond the largest 64-bit number; write inf if infinity is meant")]
    TooLarge {
        /// The number as it was written.
        text: String,
    },
    /// A number outside its range.
    #[error("{what} must be {range}, not {value}")]
    OutOfRange {
        /// What the number is.
        what: &'static str,
        /// Which numbers are allowed.
        range: &'static str,
        /// The number.
        value: f64,
    },
    /// A list of another length.
    #[error("{what}: {found} values, but {expected}")]
    Count {
        /// What the list is.
        what: String,
        /// How many values it has.
        found: usize,
        /// How many it should have, and why.
        expected: String,
    },
    /// Rows of a list differ in length.
    #[error("row {row} of the list has {found} values, the rows before it have {expected}")]
    UnevenRows {
        /// The row, from 1.
        row: usize,
        /// Its length.
        found: usize,
        /// The others' length.
        expected: usize,
    },
    /// An attribute that must be there is not.
    #[error("a {statement} needs `{attribute}`")]
    MissingAttribute {
        /// What is defined.
        statement: &'static str,
        /// How the attribute is written.
        attribute: &'static str,
    },
    /// An attribute that the statement does not have, or has already.
    #[error("a {statement} has no (second) attribute `{attribute}`; it can have {known}")]
    UnknownAttribute {
        /// What is defined.
        statement: &'static str,
        /// The attribute.
        attribute: String,
        /// The attributes there are.
        known: &'static str,
    },
    /// An attribute with a value of the wrong kind.
    #[error("`{attribute}` must be given as {expected}")]
    AttributeValue {
        /// The attribute.
        attribute: String,
        /// How it is written.
        expected: &'static str,
    },
    /// A constraint along an axis that the parameter does not have.
    #[error("the parameter has {axes} axes: the constraint's axis {axis} is not one of them")]
    Axis {
        /// The axis.
        axis: i32,
        /// How many there are.
        axes: usize,
    },
    /// More memory for scopes than allowed.
    #[error("the scopes of so many different nodes over so many variables take too much memory")]
    ScopesTooLarge,
    /// The circuit cannot be built this way.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
}

fn defined_later(line: Option<u32>) -> String {
    match line {
        Some(line) => {
            format!(" yet: it is defined later, in line {line}; move that line up, before this one")
        }
        None => ": define it in a line before this one".to_owned(),
    }
}

impl TextError {
    /// The error at byte `offset` of `text`.
    pub(super) fn new(text: &str, offset: usize, problem: TextProblem) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let rest = text.get(start..).unwrap_or_default();
        let line_text = rest.lines().next().unwrap_or_default();
        let column = before[start..].chars().count();
        let skipped = column.saturating_sub(WINDOW);
        let shown: String = line_text.chars().skip(skipped).take(2 * WINDOW).collect();
        // Tabs stay tabs, so that the caret stands below its character.
        let blank = |c: char| if c == '\t' { '\t' } else { ' ' };
        let indent = shown.chars().take(column - skipped).map(blank).collect();
        let newlines = before.bytes().filter(|byte| *byte == b'\n').count();
        Self {
            line: newlines as u32 + 1,
            column: column as u32 + 1,
            problem,
            source_line: shown,
            indent,
        }
    }

    /// What is wrong, in words, without the place.
    #[must_use]
    pub fn message(&self) -> String {
        self.problem.to_string()
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, problem, source_line, indent } = self;
        let margin = " ".repeat(line.to_string().len());
        writeln!(f, "line {line}, column {column}: {problem}")?;
        writeln!(f, " {line} | {source_line}")?;
        write!(f, " {margin} | {indent}^")
    }
}
