//! Inputs: rows are transposed into a tile (variables are rows, samples lie on the lanes) and
//! normalised; derivatives go the way back.

use std::ops::Range;

use spn_ir::Normalisation;

use crate::Statistics;
use crate::rows::Rows;
use crate::simd::Element;

/// A part of a batch that fills a tile.
#[derive(Clone, Copy)]
pub(crate) struct TileRows<'a, E> {
    pub(crate) rows: Rows<'a, E>,
    /// First row of the tile.
    pub(crate) first: usize,
    /// How many rows it has; the other samples of the tile see missing values only.
    pub(crate) count: usize,
    /// Samples of the tile.
    pub(crate) tile: usize,
}

/// Mean and deviation plus epsilon of each sample, where normalisation is sample-wise.
pub(crate) struct SampleStatistics<'a> {
    pub(crate) mean: &'a mut [f64],
    pub(crate) deviation: &'a mut [f64],
}

impl<E: Element> TileRows<'_, E> {
    /// Whether a value takes part in the network's input.
    pub(crate) fn is_observed(&self, sample: usize, variable: usize) -> bool {
        let row = self.first + sample;
        self.rows.mask(row).is_none_or(|mask| mask[variable])
            && !self.rows.row(row)[variable].is_nan()
    }
}

/// Variables that are transposed together: a row's part of them is a cache line, and that of a whole
/// tile stays in the first-level cache.
const BLOCK: usize = 16;

/// What is taken from a value and what it is then multiplied by, for the variables of a block.
type Scores = ([f64; BLOCK], [f64; BLOCK]);

/// Fills `inputs`, one row for each variable; missing values become NaN.
#[inline(always)]
pub(crate) fn load<E: Element>(
    tile: TileRows<'_, E>,
    normalisation: Option<&Normalisation>,
    statistics: Statistics,
    samples: &mut SampleStatistics<'_>,
    inputs: &mut [E],
) {
    let columns = tile.rows.columns();
    if tile.count < tile.tile {
        inputs[..columns * tile.tile].fill(E::NAN);
    }
    if let Some(Normalisation::SampleWise { epsilon }) = normalisation {
        for sample in 0..tile.count {
            let (mean, deviation) = moments(tile, sample, statistics);
            samples.mean[sample] = mean;
            samples.deviation[sample] = deviation + epsilon;
        }
    }
    for first in (0..columns).step_by(BLOCK) {
        let width = BLOCK.min(columns - first);
        let block = first..first + width;
        let inputs = &mut inputs[first * tile.tile..][..width * tile.tile];
        let mut scores = fixed_scores(normalisation, block.clone());
        for sample in 0..tile.count {
            if let Some(Normalisation::SampleWise { .. }) = normalisation {
                scores = ([samples.mean[sample]; BLOCK], [1.0 / samples.deviation[sample]; BLOCK]);
            }
            let row = tile.first + sample;
            let mut values = [E::NAN; BLOCK];
            values[..width].copy_from_slice(&tile.rows.row(row)[block.clone()]);
            if let Some(mask) = tile.rows.mask(row) {
                let hidden =
                    values.iter_mut().zip(&mask[block.clone()]).filter(|(_, seen)| !**seen);
                hidden.for_each(|(value, _)| *value = E::NAN);
            }
            if normalisation.is_some() {
                normalise(&scores, &mut values);
            }
            let places = inputs[sample..].iter_mut().step_by(tile.tile);
            places.zip(values).for_each(|(place, value)| *place = value);
        }
    }
}

/// The scores of normalisation by constants; anything for other ones.
#[inline(always)]
fn fixed_scores(normalisation: Option<&Normalisation>, block: Range<usize>) -> Scores {
    let (mut means, mut factors) = ([0.0; BLOCK], [0.0; BLOCK]);
    if let Some(Normalisation::Fixed { mean, deviation, epsilon }) = normalisation {
        let width = block.len();
        means[..width].copy_from_slice(&mean[block.clone()]);
        for (factor, deviation) in factors.iter_mut().zip(&deviation[block]) {
            *factor = 1.0 / (deviation + epsilon);
        }
    }
    (means, factors)
}

/// In double precision: values of a row may be closer to each other than to 0.
#[inline(always)]
fn normalise<E: Element>((means, factors): &Scores, values: &mut [E; BLOCK]) {
    for (value, (mean, factor)) in values.iter_mut().zip(means.iter().zip(factors)) {
        let score = E::from_f64((value.to_f64() - mean) * factor);
        // An infinite value among normalised ones has no score; it is no missing value.
        let score = if score.is_nan() { -E::NEG_INFINITY } else { score };
        *value = if value.is_nan() { *value } else { score };
    }
}

/// Mean and population standard deviation of one row, 0 and 0 if nothing takes part.
#[inline(always)]
fn moments<E: Element>(tile: TileRows<'_, E>, sample: usize, statistics: Statistics) -> (f64, f64) {
    let row = tile.first + sample;
    let values = tile.rows.row(row);
    let mask = match statistics {
        Statistics::Observed => tile.rows.mask(row),
        Statistics::WholeRow => None,
    };
    let part = |first: usize| Part::new(values, mask, first);
    let (mut count, mut total) = ([0.0; PARTS], [0.0; PARTS]);
    for first in (0..values.len()).step_by(PARTS) {
        let Part { values, counts } = part(first);
        for index in 0..PARTS {
            count[index] += counts[index];
            total[index] += values[index];
        }
    }
    let count = count.iter().sum::<f64>().max(1.0);
    let mean = total.iter().sum::<f64>() / count;
    let mut squares = [0.0; PARTS];
    for first in (0..values.len()).step_by(PARTS) {
        let Part { values, counts } = part(first);
        for index in 0..PARTS {
            let deviation = (values[index] - mean) * counts[index];
            squares[index] += deviation * deviation;
        }
    }
    (mean, (squares.iter().sum::<f64>() / count).sqrt())
}

/// How many sums of a row are under way at a time; the same on every instruction set.
const PARTS: usize = 8;

/// A part of a row in double precision.
struct Part {
    /// The values, 0 for those that take no part.
    values: [f64; PARTS],
    /// 1 for the values that take part, else 0.
    counts: [f64; PARTS],
}

impl Part {
    #[inline(always)]
    fn new<E: Element>(values: &[E], mask: Option<&[bool]>, first: usize) -> Self {
        let mut part = [E::NAN; PARTS];
        let width = PARTS.min(values.len() - first);
        part[..width].copy_from_slice(&values[first..first + width]);
        if let Some(mask) = mask {
            let hidden = part.iter_mut().zip(&mask[first..]).filter(|(_, seen)| !**seen);
            hidden.for_each(|(value, _)| *value = E::NAN);
        }
        let mut result = Self { values: [0.0; PARTS], counts: [0.0; PARTS] };
        for (index, value) in part.into_iter().enumerate() {
            result.values[index] = if value.is_nan() { 0.0 } else { value.to_f64() };
            result.counts[index] = if value.is_nan() { 0.0 } else { 1.0 };
        }
        result
    }
}

/// Takes derivatives with respect to the normalised inputs to derivatives with respect to the
/// given rows, `columns` for each row of the tile. Missing values have derivative 0.
pub(crate) fn reverse<E: Element>(
    tile: TileRows<'_, E>,
    normalisation: Option<&Normalisation>,
    statistics: Statistics,
    inputs: &[E],
    flows: &[E],
    out: &mut [E],
) {
    let columns = tile.rows.columns();
    for sample in 0..tile.count {
        let at = |variable: usize| variable * tile.tile + sample;
        let out = &mut out[sample * columns..(sample + 1) * columns];
        for (variable, out) in out.iter_mut().enumerate() {
            *out = if inputs[at(variable)].is_nan() { E::ZERO } else { flows[at(variable)] };
        }
        match normalisation {
            None => {}
            Some(Normalisation::Fixed { deviation, epsilon, .. }) => {
                for (out, deviation) in out.iter_mut().zip(deviation) {
                    *out = E::from_f64(out.to_f64() / (deviation + epsilon));
                }
            }
            Some(Normalisation::SampleWise { epsilon }) => {
                reverse_sample_wise(tile, sample, statistics, *epsilon, out);
            }
        }
    }
}

/// With `z = (x - μ) / d`, `d = σ + ε` over `n` values: `∂L/∂x_j = (g_j - Σg / n) / d -
/// (x_j - μ) / (n σ d²) · Σ_i g_i (x_i - μ)`.
fn reverse_sample_wise<E: Element>(
    tile: TileRows<'_, E>,
    sample: usize,
    statistics: Statistics,
    epsilon: f64,
    gradient: &mut [E],
) {
    let (mean, sigma) = moments(tile, sample, statistics);
    let divisor = sigma + epsilon;
    let values = tile.rows.row(tile.first + sample);
    let takes_part = |variable: usize| match statistics {
        Statistics::Observed => tile.is_observed(sample, variable),
        Statistics::WholeRow => !values[variable].is_nan(),
    };
    let count = (0..values.len()).filter(|v| takes_part(*v)).count().max(1) as f64;
    let centred = |variable: usize| values[variable].to_f64() - mean;
    let total: f64 = gradient.iter().map(|g| g.to_f64()).sum();
    let projection: f64 = gradient
        .iter()
        .enumerate()
        .filter(|(_, g)| **g != E::ZERO)
        .map(|(variable, g)| g.to_f64() * centred(variable))
        .sum();
    for (variable, gradient) in gradient.iter_mut().enumerate() {
        if !takes_part(variable) {
            continue;
        }
        let through_mean = (gradient.to_f64() - total / count) / divisor;
        let through_deviation = if sigma > 0.0 {
            centred(variable) * projection / (count * sigma * divisor * divisor)
        } else {
            0.0
        };
        *gradient = E::from_f64(through_mean - through_deviation);
    }
}
