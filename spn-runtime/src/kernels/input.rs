//! Inputs: rows are transposed into a tile (variables are rows, samples lie on the lanes) and
//! normalised; derivatives go the way back.

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
    fn is_observed(&self, sample: usize, variable: usize) -> bool {
        let row = self.first + sample;
        self.rows.mask(row).is_none_or(|mask| mask[variable])
            && !self.rows.row(row)[variable].is_nan()
    }
}

/// Fills `inputs`, one row for each variable; missing values become NaN.
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
    for sample in 0..tile.count {
        let values = tile.rows.row(tile.first + sample);
        if let Some(Normalisation::SampleWise { epsilon }) = normalisation {
            let (mean, deviation) = moments(tile, sample, statistics);
            samples.mean[sample] = mean;
            samples.deviation[sample] = deviation + epsilon;
        }
        for (variable, &value) in values.iter().enumerate() {
            let normalised = if !tile.is_observed(sample, variable) {
                E::NAN
            } else {
                let score = normalise(value, variable, sample, normalisation, samples);
                // An infinite value among normalised ones has no score; it is no missing value.
                if score.is_nan() { -E::NEG_INFINITY } else { score }
            };
            inputs[variable * tile.tile + sample] = normalised;
        }
    }
}

fn normalise<E: Element>(
    value: E,
    variable: usize,
    sample: usize,
    normalisation: Option<&Normalisation>,
    samples: &SampleStatistics<'_>,
) -> E {
    // In double precision: values of a row may be closer to each other than to 0.
    match normalisation {
        None => value,
        Some(Normalisation::SampleWise { .. }) => {
            E::from_f64((value.to_f64() - samples.mean[sample]) / samples.deviation[sample])
        }
        Some(Normalisation::Fixed { mean, deviation, epsilon }) => {
            let centred = value.to_f64() - mean[variable];
            E::from_f64(centred / (deviation[variable] + epsilon))
        }
    }
}

/// Mean and population standard deviation of one row, 0 and 0 if nothing takes part.
fn moments<E: Element>(tile: TileRows<'_, E>, sample: usize, statistics: Statistics) -> (f64, f64) {
    let values = tile.rows.row(tile.first + sample);
    let part = || {
        let counts = move |variable: usize, value: E| match statistics {
            Statistics::Observed => tile.is_observed(sample, variable),
            Statistics::WholeRow => !value.is_nan(),
        };
        let pairs = values.iter().enumerate();
        pairs.filter(move |(i, v)| counts(*i, **v)).map(|(_, value)| value.to_f64())
    };
    let count = part().count().max(1) as f64;
    let mean = part().sum::<f64>() / count;
    let variance = part().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    (mean, variance.sqrt())
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
