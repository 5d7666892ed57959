//! Samples, given what is observed of each row.
//!
//! In: rows with missing values. Out: samples of the missing values. One forward pass computes how
//! probable each unit is given the evidence; then each sample walks down one induced tree, choosing an
//! input of each sum by its posterior, and draws from the leaves it ends in (ancestral sampling). A
//! sample costs its path, not the circuit. Where many samples of a row are drawn, running sums of the
//! posteriors of all units are made first ([`tables`]), else posteriors are computed where a walk comes
//! by ([`posterior`]).
//!
//! Random numbers are counted from the start of each sample, whose stream is a function of the seed, the
//! row and the number of the sample: samples depend neither on threads nor on how rows are batched.

mod posterior;
mod tables;

use rayon::prelude::*;

use super::induced_tree::{Choose, InducedTrees, Stack, SumUnit};
use super::units::{InputUnits, restore_observed};
use crate::distribution::{Component, RandomNumbers};
use crate::engine::Engine;
use crate::error::{check_length, require};
use crate::executable::Number;
use crate::kernels::LOG_ZERO;
use crate::kernels::dropout::Dropping;
use crate::kernels::input::TileRows;
use crate::simd::Real;
use crate::workspace::{Purpose, TILE_STEP, Workspace};
use crate::{Executable, Rows, RunError, Statistics};
use posterior::Posteriors;
use spn_ir::plan::LeafStep;
use tables::Tables;

/// The stream of samples, apart from those of training.
const STREAM: u32 = u32::MAX - 16;

/// From so many samples of a row on, tables pay.
const TABLES_PAY: usize = 64;

/// Samples of one parallel job.
const CHUNK: usize = 256;

/// How to draw samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleOptions<'a> {
    /// The seed.
    pub seed: u64,
    /// A seed for each row instead: then a row's samples do not depend on its place in the batch.
    pub row_seeds: Option<&'a [u64]>,
    /// 1 draws from the distribution. Lower ones prefer what is probable, higher ones what is not: inputs
    /// of sums, states and values of leaves are drawn in proportion to their (posterior) probabilities to
    /// the power `1 / temperature`; the scale of a Cauchy leaf is multiplied by the temperature.
    pub temperature: f64,
    /// What sample-wise normalisation looks at.
    pub statistics: Statistics,
}

impl Default for SampleOptions<'_> {
    fn default() -> Self {
        let statistics = Statistics::default();
        Self { seed: 0, row_seeds: None, temperature: 1.0, statistics }
    }
}

impl<E: Number> Executable<E> {
    /// Draws `count` samples from the network: `[count, variables]`, row-major, in the units of the input.
    /// A variable that no leaf reads is NaN.
    ///
    /// # Errors
    /// If the plan is no valid network (see [`RunError::NeedsValidNetwork`]), standardises each row by
    /// itself, or an option is out of range.
    pub fn sample(&self, count: usize, options: SampleOptions<'_>) -> Result<Vec<E>, RunError> {
        let nothing = vec![<E as Real>::NAN; self.plan().variables as usize];
        let row = Rows::new(&nothing, nothing.len().max(1))?;
        self.sample_given(row, count, options)
    }

    /// Draws `each` samples of the missing values of each row given its observed ones:
    /// `[rows, each, variables]`, row-major, in the units of the input. Observed values come back as they
    /// were given. Where the evidence is impossible, missing values stay NaN. A network that normalises
    /// rows by themselves keeps the mean and deviation of what is observed.
    ///
    /// # Errors
    /// As [`sample`](Self::sample), or if columns or row seeds do not fit.
    pub fn sample_given(
        &self,
        rows: Rows<'_, E>,
        each: usize,
        options: SampleOptions<'_>,
    ) -> Result<Vec<E>, RunError> {
        let variables = self.plan().variables as usize;
        rows.check_columns(variables)?;
        let SampleOptions { row_seeds, temperature, statistics, .. } = options;
        let positive = temperature > 0.0 && temperature.is_finite();
        require(positive, "the temperature", temperature, "greater than 0 and finite")?;
        if let Some(seeds) = row_seeds {
            check_length("the row seeds", seeds.len(), rows.len())?;
        }
        let trees = self.induced_trees("sampling")?;
        self.check_units("sampling", rows)?;
        let mut out = missing(rows.len(), each, variables)?;
        if out.is_empty() {
            return Ok(out);
        }
        let engine = self.engine(Purpose::Flows, statistics, Dropping::Off, None);
        let sampling = Sampling { executable: self, engine, trees, rows, options, each };
        if each >= TABLES_PAY {
            let rows = out.chunks_exact_mut(each * variables).enumerate();
            rows.for_each(|(row, out)| sampling.many_of_row(row, out));
            return Ok(out);
        }
        self.for_each_tile(rows, Purpose::Flows, &mut out, each * variables, |part, tile, out| {
            sampling.few_of_rows(part, tile, out);
        });
        Ok(out)
    }
}

/// Room for samples, all missing.
fn missing<E: Number>(rows: usize, each: usize, variables: usize) -> Result<Vec<E>, RunError> {
    let too_many = RunError::TooManySamples { rows, each };
    let values = rows.checked_mul(each).and_then(|samples| samples.checked_mul(variables));
    let mut out = Vec::new();
    let length = values.ok_or_else(|| too_many.clone())?;
    out.try_reserve_exact(length).map_err(|_| too_many)?;
    out.resize(length, <E as Real>::NAN);
    Ok(out)
}

/// A call.
struct Sampling<'a, E> {
    executable: &'a Executable<E>,
    engine: Engine<'a, E>,
    trees: &'a InducedTrees,
    rows: Rows<'a, E>,
    options: SampleOptions<'a>,
    each: usize,
}

impl<E: Number> Sampling<'_, E> {
    /// The random numbers of one sample.
    fn numbers(&self, row: usize, sample: usize) -> RandomNumbers {
        match self.options.row_seeds {
            Some(seeds) => RandomNumbers::new(seeds[row], STREAM, sample as u64),
            None => {
                let place = (row as u64).rotate_right(32) ^ sample as u64;
                RandomNumbers::new(self.options.seed, STREAM, place)
            }
        }
    }

    /// A few samples of each row of a tile.
    fn few_of_rows(&self, part: TileRows<'_, E>, tile: &mut Workspace<E>, out: &mut [E]) {
        E::forward(&self.engine, self.executable.level(), part, tile);
        let variables = self.rows.columns();
        let (mut stack, mut scores) = (Stack::new(), Vec::new());
        for (sample, out) in out.chunks_exact_mut(self.each * variables).enumerate() {
            let row = part.first + sample;
            for (number, out) in out.chunks_exact_mut(variables).enumerate() {
                if tile.total[sample].to_f64() >= LOG_ZERO {
                    let place = self.engine.place(part.tile);
                    let posteriors = Posteriors::new(&self.engine, place, tile, sample);
                    let sums = posteriors.drawing(&mut scores);
                    let leaves = self.leaves((tile, part.tile), (row, sample), number, out);
                    let mut sampler = Sampler { sums, leaves };
                    self.trees.walk(self.executable.plan(), &mut stack, &mut sampler);
                }
                restore_observed(self.rows, row, out.iter_mut().zip(0..));
            }
        }
    }

    /// Many samples of one row.
    fn many_of_row(&self, row: usize, out: &mut [E]) {
        let part = TileRows { rows: self.rows, first: row, count: 1, tile: TILE_STEP };
        self.executable.with_workspace(|tile| {
            E::forward(&self.engine, self.executable.level(), part, tile);
            let possible = tile.total[0].to_f64() >= LOG_ZERO;
            let posteriors = Posteriors::new(&self.engine, self.engine.place(TILE_STEP), tile, 0);
            let tables = Tables::new(&posteriors, self.options.temperature);
            let (variables, tile) = (self.rows.columns(), &*tile);
            let run = |(chunk, out): (usize, &mut [E])| {
                let mut stack = Stack::new();
                for (index, out) in out.chunks_exact_mut(variables).enumerate() {
                    if possible {
                        let number = chunk * CHUNK + index;
                        let leaves = self.leaves((tile, TILE_STEP), (row, 0), number, out);
                        let mut sampler = Sampler { sums: &tables, leaves };
                        self.trees.walk(self.executable.plan(), &mut stack, &mut sampler);
                    }
                    restore_observed(self.rows, row, out.iter_mut().zip(0..));
                }
            };
            let chunks = out.par_chunks_mut(CHUNK * variables).enumerate();
            self.executable.install(|| chunks.for_each(run));
        });
    }

    fn leaves<'b>(
        &'b self,
        (tile, width): (&'b Workspace<E>, usize),
        (row, sample): (usize, usize),
        number: usize,
        out: &'b mut [E],
    ) -> LeafSampler<'b, E> {
        LeafSampler {
            quantities: self.executable.quantities(),
            inputs: &tile.inputs[sample..],
            stride: width,
            units: InputUnits::new(self.executable, tile),
            sample,
            temperature: self.options.temperature,
            numbers: self.numbers(row, number),
            out,
        }
    }
}

/// Decides sums by drawing.
trait DrawSums {
    fn joint(&mut self, temperature: f64, numbers: &mut RandomNumbers) -> usize;
    fn input(&mut self, sum: SumUnit, temperature: f64, numbers: &mut RandomNumbers) -> usize;
}

/// Draws at sums and leaves.
struct Sampler<'a, E, S> {
    sums: S,
    leaves: LeafSampler<'a, E>,
}

/// Draws the missing values of one sample from leaves.
struct LeafSampler<'a, E> {
    quantities: &'a [Vec<E>],
    /// What leaves see: NaN is missing. Variables are `stride` values apart.
    inputs: &'a [E],
    stride: usize,
    units: InputUnits<'a>,
    /// Which sample of the tile.
    sample: usize,
    temperature: f64,
    numbers: RandomNumbers,
    out: &'a mut [E],
}

impl<E: Number, S: DrawSums> Choose for Sampler<'_, E, S> {
    #[inline]
    fn joint(&mut self) -> usize {
        self.sums.joint(self.leaves.temperature, &mut self.leaves.numbers)
    }

    #[inline]
    fn input(&mut self, sum: SumUnit) -> usize {
        self.sums.input(sum, self.leaves.temperature, &mut self.leaves.numbers)
    }

    #[inline]
    fn leaf(&mut self, (step, index): (&LeafStep, usize), component: usize) {
        let leaves = &mut self.leaves;
        let dimensions = step.dimensions as usize;
        for dimension in 0..dimensions {
            let variable = step.variables[index * dimensions + dimension].index();
            if !Real::is_nan(leaves.inputs[variable * leaves.stride]) {
                continue;
            }
            let place = (component, dimension);
            let component = Component::new((step, index), place, leaves.quantities);
            let score = component.sample(leaves.temperature, &mut leaves.numbers);
            let value = leaves.units.value(score, variable, leaves.sample);
            leaves.out[variable] = E::from_f64(value);
        }
    }
}
