//! NumPy's `.npy` files: one array with its type and shape.
//!
//! In: a stream that begins with the magic `\x93NUMPY`. Out: the array, in row-major order. All real
//! number types, both byte orders and both index orders are read; `f32` and `f64` in row-major order
//! are written.
//!
//! The header is a Python dictionary with three keys, so a parser for just that stands here. (The
//! crate `npyz` was weighed and left: it reads whole Python literals with a grammar compiler and some
//! twenty crates, and allocates what the header claims.)

use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;

use super::array::{Block, ElementType, Layout, Number, read_block};
use super::error::{Fault, Place, Problem, excerpt};
use crate::output::{OutputError, write_atomically};

/// What every `.npy` file begins with.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// Longest header that is read. NumPy itself stops at 10,000 bytes.
const LONGEST_HEADER: u32 = 1 << 16;

/// Reads an array, or a range of its first dimension.
pub(super) fn read<T: Number>(
    source: &mut dyn Read,
    rows: Option<&Range<usize>>,
) -> Result<Block<T>, Fault> {
    let layout = read_header(source)?;
    read_block(source, &layout, rows)
}

/// Reads up to the first value.
pub(super) fn read_header(source: &mut dyn Read) -> Result<Layout, Fault> {
    let header_problem = |what: &str| Problem::Header(what.to_owned());
    let ends = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Fault::from(header_problem("the file ends within it")),
        _ => error.into(),
    };
    let mut start = [0; 8];
    source.read_exact(&mut start).map_err(ends)?;
    if !start.starts_with(MAGIC) {
        return Err(header_problem("it does not begin with \\x93NUMPY").at(Place::Byte(0)));
    }
    let mut length = [0; 4];
    let before_text = match start[6] {
        1 => {
            source.read_exact(&mut length[..2]).map_err(ends)?;
            10
        }
        2 | 3 => {
            source.read_exact(&mut length).map_err(ends)?;
            12
        }
        version => {
            let what = format!("version {version} is unknown, 1 to 3 are known");
            return Err(Problem::Header(what).at(Place::Byte(6)));
        }
    };
    let length = u32::from_le_bytes(length);
    if length > LONGEST_HEADER {
        let what = format!("it is {length} bytes long, {LONGEST_HEADER} is the limit");
        return Err(Problem::Header(what).at(Place::Byte(8)));
    }
    let mut text = vec![0; length as usize];
    source.read_exact(&mut text).map_err(ends)?;
    HeaderText { text: &text, position: 0 }.dictionary().map_err(|mut fault| {
        if let Place::Byte(byte) = &mut fault.place {
            *byte += before_text;
        }
        fault
    })
}

/// The text of a header and how far it is read.
struct HeaderText<'a> {
    text: &'a [u8],
    position: usize,
}

impl<'a> HeaderText<'a> {
    /// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }` and nothing after it.
    fn dictionary(mut self) -> Result<Layout, Fault> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect(b'{')?;
        while !self.accept(b'}') {
            let key = self.string()?;
            self.expect(b':')?;
            match key {
                b"descr" => descr = Some(self.descr()?),
                b"fortran_order" => fortran = Some(self.truth()?),
                b"shape" => shape = Some(self.tuple()?),
                _ => return Err(self.fault(&format!("the key `{}` is unknown", excerpt(key)))),
            }
            if !self.accept(b',') {
                self.expect(b'}')?;
                break;
            }
        }
        if self.peek().is_some() {
            return Err(self.fault("something follows the dictionary"));
        }
        let (Some((element, big_endian)), Some(fortran), Some(shape)) = (descr, fortran, shape)
        else {
            return Err(self.fault("one of the keys descr, fortran_order and shape is missing"));
        };
        Ok(Layout { element, big_endian, fortran, shape })
    }

    fn fault(&self, what: &str) -> Fault {
        Problem::Header(what.to_owned()).at(Place::Byte(self.position as u64))
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.position) {
            if !byte.is_ascii_whitespace() {
                return Some(*byte);
            }
            self.position += 1;
        }
        None
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.accept(byte) {
            return Ok(());
        }
        Err(self.fault(&format!("`{}` is expected here", char::from(byte))))
    }

    /// The longest run of bytes that satisfy the condition.
    fn run(&mut self, condition: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.text[self.position..];
        let length = rest.iter().position(|&byte| !condition(byte)).unwrap_or(rest.len());
        self.position += length;
        &rest[..length]
    }

    fn string(&mut self) -> Result<&'a [u8], Fault> {
        let quote = self.peek();
        let Some(quote @ (b'\'' | b'"')) = quote else {
            return Err(self.fault("a quoted text is expected here"));
        };
        self.position += 1;
        let text = self.run(|byte| byte != quote);
        self.expect(quote)?;
        Ok(text)
    }

    fn truth(&mut self) -> Result<bool, Fault> {
        self.peek();
        match self.run(|byte| byte.is_ascii_alphabetic()) {
            b"True" => Ok(true),
            b"False" => Ok(false),
            _ => Err(self.fault("True or False is expected here")),
        }
    }

    fn tuple(&mut self) -> Result<Vec<usize>, Fault> {
        let mut lengths = Vec::new();
        self.expect(b'(')?;
        while !self.accept(b')') {
            self.peek();
            let digits = str::from_utf8(self.run(|byte| byte.is_ascii_digit()));
            let Some(length) = digits.ok().and_then(|digits| digits.parse().ok()) else {
                return Err(self.fault("a length that fits this machine is expected here"));
            };
            lengths.push(length);
            // Python 2 marked long integers so.
            self.accept(b'L');
            if !self.accept(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(lengths)
    }

    /// The element type and whether the most significant byte comes first.
    fn descr(&mut self) -> Result<(ElementType, bool), Fault> {
        if self.peek() == Some(b'[') {
            return Err(Problem::ElementType("of records with fields".to_owned()).into());
        }
        let text = self.string()?;
        let (big_endian, name) = match text {
            [b'>', name @ ..] => (true, name),
            [b'<' | b'|' | b'=', name @ ..] => (false, name),
            name => (false, name),
        };
        let element = match name {
            b"b1" | b"?" => ElementType::Bool,
            b"u1" => ElementType::U8,
            b"u2" => ElementType::U16,
            b"u4" => ElementType::U32,
            b"u8" => ElementType::U64,
            b"i1" => ElementType::I8,
            b"i2" => ElementType::I16,
            b"i4" => ElementType::I32,
            b"i8" => ElementType::I64,
            b"f2" => ElementType::F16,
            b"f4" => ElementType::F32,
            b"f8" => ElementType::F64,
            _ => return Err(Problem::ElementType(format!("`{}`", excerpt(text))).into()),
        };
        Ok((element, big_endian))
    }
}

/// Values to write, in row-major order.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// Double precision.
    F64(&'a [f64]),
}

impl<'a> From<&'a [f32]> for Values<'a> {
    fn from(values: &'a [f32]) -> Self {
        Self::F32(values)
    }
}

impl<'a> From<&'a [f64]> for Values<'a> {
    fn from(values: &'a [f64]) -> Self {
        Self::F64(values)
    }
}

/// Writes an array as a `.npy` file, whole or not at all.
///
/// # Errors
///
/// When the file cannot be written, and when `shape` does not hold as many values as are given.
///
/// ```
/// let path = std::env::temp_dir().join("spn-npy-example.npy");
/// spn_cli::data::npy::write(&path, &[2, 2], [1.0_f32, 2.0, 3.0, f32::NAN].as_slice())?;
/// let table = spn_cli::data::read(&path.to_string_lossy(), None)?;
/// assert_eq!((table.rows, table.columns, table.values[2]), (2, 2, 3.0));
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write<'a>(
    path: &Path,
    shape: &[usize],
    values: impl Into<Values<'a>>,
) -> Result<(), OutputError> {
    let values = values.into();
    write_atomically(path, |writer| write_array(writer, shape, values))
}

/// Writes header and values.
pub(super) fn write_array(
    writer: &mut dyn Write,
    shape: &[usize],
    values: Values<'_>,
) -> io::Result<()> {
    let (descr, count) = match values {
        Values::F32(values) => ("<f4", values.len()),
        Values::F64(values) => ("<f8", values.len()),
    };
    if shape.iter().try_fold(1, |size: usize, &length| size.checked_mul(length)) != Some(count) {
        let what = format!("{count} values do not make an array of shape {shape:?}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let shape: String = shape.iter().map(|length| format!("{length}, ")).collect();
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    // Values begin at a multiple of 64 bytes, so that the file can be mapped into memory.
    let padded = (MAGIC.len() + 4 + header.len() + 1).next_multiple_of(64);
    let text = padded - MAGIC.len() - 4;
    header = format!("{header:<width$}\n", width = text - 1);
    let length = u16::try_from(text).map_err(|_| io::ErrorKind::InvalidInput)?;
    writer.write_all(MAGIC)?;
    writer.write_all(&[1, 0])?;
    writer.write_all(&length.to_le_bytes())?;
    writer.write_all(header.as_bytes())?;
    match values {
        Values::F32(values) => values.iter().try_for_each(|v| writer.write_all(&v.to_le_bytes())),
        Values::F64(values) => values.iter().try_for_each(|v| writer.write_all(&v.to_le_bytes())),
    }
}

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;
