//! Sums over a batch that do not depend on the number of threads.
//!
//! The batch is cut into tiles, tiles into at most [`GROUPS`] groups; each group adds up its part,
//! then the groups are added in order. The cut depends on the batch alone.

use rayon::prelude::*;

use crate::executable::Number;
use crate::first_writers::FirstWriters;

/// The most buffers that exist at a time, and with that the most threads that are used.
const GROUPS: usize = 8;

/// Values of one parallel job: enough to be worth it.
const CHUNK: usize = 1 << 14;

/// A loss and what is added up for each quantity, of a part of a batch or all of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums<E> {
    pub(crate) loss: f64,
    pub(crate) quantities: Vec<Vec<E>>,
}

/// The groups of a batch. The buffers are used again for the next one.
#[derive(Clone, Debug)]
pub(crate) struct Groups<E> {
    groups: Vec<Sums<E>>,
}

impl<E> Default for Groups<E> {
    fn default() -> Self {
        Self { groups: vec![Sums { loss: 0.0, quantities: Vec::new() }] }
    }
}

/// One tile of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TileNumber {
    /// Samples of a tile.
    pub(crate) tile: usize,
    /// Which one.
    pub(crate) number: usize,
    /// Whether it is the first of its group.
    pub(crate) is_first: bool,
}

impl<E: Number> Groups<E> {
    /// Runs `each` on every tile of `tile` samples with the sums of its group and the tile's part of `inputs`, which
    /// has `columns` values for each row. `lengths` are those of the quantities' sums; with
    /// `first_writers`, the first tile of a group has to clear what has one. The total is
    /// then in [`total`](Self::total). To be called where parallel loops use the right threads.
    pub(crate) fn run(
        &mut self,
        (rows, tile): (usize, usize),
        (lengths, first_writers): (&[usize], Option<&FirstWriters>),
        (inputs, columns): (&mut [E], usize),
        each: impl Fn(TileNumber, &mut Sums<E>, &mut [E]) + Sync,
    ) {
        let tiles = rows.div_ceil(tile);
        let tiles_each = tiles.div_ceil(GROUPS).max(1);
        let count = tiles.div_ceil(tiles_each).max(1);
        self.groups.resize_with(count, Sums::default);
        let rows_each = tiles_each * tile;
        let mut parts: Vec<&mut [E]> = inputs.chunks_mut((rows_each * columns).max(1)).collect();
        parts.resize_with(count, Default::default);
        let jobs = self.groups.par_iter_mut().zip(parts).enumerate();
        jobs.for_each(|(index, (group, inputs))| {
            group.prepare(lengths, first_writers);
            let first = index * tiles_each;
            for number in first..tiles.min(first + tiles_each) {
                let at = ((number - first) * tile * columns).min(inputs.len());
                each(
                    TileNumber { tile, number, is_first: number == first },
                    group,
                    &mut inputs[at..],
                );
            }
        });
        self.reduce();
    }

    /// The sums of the whole batch.
    pub(crate) fn total(&mut self) -> &mut Sums<E> {
        &mut self.groups[0]
    }

    /// Adds all groups to the first one, in order.
    fn reduce(&mut self) {
        let Some((first, others)) = self.groups.split_first_mut() else { return };
        first.loss += others.iter().map(|group| group.loss).sum::<f64>();
        for (index, total) in first.quantities.iter_mut().enumerate() {
            total.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, total)| {
                for other in &*others {
                    let part = &other.quantities[index][chunk * CHUNK..][..total.len()];
                    total.iter_mut().zip(part).for_each(|(sum, value)| *sum += *value);
                }
            });
        }
    }
}

impl<E: Number> Sums<E> {
    /// Makes the buffers fit and sets to zero what has no first writer.
    fn prepare(&mut self, lengths: &[usize], first_writers: Option<&FirstWriters>) {
        self.loss = 0.0;
        self.quantities.resize_with(lengths.len(), Vec::new);
        for (index, (buffer, &length)) in self.quantities.iter_mut().zip(lengths).enumerate() {
            if let Some(writers) = first_writers {
                writers.prepare(index, length, buffer);
            } else {
                buffer.clear();
                buffer.resize(length, E::ZERO);
            }
        }
    }
}

/// `target ← target · factor`
pub(crate) fn scale_by<E: Number>(target: &mut [E], factor: &[E]) {
    let jobs = target.par_chunks_mut(CHUNK).zip(factor.par_chunks(CHUNK));
    jobs.for_each(|(target, factor)| {
        target.iter_mut().zip(factor).for_each(|(t, f)| *t *= *f);
    });
}
