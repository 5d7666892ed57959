//! Blocks of binary numbers, as `.npy` and IDX files hold them.
//!
//! In: the layout that a header declares and a stream that stands at the first value. Out: the asked
//! rows as `f32` or `f64` in row-major order. Memory grows with the bytes that are really there, never
//! with what the header claims.

use std::io::{self, Read};
use std::ops::Range;

use super::error::{Fault, Problem};

/// The type of the numbers in a binary file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say all")]
pub enum ElementType {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F16,
    F32,
    F64,
}

impl ElementType {
    /// Bytes of one number.
    fn width(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

/// What a header declares.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    /// The type of the numbers.
    pub(super) element: ElementType,
    /// Whether the most significant byte comes first.
    pub(super) big_endian: bool,
    /// Whether the first index runs fastest.
    pub(super) fortran: bool,
    /// Length of each dimension.
    pub(super) shape: Vec<usize>,
}

impl Layout {
    /// Whether the values have to be reordered; with one dimension both orders are the same.
    fn is_turned(&self) -> bool {
        self.fortran && self.shape.len() > 1
    }
}

/// The two types that values are read as.
pub(super) trait Number: Copy {
    /// Rounds to this type.
    fn from_f64(value: f64) -> Self;
}

impl Number for f32 {
    fn from_f64(value: f64) -> Self {
        value as f32
    }
}

impl Number for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }
}

/// Values in row-major order.
#[derive(Debug)]
pub(super) struct Block<T> {
    /// Length of each dimension, rows first.
    pub(super) shape: Vec<usize>,
    /// As many values as the product of `shape`.
    pub(super) values: Vec<T>,
}

/// Reads the values that follow a header: all, or a range of the first dimension.
pub(super) fn read_block<T: Number>(
    source: &mut dyn Read,
    layout: &Layout,
    rows: Option<&Range<usize>>,
) -> Result<Block<T>, Fault> {
    let width = layout.element.width();
    let total = byte_count(&layout.shape, width)?;
    let Some(rows) = rows else {
        let values = read_values(source, layout, total, total)?;
        if source.read(&mut [0])? > 0 {
            return Err(Problem::Trailing(total as u64).into());
        }
        return Ok(Block { shape: layout.shape.clone(), values });
    };
    let Some(&available) = layout.shape.first() else {
        return Err(Problem::Shape(Vec::new()).into());
    };
    if rows.end > available {
        return Err(out_of_range(rows, available).into());
    }
    let mut shape = layout.shape.clone();
    shape[0] = rows.len();
    let row_bytes = byte_count(&shape[1..], width)?;
    // In Fortran order the values of a row are spread over the whole file.
    if layout.is_turned() {
        let mut values = read_values(source, layout, total, total)?;
        let row = row_bytes / width;
        values.truncate(rows.end * row);
        values.drain(..rows.start * row);
        return Ok(Block { shape, values });
    }
    let skip = rows.start * row_bytes;
    let skipped = io::copy(&mut source.take(skip as u64), &mut io::sink())?;
    if skipped < skip as u64 {
        return Err(Problem::Truncated { expected: total as u64, found: skipped }.into());
    }
    let values =
        read_values(source, layout, rows.len() * row_bytes, total).map_err(|mut fault| {
            if let Problem::Truncated { found, .. } = &mut fault.problem {
                *found += skipped;
            }
            fault
        })?;
    Ok(Block { shape, values })
}

/// The problem of rows that are not there.
pub(super) fn out_of_range(rows: &Range<usize>, available: usize) -> Problem {
    Problem::Rows { start: rows.start, end: rows.end, available }
}

/// The size of an array, if the machine can address it.
fn byte_count(shape: &[usize], width: usize) -> Result<usize, Problem> {
    shape.iter().try_fold(width, |size, &length| size.checked_mul(length)).ok_or_else(|| {
        Problem::TooLarge(format!("declares the shape {shape:?}, more than this machine can hold"))
    })
}

/// Reads `size` bytes of an array of `total` bytes and puts them in row-major order.
fn read_values<T: Number>(
    source: &mut dyn Read,
    layout: &Layout,
    size: usize,
    total: usize,
) -> Result<Vec<T>, Fault> {
    let mut values = Vec::new();
    let mut buffer = vec![0; size.min(1 << 16)];
    let mut done = 0;
    while done < size {
        let wanted = buffer.len().min(size - done);
        let found = read_up_to(source, &mut buffer[..wanted])?;
        if found < wanted {
            let found = (done + found) as u64;
            return Err(Problem::Truncated { expected: total as u64, found }.into());
        }
        values.try_reserve(wanted / layout.element.width()).map_err(|_| {
            Problem::TooLarge(format!("needs more memory than there is after {done} bytes"))
        })?;
        decode(layout, &buffer[..wanted], &mut values);
        done += wanted;
    }
    if layout.is_turned() { to_row_major(&values, &layout.shape) } else { Ok(values) }
}

/// Fills the buffer as far as the stream goes.
fn read_up_to(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Turns bytes into numbers.
fn decode<T: Number>(layout: &Layout, bytes: &[u8], values: &mut Vec<T>) {
    let big = layout.big_endian;
    match layout.element {
        ElementType::Bool => each(big, bytes, values, |[byte]: [u8; 1]| f64::from(byte != 0)),
        ElementType::U8 => each(big, bytes, values, |[byte]: [u8; 1]| f64::from(byte)),
        ElementType::I8 => each(big, bytes, values, |raw| f64::from(i8::from_le_bytes(raw))),
        ElementType::U16 => each(big, bytes, values, |raw| f64::from(u16::from_le_bytes(raw))),
        ElementType::I16 => each(big, bytes, values, |raw| f64::from(i16::from_le_bytes(raw))),
        ElementType::U32 => each(big, bytes, values, |raw| f64::from(u32::from_le_bytes(raw))),
        ElementType::I32 => each(big, bytes, values, |raw| f64::from(i32::from_le_bytes(raw))),
        ElementType::U64 => each(big, bytes, values, |raw| u64::from_le_bytes(raw) as f64),
        ElementType::I64 => each(big, bytes, values, |raw| i64::from_le_bytes(raw) as f64),
        ElementType::F16 => each(big, bytes, values, |raw| half(u16::from_le_bytes(raw))),
        ElementType::F32 => each(big, bytes, values, |raw| f64::from(f32::from_le_bytes(raw))),
        ElementType::F64 => each(big, bytes, values, f64::from_le_bytes),
    }
}

/// Turns groups of `N` bytes into numbers.
fn each<const N: usize, T: Number>(
    big_endian: bool,
    bytes: &[u8],
    values: &mut Vec<T>,
    number: impl Fn([u8; N]) -> f64,
) {
    let (groups, _) = bytes.as_chunks::<N>();
    values.extend(groups.iter().map(|group| {
        let mut group = *group;
        if big_endian {
            group.reverse();
        }
        T::from_f64(number(group))
    }));
}

/// The value of an IEEE half-precision number.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f64::from(bits & 0x3ff);
    match i32::from(bits >> 10 & 0x1f) {
        0 => sign * fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        exponent => sign * (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

/// Reorders values whose first index runs fastest.
fn to_row_major<T: Number>(values: &[T], shape: &[usize]) -> Result<Vec<T>, Fault> {
    let mut ordered = Vec::new();
    ordered.try_reserve_exact(values.len()).map_err(|_| {
        Problem::TooLarge("needs more memory than there is to leave Fortran order".to_owned())
    })?;
    let mut index = vec![0; shape.len()];
    let mut position = 0;
    for _ in 0..values.len() {
        ordered.push(values[position]);
        // Counts up with the last index fastest; `position` follows in steps of the file's order.
        let mut stride = values.len();
        for (digit, &length) in index.iter_mut().zip(shape).rev() {
            stride /= length;
            *digit += 1;
            position += stride;
            if *digit < length {
                break;
            }
            position -= stride * length;
            *digit = 0;
        }
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(element: ElementType, shape: &[usize]) -> Layout {
        Layout { element, big_endian: false, fortran: false, shape: shape.to_vec() }
    }

    #[test]
    fn fortran_order_is_turned() {
        let mut layout = layout(ElementType::U8, &[2, 3, 2]);
        layout.fortran = true;
        let bytes: Vec<u8> = (0..12).collect();
        let block: Block<f32> = read_block(&mut bytes.as_slice(), &layout, None).unwrap();
        let expected = [0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11].map(|value| value as f32);
        assert_eq!(block.values, expected);
        let second: Block<f32> = read_block(&mut &bytes[..], &layout, Some(&(1..2))).unwrap();
        assert_eq!((second.shape, &second.values[..]), (vec![1, 3, 2], &expected[6..]));
    }

    #[test]
    fn halves_are_right() {
        let cases = [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2f64.powi(-24)),
            (0x3555, 0.333_251_953_125),
            (0xfc00, f64::NEG_INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn claims_beyond_the_bytes_are_errors_without_allocation() {
        let huge = layout(ElementType::F64, &[1_000_000_000_000, 1]);
        let error = read_block::<f32>(&mut [0; 100].as_slice(), &huge, None).unwrap_err();
        assert!(matches!(error.problem, Problem::Truncated { found: 100, .. }), "{error:?}");
        let absurd = layout(ElementType::F64, &[usize::MAX, 3]);
        let error = read_block::<f32>(&mut [0; 100].as_slice(), &absurd, None).unwrap_err();
        assert!(matches!(error.problem, Problem::TooLarge(_)), "{error:?}");
    }

    #[test]
    fn surplus_bytes_are_an_error() {
        let small = layout(ElementType::U16, &[3]);
        let error = read_block::<f32>(&mut [0; 7].as_slice(), &small, None).unwrap_err();
        assert!(matches!(error.problem, Problem::Trailing(6)), "{error:?}");
    }

    #[test]
    fn rows_are_a_range_of_the_first_dimension() {
        let table = layout(ElementType::U8, &[4, 2]);
        let bytes = [0, 1, 2, 3, 4, 5, 6, 7];
        let block: Block<f64> = read_block(&mut &bytes[..], &table, Some(&(1..3))).unwrap();
        assert_eq!((block.shape, block.values), (vec![2, 2], vec![2.0, 3.0, 4.0, 5.0]));
        let error = read_block::<f64>(&mut &bytes[..5], &table, Some(&(2..4))).unwrap_err();
        let Problem::Truncated { expected: 8, found: 5 } = error.problem else {
            panic!("{error:?}")
        };
        let error = read_block::<f64>(&mut &bytes[..], &table, Some(&(2..5))).unwrap_err();
        assert!(matches!(error.problem, Problem::Rows { available: 4, .. }), "{error:?}");
    }
}
