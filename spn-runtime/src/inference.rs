//! Forward passes over a batch: the one place that chooses how rows are run.
//!
//! Batches run as tiles with samples on the lanes; a few rows alone run with units on the lanes
//! ([`row`](crate::row)). The choice depends on the number of rows and the plan alone.

use rayon::prelude::*;

use crate::executable::Number;
use crate::kernels::dropout::Dropping;
use crate::kernels::scaled::root::Needed;
use crate::row::{RowEngine, RowRange};
use crate::workspace::{Purpose, slot_rows};
use crate::{Executable, Rows, Statistics};

/// The fewest rows that a thread is given.
const LEAST_ROWS: usize = 2;

/// What the forward pass found for a few rows. Unit `u` of sample `s` is at `u * tile + s`.
pub(crate) struct Values<'a, E> {
    /// Units of the slots.
    pub(crate) arena: &'a [E],
    /// Where slots begin.
    pub(crate) offsets: &'a [u32],
    /// Weighted children of the root.
    pub(crate) joints: &'a [E],
    /// Log-likelihoods, one for each sample.
    pub(crate) total: &'a [E],
    /// How many samples there are.
    pub(crate) tile: usize,
}

impl<E: Number> Executable<E> {
    /// Runs the forward pass over all rows, in parallel where it pays, and calls `take` with the
    /// values of some rows and their part of `out`, which has `each` values for each row. What must
    /// be certain in scaled arithmetic is said beside the statistics; `None` keeps values in
    /// logarithms.
    pub(crate) fn infer<T: Send>(
        &self,
        rows: Rows<'_, E>,
        (statistics, scaled): (Statistics, Option<Needed>),
        (out, each): (&mut [T], usize),
        take: impl Fn(Values<'_, E>, &mut [T]) + Sync,
    ) {
        if rows.len() <= self.row_limit {
            return self.infer_single_rows(rows, statistics, (out, each), take);
        }
        let engine = self.engine(Purpose::Inference, statistics, Dropping::Off, scaled);
        let offsets = self.plan().inference.offsets.as_slice();
        self.for_each_tile(rows, Purpose::Inference, out, each, |part, workspace, out| {
            E::forward(&engine, self.level(), part, workspace);
            let (arena, joints, total) = (&workspace.arena, &workspace.joints, &workspace.total);
            take(Values { arena, offsets, joints, total, tile: part.tile }, out);
        });
    }

    /// As [`infer`](Self::infer), for a few rows, each of which has its own values.
    fn infer_single_rows<T: Send>(
        &self,
        rows: Rows<'_, E>,
        statistics: Statistics,
        (out, each): (&mut [T], usize),
        take: impl Fn(Values<'_, E>, &mut [T]) + Sync,
    ) {
        let slots = slot_rows(self.plan());
        let engine =
            RowEngine { plan: self.plan(), constants: self.constants(), statistics, slots };
        let classes = self.classes();
        let run = |first: usize, out: &mut [T]| {
            self.with_row_workspace(|workspace| {
                let count = out.len() / each;
                let part = RowRange { rows, first, count };
                E::forward_rows(&engine, self.level(), part, workspace);
                for (row, out) in out.chunks_exact_mut(each).enumerate() {
                    let values = Values {
                        arena: &workspace.arena[row * slots..][..slots],
                        offsets: &engine.plan.training.offsets,
                        joints: &workspace.joints[row * classes..][..classes],
                        total: &workspace.total[row..=row],
                        tile: 1,
                    };
                    take(values, out);
                }
            });
        };
        // Fewer rows than this are done before another thread has woken up.
        let together = rows.len().div_ceil(self.threads()).max(LEAST_ROWS);
        if together >= rows.len() {
            return run(0, out);
        }
        self.install(|| {
            let parts = out.par_chunks_mut(together * each).enumerate();
            parts.for_each(|(index, out)| run(index * together, out));
        });
    }
}
