//! What can be wrong with a data file, where, and how to mend it.
//!
//! The readers of the single formats report a `Fault` (a place and a problem); `super::read` and its
//! siblings add the name of the file and make a [`DataError`] of it, which displays as one sentence.

use std::fmt;
use std::io;

/// A data file that could not be read: which one, where in it, and why.
#[derive(Debug, thiserror::Error)]
#[error("{file}{place}: {problem}")]
#[non_exhaustive]
pub struct DataError {
    /// The file as it was asked for, with the `:KEY` of an array in an `.npz`.
    pub file: String,
    /// Where in the file.
    pub place: Place,
    /// What is wrong there.
    #[source]
    pub problem: Problem,
}

/// Where in a data file something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The file as a whole.
    File,
    /// An offset in bytes from the beginning, after decompression.
    Byte(u64),
    /// A line of text, counted from 1.
    Line(u64),
    /// A cell of a text table, both counted from 1.
    Cell {
        /// The line.
        line: u64,
        /// The column.
        column: usize,
    },
    /// A row of a table, counted from 0 as in `--rows`.
    Row(usize),
    /// An array inside an `.npz` file.
    Array {
        /// Its name.
        name: String,
        /// Where in it.
        within: Box<Place>,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File => Ok(()),
            Place::Byte(byte) => write!(formatter, ", byte {byte}"),
            Place::Line(line) => write!(formatter, ", line {line}"),
            Place::Cell { line, column } => write!(formatter, ", line {line}, column {column}"),
            Place::Row(row) => write!(formatter, ", row {row} (counted from 0)"),
            Place::Array { name, within } => write!(formatter, ", array `{name}`{within}"),
        }
    }
}

/// What is wrong with a data file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file could not be opened.
    #[error("cannot be opened: {0}; check the path")]
    Open(io::Error),
    /// The file could be opened but not read or decompressed.
    #[error("cannot be read: {0}; the file may be damaged or cut off")]
    Read(io::Error),
    /// Neither of the known kinds of file.
    #[error(
        "is of no known kind (it begins with the bytes {0}); data are .npy, .npz (as FILE.npz:KEY), \
         CSV or IDX files, each also as .gz"
    )]
    UnknownKind(String),
    /// Nothing is in the file.
    #[error("is empty")]
    Empty,
    /// A limit that guards the memory was passed.
    #[error("{0}; take fewer rows, or split the file")]
    TooLarge(String),
    /// Fewer values than the header declares.
    #[error(
        "ends early: {expected} bytes of values are declared, {found} are there; copy it again"
    )]
    Truncated {
        /// Bytes the header promises.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// More bytes than the header declares.
    #[error("holds more bytes after the {0} bytes of values it declares; it is damaged")]
    Trailing(u64),
    /// A binary header that breaks the rules of its format.
    #[error("the header is not understood: {0}; write the file again")]
    Header(String),
    /// Values of a type that is no number.
    #[error("the values have type {0}; save them as numbers, for example as float32")]
    ElementType(String),
    /// An array without a first dimension, or with nothing in a row.
    #[error("has the shape {0:?}; rows of at least one value are needed")]
    Shape(Vec<usize>),
    /// An `.npz` file with several arrays, and none is named.
    #[error("holds several arrays; name one as FILE.npz:KEY, with KEY one of {0}")]
    KeyMissing(String),
    /// An array that an `.npz` file does not hold.
    #[error("holds no array `{key}`; it has {have}")]
    NoSuchKey {
        /// The array asked for.
        key: String,
        /// The arrays that are there.
        have: String,
    },
    /// An array is named, but the file is no `.npz`.
    #[error("is not an .npz file; leave out `:{0}`")]
    KeyUnwanted(String),
    /// A ZIP archive that breaks the rules.
    #[error("is a damaged .npz file: {0}; write it again")]
    Archive(String),
    /// A text cell that is no number.
    #[error(
        "`{0}` is not a number; cells hold a number, or nothing, NaN or ? for a missing value, and \
         are separated by commas"
    )]
    Cell(String),
    /// A line with more or fewer cells than the first.
    #[error("has {found} cells where the first line has {expected}; every line needs as many")]
    Ragged {
        /// Cells of the first line.
        expected: usize,
        /// Cells of this line.
        found: usize,
    },
    /// A blank line in a table of one column.
    #[error("is blank; write ? for a missing value")]
    BlankLine,
    /// A range of rows that the file does not have.
    #[error("has {available} rows, so rows {start}..{end} cannot be taken; rows count from 0")]
    Rows {
        /// First row asked for.
        start: usize,
        /// Row after the last one asked for.
        end: usize,
        /// Rows of the file.
        available: usize,
    },
    /// A range without rows.
    #[error("rows {start}..{end} are none; give A..B with A below B")]
    NoRows {
        /// First row asked for.
        start: usize,
        /// Row after the last one asked for.
        end: usize,
    },
    /// A label that is not a whole number from 0.
    #[error("the label is {0}; labels are whole numbers 0, 1, 2, …")]
    Label(f64),
    /// Labels with several values in a row.
    #[error("has {0} values in a row; labels need exactly one")]
    LabelColumns(usize),
}

/// A place and a problem; the file is named further up.
#[derive(Debug)]
pub(super) struct Fault {
    /// Where.
    pub(super) place: Place,
    /// What.
    pub(super) problem: Problem,
}

impl Fault {
    /// Names the file.
    pub(super) fn in_file(self, file: &str) -> DataError {
        DataError { file: file.to_owned(), place: self.place, problem: self.problem }
    }
}

impl Problem {
    /// Names the place.
    pub(super) fn at(self, place: Place) -> Fault {
        Fault { place, problem: self }
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        problem.at(Place::File)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Problem::Read(error).into()
    }
}

/// A text from a file, short enough for a message.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    short
}
