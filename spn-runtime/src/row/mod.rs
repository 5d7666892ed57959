//! Single rows: a few samples through the whole plan with units on the lanes.
//!
//! In: a plan, its constants and a few rows. Out: for each row the values of the slots, its joints
//! and its log-likelihood, in a [`RowWorkspace`].
//!
//! A tile needs a register full of samples to pay. Here every row has an arena of its own whose
//! rows are one number wide, so that the units of a block lie next to each other. Each kernel has a
//! file, as among the kernels of tiles, with the same numbers and the same rules; only the forward
//! pass exists. A sum is a matrix-vector product, whose time is that of reading its weights; up to
//! [`MAX_ROWS`] rows share one reading. Rows do not influence each other, and their results do not
//! depend on how many run together.

mod gather;
mod leaf;
mod limit;
mod root;
mod sum_product;
#[cfg(test)]
mod tests;
mod workspace;

pub(crate) use limit::row_limit;
pub(crate) use workspace::RowWorkspace;

use spn_ir::plan::{Plan, SlotId, Step};

use crate::constants::Constants;
use crate::kernels::input::{self, SampleStatistics, TileRows};
use crate::simd::{Element, Isa, Level, dispatch};
use crate::{Rows, Statistics};

/// The most rows that are run together, whatever the plan.
pub(crate) const MAX_ROWS: usize = 8;

/// What rows are run with.
#[derive(Clone, Copy)]
pub(crate) struct RowEngine<'a, E> {
    pub(crate) plan: &'a Plan,
    pub(crate) constants: &'a Constants<E>,
    pub(crate) statistics: Statistics,
    /// Rows of all slots. Each has its own, at the offsets of the training memory: whole steps run
    /// one after the other, for which the inference memory is not planned.
    pub(crate) slots: usize,
}

/// A part of a batch.
#[derive(Clone, Copy)]
pub(crate) struct RowRange<'a, E> {
    pub(crate) rows: Rows<'a, E>,
    /// First row of the part.
    pub(crate) first: usize,
    /// How many rows it has, at most [`MAX_ROWS`].
    pub(crate) count: usize,
}

/// The entrance for one precision, a plain function for the reason that
/// [`engine::Entrances`](crate::engine::Entrances) gives.
pub(crate) trait RowEntrance: Element {
    /// Runs the rows with the instructions of `level`.
    fn forward_rows(
        engine: &RowEngine<'_, Self>,
        level: Level,
        rows: RowRange<'_, Self>,
        workspace: &mut RowWorkspace<Self>,
    );
}

macro_rules! entrance {
    ($real:ty) => {
        impl RowEntrance for $real {
            fn forward_rows(
                engine: &RowEngine<'_, Self>,
                level: Level,
                rows: RowRange<'_, Self>,
                workspace: &mut RowWorkspace<Self>,
            ) {
                dispatch!(level, isa => engine.forward(isa, rows, workspace));
            }
        }
    };
}

entrance!(f32);
entrance!(f64);

impl<E: Element> RowEngine<'_, E> {
    /// Loads the rows and runs every step and the root.
    #[inline(always)]
    fn forward<I: Isa>(&self, isa: I, part: RowRange<'_, E>, workspace: &mut RowWorkspace<E>) {
        let plan = self.plan;
        workspace.fit(plan, part.count);
        let variables = plan.variables as usize;
        for row in 0..part.count {
            let tile = TileRows { rows: part.rows, first: part.first + row, count: 1, tile: 1 };
            let mut samples = SampleStatistics { mean: &mut [0.0], deviation: &mut [0.0] };
            let inputs = &mut workspace.inputs[row * variables..][..variables];
            input::load(tile, plan.normalisation.as_ref(), self.statistics, &mut samples, inputs);
        }
        for index in 0..plan.steps.len() {
            self.step(isa, index, part.count, workspace);
        }
        for row in 0..part.count {
            root::forward(isa, self, row, workspace);
        }
    }

    #[inline(always)]
    fn step<I: Isa>(&self, isa: I, index: usize, count: usize, workspace: &mut RowWorkspace<E>) {
        let (variables, slots) = (self.plan.variables as usize, self.slots);
        let RowWorkspace { inputs, arena, linear, .. } = workspace;
        let arena = &mut arena[..count * slots];
        match &self.plan.steps[index] {
            Step::SumProduct(step) => {
                sum_product::forward(isa, self, (index, step), workspace, count);
            }
            Step::Leaf(step) => {
                let constants = &self.constants.leaves[index];
                let rows = inputs.chunks_exact(variables).zip(arena.chunks_exact_mut(slots));
                for (inputs, values) in rows {
                    leaf::forward(isa, step, constants, &self.plan.training, inputs, values);
                }
            }
            Step::Product(step) => {
                for values in arena.chunks_exact_mut(slots) {
                    gather::forward(isa, self, step, values, linear);
                }
            }
            // Outside training dropout is a copy.
            Step::Dropout(step) => {
                for values in arena.chunks_exact_mut(slots) {
                    for (from, to, _) in &step.instances {
                        let rows = self.plan.slots[to.index()] as usize;
                        let (from, to) = (self.at(*from), self.at(*to));
                        values.copy_within(from..from + rows, to);
                    }
                }
            }
        }
    }

    /// Index of the first unit of a slot in a row's arena.
    #[inline(always)]
    fn at(&self, slot: SlotId) -> usize {
        self.plan.training.offsets[slot.index()] as usize
    }
}

/// `ln Σ exp(x)`; log 0 if every `x` is.
fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + values.map(|x| (x - largest).exp()).sum::<f64>().ln()
}
