//! Which digits are trained on and which are held out.
//!
//! In: all digits and a seed. Out: four fifths of each class to train on, one fifth to measure on,
//! both in random order. For the classifier each digit to train on comes five times, also nudged up,
//! down, left and right by a part of a pixel, so that it learns strokes and not where the grid cut
//! them; what it is measured on stays as it is. The split is random and stratified, so both parts come from all 13 writers:
//! the figures are for new digits of known writers. (A split by position holds out whole writers
//! and is harder; scikit-learn's users know both.)

use spn_ir::random::uniform_at;

use crate::data::Table;
use crate::prepared::Rows;
use crate::training::Examples;

/// One of so many digits of a class is held out.
const HELD_OUT: usize = 5;
/// Keeps the split's random numbers apart from those of training.
const STREAM: u32 = u32::MAX - 1;
/// How far digits are nudged, in pixels.
const NUDGE: f32 = 0.4;
/// Where to: rows down, columns to the right.
const DIRECTIONS: [(isize, isize); 4] = [(0, 1), (1, 0), (0, -1), (-1, 0)];

/// Digits to train on and digits to measure on.
pub(super) struct Split {
    /// The shape of one image.
    pub(super) shape: Vec<usize>,
    /// What is trained on.
    pub(super) train: Examples<f32>,
    /// The same, each digit also nudged.
    pub(super) nudged: Examples<f32>,
    /// What is held out.
    pub(super) test: Examples<f32>,
}

impl Split {
    /// Splits the digits, a function of the seed alone.
    pub(super) fn new(images: &Table, labels: &[u32], seed: u64) -> Self {
        let mut order: Vec<usize> = (0..images.rows.min(labels.len())).collect();
        for last in (1..order.len()).rev() {
            let other = uniform_at(seed, STREAM, 0, last as u64) * (last + 1) as f64;
            order.swap(last, (other as usize).min(last));
        }
        let classes = labels.iter().map(|label| *label as usize + 1).max().unwrap_or(0);
        let mut totals = vec![0_usize; classes];
        labels.iter().for_each(|label| totals[*label as usize] += 1);
        let mut taken = vec![0_usize; classes];
        let (test, train): (Vec<usize>, Vec<usize>) = order.into_iter().partition(|row| {
            let class = labels[*row] as usize;
            taken[class] += 1;
            taken[class] <= totals[class] / HELD_OUT
        });
        let shape = images.shape.clone();
        let test = examples(images, labels, &test);
        let train = examples(images, labels, &train);
        let nudged = with_nudged(&train, &shape);
        Self { shape, train, nudged, test }
    }
}

fn examples(images: &Table, labels: &[u32], rows: &[usize]) -> Examples<f32> {
    let values = rows.iter().filter_map(|row| images.row(*row)).flatten().copied().collect();
    Examples {
        rows: Rows { values, columns: images.columns },
        labels: Some(rows.iter().map(|row| labels[*row]).collect()),
        row_weights: None,
    }
}

/// The digits and, for each direction, the digits nudged there.
fn with_nudged(examples: &Examples<f32>, shape: &[usize]) -> Examples<f32> {
    let Rows { values, columns } = &examples.rows;
    let &[height, width] = shape else { return examples.clone() };
    let mut all = values.clone();
    for (down, right) in DIRECTIONS {
        for image in values.chunks_exact(*columns) {
            let pixel = |row: usize, column: usize| {
                let row = row.checked_add_signed(-down).filter(|row| *row < height)?;
                let column = column.checked_add_signed(-right).filter(|c| *c < width)?;
                image.get(row * width + column).copied()
            };
            all.extend(image.iter().enumerate().map(|(at, value)| {
                let neighbour = pixel(at / width, at % width).unwrap_or(0.0);
                value * (1.0 - NUDGE) + neighbour * NUDGE
            }));
        }
    }
    let labels = examples.labels.as_ref().map(|labels| labels.repeat(1 + DIRECTIONS.len()));
    Examples { rows: Rows { values: all, columns: *columns }, labels, row_weights: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits;

    #[test]
    fn a_fifth_of_each_class_is_held_out_and_the_seed_decides_which() {
        let (images, labels) = digits().unwrap();
        let split = Split::new(&images, &labels, 7);
        let (train, test) = (split.train.labels.unwrap(), split.test.labels.unwrap());
        assert_eq!((train.len(), test.len()), (1442, 355));
        assert_eq!(split.nudged.labels.map(|labels| labels.len()), Some(5 * 1442));
        for class in 0..10 {
            let count = |labels: &[u32]| labels.iter().filter(|label| **label == class).count();
            assert_eq!(count(&test), (count(&train) + count(&test)) / HELD_OUT, "{class}");
        }
        assert_eq!(split.test.rows.values.len(), 355 * 64);
        let again = Split::new(&images, &labels, 7);
        assert_eq!(again.test.rows.values, split.test.rows.values);
        assert_ne!(Split::new(&images, &labels, 8).test.labels, again.test.labels);
    }

    #[test]
    fn nudging_moves_ink_and_lets_it_fall_off_the_edge() {
        let rows = Rows { values: vec![10.0, 0.0, 0.0, 0.0], columns: 4 };
        let nudged =
            with_nudged(&Examples { rows, labels: Some(vec![3]), row_weights: None }, &[2, 2]);
        let (stays, moves) = (10.0 * (1.0 - NUDGE), 10.0 * NUDGE);
        assert_eq!(nudged.rows.values[4..8], [stays, moves, 0.0, 0.0]);
        assert_eq!(nudged.rows.values[12..16], [stays, 0.0, 0.0, 0.0]);
        assert_eq!(nudged.labels, Some(vec![3; 5]));
    }
}
