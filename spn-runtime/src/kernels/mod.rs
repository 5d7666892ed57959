//! Kernels: what one step of a plan does to one tile, forward and in reverse.
//!
//! Every kernel is written once over lanes (samples lie on the lanes), in a file named after what
//! it computes, its reverse beside it. Rows are `tile` samples long; row `r` of a buffer is
//! `[r * tile .. (r + 1) * tile]`.

pub(crate) mod dropout;
pub(crate) mod input;
pub(crate) mod leaf;
pub(crate) mod max_product;
pub(crate) mod product;
pub(crate) mod root;
pub(crate) mod scaled;
pub(crate) mod selection;
pub(crate) mod sum_product;

use spn_ir::PickTable;
use spn_ir::plan::SlotId;

/// Log values below this are treated as log 0; no finite likelihood comes near it.
pub(crate) const LOG_ZERO: f64 = -1e37;

/// What kernels need to find rows: the tables of the plan, slot positions and the tile.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Pick tables of the plan.
    pub(crate) tables: &'a [PickTable],
    /// First row of each slot.
    pub(crate) offsets: &'a [u32],
    /// Samples in a row.
    pub(crate) tile: usize,
}

impl Place<'_> {
    /// Index of the first value of a slot's row.
    #[inline(always)]
    pub(crate) fn at(&self, slot: SlotId, row: usize) -> usize {
        (self.offsets[slot.index()] as usize + row) * self.tile
    }
}
