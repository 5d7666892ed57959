//! How a batch is cut into tiles: wide enough that weights are read for many samples at a time,
//! narrow enough that the buffers of a thread stay small.
//!
//! The cut is a function of plan, precision and batch alone, so results do not depend on threads.

use spn_ir::plan::Plan;

use crate::executable::Number;
use crate::kernels::input::TileRows;
use crate::rows::Rows;
use crate::workspace::{MAX_TILE, Purpose, TILE_STEP, workspace_rows};

/// Bytes that the buffers of one thread should not exceed. Only networks that exceed it with the
/// narrowest tiles, with some million rows, take more.
const BUDGET: usize = 64 << 20;

/// The widest tiles of an executable, in samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiles {
    inference: usize,
    flows: usize,
}

impl Tiles {
    pub(crate) fn new<E>(plan: &Plan) -> Self {
        let widest = |purpose| widest(workspace_rows(plan, purpose), size_of::<E>());
        Self { inference: widest(Purpose::Inference), flows: widest(Purpose::Flows) }
    }

    /// Samples of the tiles that a batch is cut into.
    pub(crate) fn width(&self, rows: usize, purpose: Purpose) -> usize {
        let widest = match purpose {
            Purpose::Inference => self.inference,
            Purpose::Flows => self.flows,
        };
        let halves = rows.div_ceil(2).next_multiple_of(TILE_STEP);
        halves.clamp(TILE_STEP, widest)
    }
}

/// The most samples for which this many rows of numbers of so many bytes are within the budget.
fn widest(rows: usize, bytes: usize) -> usize {
    let samples = BUDGET / rows.saturating_mul(bytes).max(1);
    (samples / TILE_STEP * TILE_STEP).clamp(TILE_STEP, MAX_TILE)
}

/// The rows of tile number `index`; a last tile is as wide as its rows need.
pub(crate) fn tile_rows<'a, E: Number>(
    rows: Rows<'a, E>,
    tile: usize,
    index: usize,
) -> TileRows<'a, E> {
    let first = index * tile;
    let count = tile.min(rows.len() - first);
    TileRows { rows, first, count, tile: count.next_multiple_of(TILE_STEP) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_as_wide_as_the_budget_allows() {
        let rows = BUDGET / size_of::<f32>() / MAX_TILE;
        assert_eq!(widest(1, 4), MAX_TILE);
        assert_eq!(widest(rows, 4), MAX_TILE);
        assert_eq!(widest(rows, 8), MAX_TILE / 2);
        assert_eq!(widest(rows + 1, 4), MAX_TILE - TILE_STEP);
        assert_eq!(widest(usize::MAX, 4), TILE_STEP);
    }

    #[test]
    fn small_batches_are_cut_in_two() {
        let tiles = Tiles { inference: MAX_TILE, flows: TILE_STEP };
        let width = |rows| tiles.width(rows, Purpose::Inference);
        assert_eq!([1, 32, 33, 96, 10_000].map(width), [16, 16, 32, 48, 64]);
        assert_eq!(tiles.width(10_000, Purpose::Flows), TILE_STEP);
    }
}
