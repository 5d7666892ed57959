//! Data files: tables of numbers from NumPy, CSV and IDX files.
//!
//! In: a path as the command line takes it, `FILE` or `FILE.npz:KEY`, and perhaps a range of rows.
//! Out: a [`Table`] of `f32` with NaN for missing values, or labels.
//!
//! The kind of a file is told by its content, never by its name, and gzip is undone transparently:
//!
//! | kind | begins with | read by |
//! |---|---|---|
//! | `.npy` | `\x93NUMPY` | [`npy`] |
//! | `.npz` | `PK` | [`npz`] |
//! | IDX (`*-ubyte`) | two zero bytes, type, dimensions | `idx` |
//! | CSV, `.data` | text | `csv` |
//!
//! No bytes make a reader panic. Memory grows with what a file really holds, not with what its header
//! claims, and compressed files are held to [`DECOMPRESSED_LIMIT`]. A table takes at most four bytes
//! of memory for each byte of the (decompressed) file, and twice that while it grows.

mod array;
mod csv;
mod digits;
mod error;
mod gzip;
mod idx;
#[cfg(test)]
mod mutate;
pub mod npy;
pub mod npz;

use std::ops::Range;
use std::path::Path;

pub use array::ElementType;
pub use digits::digits;
pub use error::{DataError, Place, Problem};
pub use gzip::DECOMPRESSED_LIMIT;
pub use npz::{NpyArray, npz_arrays};

use array::{Block, Number};
use error::{Fault, excerpt};

/// Samples in rows, variables in columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Number of samples.
    pub rows: usize,
    /// Number of variables, the product of `shape`.
    pub columns: usize,
    /// The shape of one row, for example `[28, 28]` for images; `[columns]` for flat tables.
    pub shape: Vec<usize>,
    /// The values in row-major order; NaN where one is missing.
    pub values: Vec<f32>,
}

impl Table {
    /// Splits the shape of an array into rows and the shape of a row.
    fn from_block(block: Block<f32>) -> Result<Self, Fault> {
        let (rows, columns, shape) = match block.shape.as_slice() {
            [] => return Err(Problem::Shape(block.shape).into()),
            [rows] => (*rows, 1, vec![1]),
            [rows, shape @ ..] => (*rows, shape.iter().product(), shape.to_vec()),
        };
        if columns == 0 {
            return Err(Problem::Shape(block.shape).into());
        }
        Ok(Self { rows, columns, shape, values: block.values })
    }

    /// The values of one sample; none if there are not so many.
    pub fn row(&self, row: usize) -> Option<&[f32]> {
        let start = row.checked_mul(self.columns)?;
        self.values.get(start..start.checked_add(self.columns)?)
    }
}

/// Reads a table: `spec` is a path, or `FILE.npz:KEY`; `rows` counts from 0 and excludes its end.
///
/// # Errors
///
/// When the file cannot be read, is damaged or of no known kind, and when it lacks some of the rows.
/// The message says where and how to mend it.
///
/// ```
/// let path = std::env::temp_dir().join("spn-data-example.csv");
/// std::fs::write(&path, "height,weight\n1.8,75\n1.6,?\n")?;
/// let table = spn_cli::data::read(&path.to_string_lossy(), Some(1..2))?;
/// assert_eq!((table.rows, table.shape, table.values[0]), (1, vec![2], 1.6));
/// assert!(table.values[1].is_nan());
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(clippy::needless_pass_by_value, reason = "callers write Some(0..10)")]
pub fn read(spec: &str, rows: Option<Range<usize>>) -> Result<Table, DataError> {
    read_spec(spec, rows.as_ref()).and_then(Table::from_block).map_err(|fault| fault.in_file(spec))
}

/// Reads labels: the same kinds of file, with one whole number from 0 in each row.
///
/// # Errors
///
/// As for [`read`], and when a label is missing, negative, fractional or beyond `u32`.
#[expect(clippy::needless_pass_by_value, reason = "callers write Some(0..10)")]
pub fn read_labels(spec: &str, rows: Option<Range<usize>>) -> Result<Vec<u32>, DataError> {
    let first = rows.as_ref().map_or(0, |rows| rows.start);
    read_spec(spec, rows.as_ref())
        .and_then(|block| labels(block, first))
        .map_err(|fault| fault.in_file(spec))
}

/// Checks that an array, whose first row is row `first` of its file, holds labels.
fn labels(block: Block<f64>, first: usize) -> Result<Vec<u32>, Fault> {
    match block.shape.as_slice() {
        [] => return Err(Problem::Shape(block.shape).into()),
        [_, shape @ ..] => {
            let columns: usize = shape.iter().product();
            if columns != 1 {
                return Err(Problem::LabelColumns(columns).into());
            }
        }
    }
    let label = |(row, value): (usize, f64)| {
        let label = value as u32;
        if f64::from(label) == value {
            return Ok(label);
        }
        Err(Problem::Label(value).at(Place::Row(first + row)))
    };
    block.values.into_iter().enumerate().map(label).collect()
}

/// Opens a file, tells its kind and reads it.
fn read_spec<T: Number>(spec: &str, rows: Option<&Range<usize>>) -> Result<Block<T>, Fault> {
    if let Some(rows) = rows
        && rows.is_empty()
    {
        return Err(Problem::NoRows { start: rows.start, end: rows.end }.into());
    }
    let (path, key) = split_key(spec);
    let mut source = gzip::open(path)?;
    if npz::is_npz(&source.head) {
        return npz::read(path, source, key, rows);
    }
    if let Some(key) = key {
        return Err(Problem::KeyUnwanted(key.to_owned()).into());
    }
    if source.head.starts_with(npy::MAGIC) {
        npy::read(&mut source.reader, rows)
    } else if idx::is_idx(&source.head) {
        idx::read(&mut source.reader, rows)
    } else if csv::is_text(&source.head) {
        csv::read(&mut source.reader, rows)
    } else if source.head.is_empty() {
        Err(Problem::Empty.into())
    } else {
        let start = &source.head[..source.head.len().min(8)];
        Err(Problem::UnknownKind(excerpt(start)).into())
    }
}

/// Splits `FILE.npz:KEY` where the part before a colon is a file. Names of files with colons in them
/// stay whole.
fn split_key(spec: &str) -> (&Path, Option<&str>) {
    let whole = Path::new(spec);
    if whole.is_file() {
        return (whole, None);
    }
    spec.match_indices(':')
        .map(|(colon, _)| (Path::new(&spec[..colon]), Some(&spec[colon + 1..])))
        .find(|(path, _)| path.is_file())
        .unwrap_or((whole, None))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
