//! Values and flows of the nodes that the compiler was asked to keep.

use crate::counting::Draws;
use crate::engine::{Signal, Wanted};
use crate::executable::Number;
use crate::kernels::dropout::Dropping;
use crate::workspace::{Purpose, Workspace};
use crate::{Counting, Executable, Rows, RunError, Statistics};

use super::counts::TileUses;

/// Which flows are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FlowOptions {
    /// What sample-wise normalisation looks at.
    pub statistics: Statistics,
    /// To which inputs of a sum a unit's flow goes.
    pub counting: Counting,
    /// Seed of ties and samples.
    pub seed: u64,
}

impl<E: Number> Executable<E> {
    /// Log values of the plan's outputs for each row: `[rows, units]`, where the units are those
    /// of all outputs one after the other.
    ///
    /// # Errors
    /// If the plan has no outputs, or the columns do not fit.
    pub fn output_values(
        &self,
        rows: Rows<'_, E>,
        statistics: Statistics,
    ) -> Result<Vec<E>, RunError> {
        let units = self.output_units(rows)?;
        let mut out = vec![E::ZERO; rows.len() * units];
        self.infer(rows, (statistics, None), (&mut out, units), |values, out| {
            self.copy_outputs(values.arena, values.offsets, values.tile, out);
        });
        Ok(out)
    }

    /// Flows of the plan's outputs for each row, `[rows, units]` as in
    /// [`output_values`](Self::output_values). Soft ones are derivatives of the log-likelihood with
    /// respect to the units' log values, which are posteriors of the units; the others are how often
    /// a unit is in the selected induced tree. Impossible evidence has flows 0.
    ///
    /// # Errors
    /// If the plan has no outputs, the columns do not fit or a probability is out of range.
    pub fn output_flows(
        &self,
        rows: Rows<'_, E>,
        options: FlowOptions,
    ) -> Result<Vec<E>, RunError> {
        let units = self.output_units(rows)?;
        let mut out = vec![E::ZERO; rows.len() * units];
        self.for_each_flow_tile(rows, options, &mut out, units, |tile, workspace, out| {
            let offsets = &self.plan().training.offsets;
            self.copy_outputs(&workspace.flows, offsets, tile, out);
        })?;
        Ok(out)
    }

    /// Runs forward and reverse on every tile, with flows of the log-likelihood, and calls `take`.
    pub(super) fn for_each_flow_tile<T: Send>(
        &self,
        rows: Rows<'_, E>,
        options: FlowOptions,
        out: &mut [T],
        each: usize,
        take: impl Fn(usize, &Workspace<E>, &mut [T]) + Sync,
    ) -> Result<(), RunError> {
        let rule = options.counting.rule(Draws { seed: options.seed, step: 0 })?;
        let engine = self.engine(Purpose::Flows, options.statistics, Dropping::Off, None);
        self.for_each_tile(rows, Purpose::Flows, out, each, |part, workspace, out| {
            E::forward(&engine, self.level(), part, workspace);
            let length = self.classes() * part.tile;
            let uses = TileUses {
                rule,
                labels: None,
                row_weights: None,
                tile: part.tile,
                first_row: part.first,
                joints: &workspace.joints[..length],
                total: &workspace.total,
                log_weights: self.root_log_weights(),
            };
            uses.seeds(self.level(), part.count, &mut workspace.seeds[..length]);
            let signal = Signal::Counts(rule);
            let quantities = None;
            #[rustfmt::skip]
            let wanted = Wanted {
                signal, quantities, first_writers: None, inputs: false, all_flows: true,
            };
            E::reverse(&engine, self.level(), part, workspace, wanted);
            take(part.tile, workspace, out);
        });
        Ok(())
    }

    fn output_units(&self, rows: Rows<'_, E>) -> Result<usize, RunError> {
        rows.check_columns(self.plan().variables as usize)?;
        if self.plan().outputs.is_empty() {
            return Err(RunError::NoOutputs);
        }
        Ok(self.plan().outputs.iter().map(|slot| self.plan().slots[slot.index()] as usize).sum())
    }

    /// Copies the rows of the outputs from a buffer of slots to `[samples, units]`.
    fn copy_outputs(&self, buffer: &[E], offsets: &[u32], tile: usize, out: &mut [E]) {
        let plan = self.plan();
        let rows = plan.outputs.iter().flat_map(|slot| {
            let first = offsets[slot.index()] as usize;
            first..first + plan.slots[slot.index()] as usize
        });
        let rows: Vec<usize> = rows.collect();
        for (sample, out) in out.chunks_exact_mut(rows.len()).enumerate() {
            for (out, row) in out.iter_mut().zip(&rows) {
                *out = buffer[row * tile + sample];
            }
        }
    }
}
