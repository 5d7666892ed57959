//! IDX files, the format of the MNIST data set.
//!
//! In: a stream that begins with two zero bytes, a type byte and the number of dimensions. Out: the
//! array. After these four bytes stand the lengths of the dimensions and then the values, all with the
//! most significant byte first.

use std::io::{self, Read};
use std::ops::Range;

use super::array::{Block, ElementType, Layout, Number, read_block};
use super::error::{Fault, Place, Problem};

/// Whether a file begins as an IDX file does.
pub(super) fn is_idx(head: &[u8]) -> bool {
    matches!(head, [0, 0, kind, 1..=255, ..] if element_type(*kind).is_some())
}

/// Reads an array, or a range of its first dimension.
pub(super) fn read<T: Number>(
    source: &mut dyn Read,
    rows: Option<&Range<usize>>,
) -> Result<Block<T>, Fault> {
    let layout = read_header(source).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            Fault::from(Problem::Header("the file ends within it".to_owned()))
        }
        _ => error.into(),
    })?;
    let layout = layout
        .ok_or_else(|| Problem::Header("the type of the values is unknown".to_owned()))
        .map_err(|problem| problem.at(Place::Byte(2)))?;
    read_block(source, &layout, rows)
}

/// Reads up to the first value; nothing if the type of the values is unknown.
fn read_header(source: &mut dyn Read) -> io::Result<Option<Layout>> {
    let mut start = [0; 4];
    source.read_exact(&mut start)?;
    let Some(element) = element_type(start[2]) else { return Ok(None) };
    let mut shape = Vec::new();
    for _ in 0..start[3] {
        let mut length = [0; 4];
        source.read_exact(&mut length)?;
        // 32 bits always fit the `usize` of the machines this program is for.
        shape.push(u32::from_be_bytes(length) as usize);
    }
    Ok(Some(Layout { element, big_endian: true, fortran: false, shape }))
}

fn element_type(kind: u8) -> Option<ElementType> {
    Some(match kind {
        0x08 => ElementType::U8,
        0x09 => ElementType::I8,
        0x0b => ElementType::I16,
        0x0c => ElementType::I32,
        0x0d => ElementType::F32,
        0x0e => ElementType::F64,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mutate;

    const IMAGES: &[u8] =
        &[0, 0, 0x0b, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0xff, 0xff, 1, 0, 0, 5];

    #[test]
    fn images_are_read() {
        assert!(is_idx(IMAGES) && !is_idx(b"\0\0\x0a\x01") && !is_idx(b"0,1,"));
        let block: Block<f32> = read(&mut &*IMAGES, None).unwrap();
        assert_eq!((block.shape, block.values), (vec![2, 1, 2], vec![1.0, -1.0, 256.0, 5.0]));
        let block: Block<f32> = read(&mut &*IMAGES, Some(&(1..2))).unwrap();
        assert_eq!((block.shape, block.values), (vec![1, 1, 2], vec![256.0, 5.0]));
    }

    #[test]
    fn a_short_header_is_told() {
        let error = read::<f32>(&mut &IMAGES[..9], None).unwrap_err();
        assert!(error.in_file("a").to_string().contains("ends within"));
    }

    #[test]
    fn claims_are_not_believed() {
        let mut huge = IMAGES.to_vec();
        huge[4..16].fill(0xff);
        let error = read::<f32>(&mut huge.as_slice(), None).unwrap_err();
        assert!(matches!(error.problem, Problem::TooLarge(_)), "{error:?}");
    }

    #[test]
    fn damaged_files_never_panic() {
        mutate::each(IMAGES, |bytes| {
            let _ = read::<f32>(&mut &bytes[..], None);
            let _ = read::<f64>(&mut &bytes[..], Some(&(0..1)));
        });
    }
}
