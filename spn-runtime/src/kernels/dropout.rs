//! Dropout: values are kept or dropped by counter-based random numbers, so the reverse step draws
//! the same ones again and nothing depends on threads or tiles.

use std::ops::Range;

use spn_ir::plan::DropoutStep;
use spn_ir::random::uniform_at;
use spn_ir::{Dropout, DropoutKind};

use super::Place;
use crate::simd::Element;
use crate::workspace::MAX_TILE;

/// Which values are kept. Indices are those of the layer's noise tensor within a row.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Dropping<'a> {
    /// Everything is kept: outside training.
    Off,
    /// Random numbers of a seed and a step of training.
    Random {
        /// Seed of the training run.
        seed: u64,
        /// Number of the optimiser step.
        step: u64,
    },
    /// As the function says of `(stream, row, index)`.
    Given(&'a (dyn Fn(u32, usize, u32) -> bool + Sync)),
}

impl std::fmt::Debug for Dropping<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Off => f.write_str("Off"),
            Self::Random { seed, step } => write!(f, "Random({seed}, {step})"),
            Self::Given(_) => f.write_str("Given"),
        }
    }
}

impl Dropping<'_> {
    /// Whether everything is kept.
    pub(crate) fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    fn noise(seed: u64, step: u64, dropout: &Dropout, row: usize, unit: u32) -> f64 {
        let index = u64::from(dropout.first) + u64::from(unit) * u64::from(dropout.stride);
        uniform_at(seed, dropout.stream, step, (row as u64) << 32 | index)
    }

    /// Whether a unit of a block of `width` units is kept for one row.
    fn keeps(&self, dropout: &Dropout, row: usize, unit: u32, width: u32) -> bool {
        match *self {
            Self::Off => true,
            Self::Given(keeps) => keeps(dropout.stream, row, dropout.first + unit * dropout.stride),
            Self::Random { seed, step } => {
                let noise = |unit| Self::noise(seed, step, dropout, row, unit);
                noise(unit) > dropout.rate
                    || (dropout.kind == DropoutKind::Sum { keep_one: true }
                        && (0..width).all(|other| noise(other) <= noise(unit)))
            }
        }
    }
}

/// Calls `each` with the input's row, the output's row and, for each sample, whether to keep it.
fn for_each_value<E: Element>(
    place: Place<'_>,
    (step, run): (&DropoutStep, Range<usize>),
    rows: &[u32],
    (first, count): (usize, usize),
    dropping: Dropping<'_>,
    mut each: impl FnMut(usize, usize, bool, &Dropout, E),
) {
    for (input, output, dropout) in &step.instances[run] {
        let width = rows[output.index()];
        let factor = match dropout.kind {
            DropoutKind::Input { rescale: true } if !matches!(dropping, Dropping::Off) => {
                E::from_f64(1.0 / (1.0 - dropout.rate))
            }
            _ => E::ONE,
        };
        let mut kept = [true; MAX_TILE];
        for unit in 0..width {
            // Units that share their random numbers share what becomes of them.
            if unit == 0 || dropout.stride != 0 {
                // Samples behind the last row are nobody's.
                for (sample, kept) in kept.iter_mut().enumerate().take(count) {
                    *kept = dropping.keeps(dropout, first + sample, unit, width);
                }
            }
            for (sample, &kept) in kept[..place.tile].iter().enumerate() {
                let from = place.at(*input, unit as usize) + sample;
                let to = place.at(*output, unit as usize) + sample;
                each(from, to, kept, dropout, factor);
            }
        }
    }
}

/// Runs instances of a dropout step over the `count` rows from `first` on.
pub(crate) fn forward<E: Element>(
    place: Place<'_>,
    run: (&DropoutStep, Range<usize>),
    rows: &[u32],
    part: (usize, usize),
    dropping: Dropping<'_>,
    values: &mut [E],
) {
    for_each_value(place, run, rows, part, dropping, |from, to, kept, dropout, factor: E| {
        values[to] = match (kept, dropout.kind) {
            // Log 0 stays log 0, whatever the factor.
            (true, _) => values[from] * factor,
            (false, DropoutKind::Sum { .. }) => E::NEG_INFINITY,
            (false, DropoutKind::Input { .. }) => E::ZERO,
        };
    });
}

/// Passes flows on to the values that were kept.
pub(crate) fn reverse<E: Element>(
    place: Place<'_>,
    step: &DropoutStep,
    rows: &[u32],
    part: (usize, usize),
    dropping: Dropping<'_>,
    flows: &mut [E],
) {
    let whole = (step, 0..step.instances.len());
    for_each_value(place, whole, rows, part, dropping, |from, to, kept, _, factor: E| {
        if kept {
            let flow = flows[to] * factor;
            flows[from] += flow;
        }
    });
}
