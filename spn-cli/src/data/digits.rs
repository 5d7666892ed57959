//! The data set that ships with the program: 1,797 handwritten digits of 8 x 8 pixels.
//!
//! In: nothing. Out: the images, with values from 0 (paper) to 16 (ink), and their labels 0 to 9, in
//! the order of the file, which is that of scikit-learn's `load_digits`. `assets/README.md` says where
//! they come from and how the two embedded files were made.

use std::io::Read;

use flate2::read::GzDecoder;

use super::array::{Block, Number};
use super::error::Fault;
use super::{DataError, Table, idx, labels};

const IMAGES: &[u8] = include_bytes!("../../assets/digits-images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../../assets/digits-labels-idx1-ubyte.gz");

/// The images, as a table of 64 columns, and the labels.
///
/// The rows come as in the file: digits of 13 writers, not shuffled. Who splits them by position
/// (scikit-learn's examples do, or shuffle with a seed) tests on other writers than were trained on.
///
/// # Errors
///
/// None in a program that was built whole: a test reads the data.
///
/// ```
/// let (images, labels) = spn_cli::data::digits()?;
/// assert_eq!((images.rows, &images.shape[..], labels[9]), (1797, &[8, 8][..], 9));
/// # Ok::<(), spn_cli::data::DataError>(())
/// ```
pub fn digits() -> Result<(Table, Vec<u32>), DataError> {
    let read = || {
        let images = Table::from_block(embedded(IMAGES)?)?;
        Ok((images, labels(embedded(LABELS)?, 0)?))
    };
    read().map_err(|fault: Fault| fault.in_file("the embedded digits"))
}

/// Decompresses and reads an embedded IDX file.
fn embedded<T: Number>(compressed: &[u8]) -> Result<Block<T>, Fault> {
    let mut bytes = Vec::new();
    GzDecoder::new(compressed).read_to_end(&mut bytes)?;
    idx::read(&mut bytes.as_slice(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_are_those_of_scikit_learn() {
        let (images, labels) = digits().unwrap();
        assert_eq!((images.rows, images.columns, images.shape.as_slice()), (1797, 64, &[8, 8][..]));
        assert_eq!(labels.len(), 1797);
        // Facts of `load_digits()`: the first row of the first image, the sum of all pixels, the
        // number of images of each class, and a sum that depends on the order of pixels and images.
        assert_eq!(images.values[..8], [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0]);
        let exact = |value: &f32| *value as u64;
        assert_eq!(images.values.iter().map(exact).sum::<u64>(), 561_718);
        let ordered = images.values.iter().enumerate();
        let ordered: u64 = ordered.map(|(at, value)| exact(value) * (at as u64 % 10_007)).sum();
        assert_eq!(ordered, 2_746_528_560);
        let count = |class| labels.iter().filter(|&&label| label == class).count();
        let counts: Vec<usize> = (0..10).map(count).collect();
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        assert_eq!(labels[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(labels[1791..], [4, 9, 0, 8, 9, 8]);
    }
}
