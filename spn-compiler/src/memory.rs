//! Memory planning: where every slot lives in the arena of a tile.
//!
//! For inference a slot's rows are free again after the last run that reads it, and later slots
//! take them (best fit). For training everything is kept, and behind the slots stand the rows
//! that sums keep for their reverse step.

use std::collections::{BTreeMap, BTreeSet};

use spn_ir::plan::{Memory, Run, SlotId, Step};

use crate::CompileError;

/// Plans for inference in this order: slots share memory when their lives do not overlap. `kept`
/// slots live to the end.
///
/// # Errors
/// If the arena would have more than 2^32 rows.
pub fn for_inference(
    steps: &[Step],
    order: &[Run],
    slots: &[u32],
    kept: &[SlotId],
) -> Result<Memory, CompileError> {
    let mut last_use = last_uses(steps, order, slots.len(), kept);
    let mut arena = Arena::default();
    let mut offsets = vec![0_u64; slots.len()];
    for (index, run) in order.iter().enumerate() {
        let step = &steps[run.step as usize];
        let writes = || run.instances().map(|instance| step.writes(instance));
        for slot in writes() {
            offsets[slot.index()] = arena.take(u64::from(slots[slot.index()]));
        }
        // Freed only now: a run must not write where it still reads.
        let reads = run.instances().flat_map(|instance| step.reads(instance)).copied();
        for slot in reads.chain(writes()) {
            if last_use[slot.index()] == index {
                // Only once, however often the run reads it.
                last_use[slot.index()] = usize::MAX;
                arena.give_back(offsets[slot.index()], u64::from(slots[slot.index()]));
            }
        }
    }
    Ok(Memory { offsets: narrow(&offsets)?, kept: Vec::new(), rows: row_count(arena.end)? })
}

/// Plans for training: every slot has its own rows, then those that sums keep.
///
/// # Errors
/// If the arena would have more than 2^32 rows.
pub fn for_training(steps: &[Step], slots: &[u32]) -> Result<Memory, CompileError> {
    let mut end = 0_u64;
    let mut advance = |rows: u64| {
        let start = end;
        end += rows;
        start
    };
    let offsets: Vec<u64> = slots.iter().map(|rows| advance(u64::from(*rows))).collect();
    let kept: Vec<u64> = steps
        .iter()
        .map(|step| match step {
            Step::SumProduct(step) => {
                let each = u64::from(step.inputs) + u64::from(step.width);
                advance(each * step.instances.len() as u64)
            }
            _ => advance(0),
        })
        .collect();
    Ok(Memory { offsets: narrow(&offsets)?, kept: narrow(&kept)?, rows: row_count(end)? })
}

/// Index of the last run that reads each slot, or writes it if nobody does; `usize::MAX` for kept
/// ones.
fn last_uses(steps: &[Step], order: &[Run], slots: usize, kept: &[SlotId]) -> Vec<usize> {
    let mut last = vec![0; slots];
    for (index, run) in order.iter().enumerate() {
        let step = &steps[run.step as usize];
        for instance in run.instances() {
            last[step.writes(instance).index()] = index;
            step.reads(instance).iter().for_each(|slot| last[slot.index()] = index);
        }
    }
    for slot in kept {
        last[slot.index()] = usize::MAX;
    }
    last
}

fn narrow(rows: &[u64]) -> Result<Vec<u32>, CompileError> {
    rows.iter().map(|&row| row_count(row)).collect()
}

fn row_count(rows: u64) -> Result<u32, CompileError> {
    u32::try_from(rows).map_err(|_| CompileError::TooLarge { rows })
}

/// A best-fit allocator of rows; neighbouring free ranges are joined.
#[derive(Default)]
struct Arena {
    end: u64,
    by_start: BTreeMap<u64, u64>,
    by_length: BTreeSet<(u64, u64)>,
}

impl Arena {
    fn take(&mut self, rows: u64) -> u64 {
        let Some(&(length, start)) = self.by_length.range((rows, 0)..).next() else {
            let start = self.end;
            self.end += rows;
            return start;
        };
        self.remove(start, length);
        if length > rows {
            self.insert(start + rows, length - rows);
        }
        start
    }

    fn give_back(&mut self, mut start: u64, mut length: u64) {
        if let Some((&before, &rows)) = self.by_start.range(..start).next_back()
            && before + rows == start
        {
            self.remove(before, rows);
            (start, length) = (before, length + rows);
        }
        if let Some(&rows) = self.by_start.get(&(start + length)) {
            self.remove(start + length, rows);
            length += rows;
        }
        self.insert(start, length);
    }

    fn insert(&mut self, start: u64, length: u64) {
        self.by_start.insert(start, length);
        self.by_length.insert((length, start));
    }

    fn remove(&mut self, start: u64, length: u64) {
        self.by_start.remove(&start);
        self.by_length.remove(&(length, start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_neighbours_join() {
        let mut arena = Arena::default();
        let (a, b, c) = (arena.take(4), arena.take(4), arena.take(4));
        arena.give_back(a, 4);
        arena.give_back(c, 4);
        arena.give_back(b, 4);
        assert_eq!(arena.take(12), 0);
        assert_eq!(arena.end, 12);
    }

    #[test]
    fn the_smallest_hole_that_fits_is_taken() {
        let mut arena = Arena::default();
        let (large, _, small, _) = (arena.take(8), arena.take(1), arena.take(3), arena.take(1));
        arena.give_back(large, 8);
        arena.give_back(small, 3);
        assert_eq!(arena.take(2), small);
        assert_eq!(arena.take(7), large);
    }
}
