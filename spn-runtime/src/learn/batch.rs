//! Batches: which rows a step looks at.
//!
//! In: the examples, a position in an epoch. Out: the examples of one step. The order of the rows
//! is a function of the seed and the epoch, so a training can be taken up anywhere.

use serde::{Deserialize, Serialize};
use spn_ir::random::uniform_at;

use super::Examples;
use crate::executable::Number;
use crate::{Rows, RunError};

/// How many rows a step looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Batch {
    /// So many, in a new random order in each epoch; 0 counts as 1. So many or fewer rows in all
    /// make a full batch.
    Rows(usize),
    /// All rows, in their own order, without a copy: one step an epoch.
    Full,
}

impl Batch {
    /// The size of a batch of `count` rows in all; `None` for a full one.
    fn size(self, count: usize) -> Option<usize> {
        match self {
            Self::Rows(size) if size < count => Some(size.max(1)),
            Self::Rows(_) | Self::Full => None,
        }
    }
}

/// Makes the batches of a training.
#[derive(Clone, Debug)]
pub(super) struct Batches<E> {
    size: Option<usize>,
    seed: u64,
    /// The epoch that `order` belongs to; epochs count from 1.
    epoch: usize,
    order: Vec<usize>,
    values: Vec<E>,
    labels: Vec<u32>,
    weights: Vec<E>,
}

impl<E: Number> Batches<E> {
    /// Batches of `count` rows.
    pub(super) fn new(batch: Batch, count: usize, seed: u64) -> Self {
        let (order, values, labels, weights) = Default::default();
        Self { size: batch.size(count), seed, epoch: 0, order, values, labels, weights }
    }

    /// How many batches an epoch over `count` rows has.
    pub(super) fn each_epoch(&self, count: usize) -> usize {
        self.size.map_or(1, |size| count.div_ceil(size))
    }

    /// Whether a batch can begin behind the first `rows` of `count` rows of an epoch.
    pub(super) fn can_begin(&self, rows: usize, count: usize) -> bool {
        rows == count || (rows < count && rows.is_multiple_of(self.size.unwrap_or(count)))
    }

    /// The batch that begins behind the first `first` rows of an epoch.
    pub(super) fn get<'b>(
        &'b mut self,
        examples: Examples<'b, E>,
        epoch: usize,
        first: usize,
    ) -> Result<Examples<'b, E>, RunError> {
        let Some(size) = self.size else { return Ok(examples) };
        if self.epoch != epoch {
            self.order = shuffled(examples.rows.len(), self.seed, epoch as u64);
            self.epoch = epoch;
        }
        let end = self.order.len().min(first + size);
        self.values.clear();
        self.labels.clear();
        self.weights.clear();
        for &row in &self.order[first..end] {
            copy_row(examples.rows, row, &mut self.values);
            self.labels.extend(examples.labels.map(|labels| labels[row]));
            self.weights.extend(examples.row_weights.map(|weights| weights[row]));
        }
        Ok(Examples {
            rows: Rows::new(&self.values, examples.rows.columns())?,
            labels: examples.labels.map(|_| self.labels.as_slice()),
            row_weights: examples.row_weights.map(|_| self.weights.as_slice()),
        })
    }
}

/// Appends a row; values hidden by a mask become NaN.
fn copy_row<E: Number>(rows: Rows<'_, E>, index: usize, values: &mut Vec<E>) {
    let row = rows.row(index);
    match rows.mask(index) {
        None => values.extend_from_slice(row),
        Some(mask) => {
            let masked = row.iter().zip(mask);
            values.extend(masked.map(|(value, seen)| if *seen { *value } else { E::NAN }));
        }
    }
}

/// A random order of `0..count` (Fisher and Yates), a function of seed and epoch.
fn shuffled(count: usize, seed: u64, epoch: u64) -> Vec<usize> {
    /// Keeps the order's random numbers apart from those of dropout layers.
    const STREAM: u32 = u32::MAX;
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let other = uniform_at(seed, STREAM, epoch, last as u64) * (last + 1) as f64;
        order.swap(last, (other as usize).min(last));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_every_row_once_and_differs_by_epoch() {
        let first = shuffled(100, 7, 1);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        assert_ne!(first, shuffled(100, 7, 2));
        assert_eq!(first, shuffled(100, 7, 1));
    }

    #[test]
    fn every_row_comes_with_its_label_and_weight_and_hidden_values_are_missing() {
        let values: Vec<f64> = (0..10).map(f64::from).collect();
        let labels: Vec<u32> = (0..10).collect();
        let seen: Vec<bool> = (0..10).map(|row| row % 2 == 0).collect();
        let examples = Examples {
            rows: Rows::new(&values, 1).and_then(|rows| rows.with_mask(&seen)).unwrap(),
            labels: Some(&labels),
            row_weights: Some(&values),
        };
        let mut batches = Batches::new(Batch::Rows(4), 10, 3);
        let mut found = Vec::new();
        for (first, length) in [(0, 4), (4, 4), (8, 2)] {
            assert!(batches.can_begin(first, 10) && !batches.can_begin(first + 1, 10));
            let batch = batches.get(examples, 1, first).unwrap();
            assert_eq!(batch.rows.len(), length);
            for row in 0..length {
                let label = batch.labels.unwrap()[row];
                assert_eq!(batch.row_weights.unwrap()[row], f64::from(label));
                let value = batch.rows.row(row)[0];
                assert!(if label % 2 == 0 { value == f64::from(label) } else { value.is_nan() });
                found.push(label);
            }
        }
        found.sort_unstable();
        assert_eq!(found, labels);
    }

    #[test]
    fn a_full_batch_is_the_rows_themselves() {
        let values = [1.0, 2.0, 3.0];
        let examples = Examples::new(Rows::new(&values, 1).unwrap());
        for batch in [Batch::Full, Batch::Rows(3), Batch::Rows(usize::MAX)] {
            let mut batches = Batches::new(batch, 3, 0);
            assert!(batches.can_begin(0, 3) && batches.can_begin(3, 3) && !batches.can_begin(1, 3));
            let batch = batches.get(examples, 1, 0).unwrap();
            assert_eq!(batch.rows.row(0).as_ptr(), values.as_ptr());
            assert_eq!(batch.rows.len(), 3);
        }
    }
}
