//! Most probable explanations: the missing values that are most probable together with the observed ones.
//!
//! In: rows with missing values. Out: completed rows and the log value of the best induced tree of each.
//! Upwards sums take their largest input and leaves their mode; downwards the winners are followed
//! (max-product, Poon and Domingos 2011). In a deterministic network one tree alone has a value for a
//! complete row, so this is the most probable completion and its log-probability. Elsewhere finding that
//! is NP-hard, and this is an approximation: the completion of the best single tree, whose log value is a
//! lower bound of the completion's log-likelihood.

use spn_ir::plan::LeafStep;

use super::induced_tree::{Choose, Stack, SumUnit};
use super::units::{InputUnits, restore_observed};
use crate::distribution::Component;
use crate::engine::Engine;
use crate::executable::Number;
use crate::kernels::dropout::Dropping;
use crate::kernels::{LOG_ZERO, Place};
use crate::simd::Real;
use crate::workspace::{Purpose, Workspace};
use crate::{Executable, Rows, RunError, Statistics};

/// Most probable completions of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct MostProbable<E> {
    /// `[rows, variables]`, of several explanations `[rows, k, variables]`: observed values as they were given, missing ones filled in. A value whose
    /// evidence is impossible, or which no leaf reads, stays NaN.
    pub values: Vec<E>,
    /// The natural logarithm of the value of each explanation's induced tree, densities of normalised
    /// values where the network normalises. Impossible evidence gives -inf.
    pub log_values: Vec<E>,
    /// Whether completions are the most probable ones for certain: the network is deterministic, see
    /// [`Executable::is_deterministic`]. Otherwise they are approximate.
    pub exact: bool,
}

impl<E: Number> Executable<E> {
    /// The most probable completion of each row by max-product. Of several equally probable ones the
    /// first, in the order of the network's inputs.
    ///
    /// # Errors
    /// If the columns do not fit, the plan is no valid network (see [`RunError::NeedsValidNetwork`]), or it
    /// standardises each row by itself and a row has nothing observed.
    pub fn mpe(
        &self,
        rows: Rows<'_, E>,
        statistics: Statistics,
    ) -> Result<MostProbable<E>, RunError> {
        let query = "the most probable explanation";
        let variables = self.plan().variables as usize;
        rows.check_columns(variables)?;
        let trees = self.induced_trees(query)?;
        self.check_units(query, rows)?;
        let constants = self.max_constants();
        let engine = self.engine(Purpose::Flows, statistics, Dropping::Off, None);
        let each = variables + 1;
        let mut out = vec![<E as Real>::NAN; rows.len() * each];
        self.for_each_tile(rows, Purpose::Flows, &mut out, each, |part, tile, out| {
            E::forward_max(&engine, self.level(), part, constants, tile);
            let mut stack = Stack::new();
            for (sample, out) in out.chunks_exact_mut(each).enumerate() {
                let (log_value, out) = (tile.total[sample], &mut out[..each]);
                let [out @ .., last] = out else { continue };
                *last = log_value;
                if log_value.to_f64() >= LOG_ZERO {
                    let place = engine.place(part.tile);
                    let units = InputUnits::new(self, tile);
                    let tile = &*tile;
                    let mut best = Best { engine: &engine, place, tile, sample, units, out };
                    trees.walk(self.plan(), &mut stack, &mut best);
                }
                restore_observed(rows, part.first + sample, out.iter_mut().zip(0..));
            }
        });
        let log_values = out.iter().skip(variables).step_by(each).copied().collect();
        let values = out.chunks_exact(each).flat_map(|row| &row[..variables]).copied().collect();
        Ok(MostProbable { values, log_values, exact: self.is_deterministic() })
    }
}

/// Follows the winners of one sample.
struct Best<'a, E> {
    engine: &'a Engine<'a, E>,
    place: Place<'a>,
    tile: &'a Workspace<E>,
    sample: usize,
    units: InputUnits<'a>,
    out: &'a mut [E],
}

impl<E: Number> Choose for Best<'_, E> {
    fn joint(&mut self) -> usize {
        let count = self.engine.plan.root.inputs as usize;
        let joints = self.tile.joints.iter().skip(self.sample).step_by(self.place.tile);
        let total = self.tile.total[self.sample];
        joints.take(count).position(|joint| *joint == total).unwrap_or(0)
    }

    fn input(&mut self, SumUnit { step, instance, unit }: SumUnit) -> usize {
        let block = self.engine.block(self.place, step, instance);
        let (inputs, width) = (block.inputs(), block.width());
        let kept = self.engine.plan.training.kept[step] as usize;
        let row = kept + instance * (inputs + width) + inputs + unit;
        self.tile.arena[row * self.place.tile + self.sample].to_f64() as usize
    }

    fn leaf(&mut self, (step, index): (&LeafStep, usize), component: usize) {
        let dimensions = step.dimensions as usize;
        for dimension in 0..dimensions {
            let variable = step.variables[index * dimensions + dimension].index();
            let place = (component, dimension);
            let quantities = &self.engine.constants.quantities;
            let mode = Component::new((step, index), place, quantities).mode();
            self.out[variable] = E::from_f64(self.units.value(mode, variable, self.sample));
        }
    }
}
