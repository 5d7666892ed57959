//! Training data as building a network reads them.
//!
//! In: a borrowed matrix of rows in either precision, NaN = missing. Out: single values as f64,
//! and the tensor `[rows, a, b, V]` that a leaf layer's initialiser sees.

use crate::Normalisation;

use super::LayerProblem;
use super::shape::{LIMIT, TensorShape};

/// Values in one of the two precisions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DataValues<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// Double precision.
    F64(&'a [f64]),
}

/// Training rows for data-driven initialisers and normalisation statistics. Values that are NaN
/// are missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingData<'a> {
    /// `[rows, columns]`, row-major; images row-major with channels last.
    pub values: DataValues<'a>,
    /// How many values a row has: the network's number of variables. For a dynamic network a
    /// multiple of it is a sequence of steps, and every step counts as a row.
    pub columns: usize,
}

impl<'a> TrainingData<'a> {
    /// Rows in single precision.
    #[must_use]
    pub fn from_f32(values: &'a [f32], columns: usize) -> Self {
        Self { values: DataValues::F32(values), columns }
    }

    /// Rows in double precision.
    #[must_use]
    pub fn from_f64(values: &'a [f64], columns: usize) -> Self {
        Self { values: DataValues::F64(values), columns }
    }

    /// The same values as rows of `columns`, if that divides the rows.
    pub(crate) fn with_columns(self, columns: usize) -> Result<Self, LayerProblem> {
        let length = match self.values {
            DataValues::F32(values) => values.len(),
            DataValues::F64(values) => values.len(),
        };
        let fits = columns > 0 && self.columns > 0 && self.columns.is_multiple_of(columns);
        if fits && length > 0 && length.is_multiple_of(self.columns) {
            return Ok(Self { columns, ..self });
        }
        let reason = format!(
            "{length} values in rows of {} for {columns} variables; give whole rows of {columns}",
            self.columns
        );
        Err(LayerProblem::BadData { reason })
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        let length = match self.values {
            DataValues::F32(values) => values.len(),
            DataValues::F64(values) => values.len(),
        };
        length / self.columns.max(1)
    }

    /// Copies one row.
    fn read_row(&self, row: usize, target: &mut [f64]) {
        let range = row * self.columns..(row + 1) * self.columns;
        match self.values {
            DataValues::F32(values) => {
                for (target, &value) in target.iter_mut().zip(&values[range]) {
                    *target = f64::from(value);
                }
            }
            DataValues::F64(values) => target.copy_from_slice(&values[range]),
        }
    }

    /// Calls `visit` with each row in turn.
    pub(crate) fn for_rows(&self, mut visit: impl FnMut(&[f64])) {
        let mut values = vec![0.0; self.columns];
        for row in 0..self.rows() {
            self.read_row(row, &mut values);
            visit(&values);
        }
    }

    /// The tensor `[rows, a, b, V]` that a leaf layer with this input reads.
    pub(crate) fn leaf_values(
        &self,
        normalisation: Option<&Normalisation>,
        shape: TensorShape,
    ) -> Result<Vec<f64>, LayerProblem> {
        let lengths = shape.to_vec();
        let limit = LIMIT / lengths.iter().product::<usize>().max(1);
        if self.rows() > limit {
            let reason = format!(
                "{} rows are too many for a data-driven initialiser here; give at most {limit}",
                self.rows()
            );
            return Err(LayerProblem::BadData { reason });
        }
        let mut values = Vec::with_capacity(self.rows() * lengths.iter().product::<usize>());
        let mut normalised = vec![0.0; self.columns];
        self.for_rows(|row| {
            normalised.copy_from_slice(row);
            if let Some(normalisation) = normalisation {
                normalise(normalisation, &mut normalised);
            }
            match shape {
                TensorShape::Variables { columns, dimensions, tiled: true, .. } => {
                    for variable in normalised.chunks_exact(dimensions) {
                        for _ in 0..columns {
                            values.extend_from_slice(variable);
                        }
                    }
                }
                _ => values.extend_from_slice(&normalised),
            }
        });
        Ok(values)
    }
}

/// Normalises one row in place; missing values stay missing and do not count.
fn normalise(normalisation: &Normalisation, row: &mut [f64]) {
    match normalisation {
        Normalisation::SampleWise { epsilon } => {
            let mut statistics = Statistics::default();
            row.iter().for_each(|&value| statistics.add(value));
            let (mean, deviation) = (statistics.mean(), statistics.deviation());
            for value in row {
                *value = (*value - mean) / (deviation + epsilon);
            }
        }
        Normalisation::Fixed { mean, deviation, epsilon } => {
            for ((value, mean), deviation) in row.iter_mut().zip(mean).zip(deviation) {
                *value = (*value - mean) / (deviation + epsilon);
            }
        }
    }
}

/// `E[x]` and `E[x²]` of a stream of values; missing ones do not count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Statistics {
    count: f64,
    total: f64,
    squares: f64,
}

impl Statistics {
    /// Adds a value unless it is missing.
    pub(crate) fn add(&mut self, value: f64) {
        if !value.is_nan() {
            self.count += 1.0;
            self.total += value;
            self.squares += value * value;
        }
    }

    /// The mean; 0 without values.
    pub(crate) fn mean(&self) -> f64 {
        if self.count == 0.0 { 0.0 } else { self.total / self.count }
    }

    /// The population standard deviation `sqrt(max(0, E[x²] - mean²))`; 0 without values.
    pub(crate) fn deviation(&self) -> f64 {
        if self.count == 0.0 {
            return 0.0;
        }
        (self.squares / self.count - self.mean() * self.mean()).max(0.0).sqrt()
    }
}
