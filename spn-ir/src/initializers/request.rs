//! What an initialiser is asked for: shape, seed and data.

use rand::Rng;

use crate::axis::Axis;
use crate::random;

use super::InitializerError;

/// What values are wanted.
#[derive(Clone, Copy, Debug)]
pub struct InitializerRequest<'a> {
    /// Lengths of the parameter's axes.
    pub shape: &'a [usize],
    /// The network's seed.
    pub seed: u64,
    /// A number of the parameter's own, so that parameters differ.
    pub stream: u32,
    /// The training rows as the leaf sees them, for data-driven initialisers.
    pub data: Option<&'a LeafData<'a>>,
}

/// The rows that a leaf layer sees.
#[derive(Clone, Copy, Debug)]
pub struct LeafData<'a> {
    /// How many rows.
    pub rows: usize,
    /// The layer's cells `[a, b]`: height and width, or scopes and decompositions.
    pub cells: &'a [usize],
    /// How many variables `V` each cell has.
    pub dimensions: usize,
    /// `[rows, a, b, V]` after the network's normalisation; NaN (like any value that is not
    /// finite) is missing.
    pub values: &'a [f64],
}

impl InitializerRequest<'_> {
    /// How many values are wanted.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The request's own random numbers.
    pub(super) fn generator(&self) -> impl Rng {
        random::stream(self.seed, u64::from(self.stream))
    }

    /// The axis with this number.
    pub(super) fn axis(
        &self,
        initializer: &'static str,
        axis: i32,
    ) -> Result<Axis, InitializerError> {
        let shape = || self.shape.to_vec();
        Axis::of(self.shape, axis).ok_or_else(|| InitializerError::NoSuchAxis {
            initializer,
            axis,
            shape: shape(),
        })
    }

    /// `values`, if there are as many as wanted.
    pub(super) fn exactly(&self, values: &[f64]) -> Result<Vec<f64>, InitializerError> {
        if values.len() == self.len() {
            return Ok(values.to_vec());
        }
        let (given, shape) = (values.len(), self.shape.to_vec());
        Err(InitializerError::WrongCount { given, wanted: self.len(), shape })
    }
}

impl<'a> InitializerRequest<'a> {
    /// The data, if the parameter is a location or scale of them, with the number of components.
    pub(super) fn leaf(
        &self,
        initializer: &'static str,
    ) -> Result<(&'a LeafData<'a>, usize), InitializerError> {
        let data = self.data.ok_or(InitializerError::NeedsData { initializer })?;
        let &LeafData { rows, cells, dimensions, values } = data;
        let &[height, width] = cells else { return Err(data.bad()) };
        let lengths = [rows, height, width, dimensions];
        let count = lengths.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
        if count != Some(values.len()) {
            return Err(data.bad());
        }
        match *self.shape {
            [1, a, b, components, v] if [a, b, v] == [height, width, dimensions] => {
                Ok((data, components))
            }
            _ => Err(InitializerError::WrongShape {
                initializer,
                rows: height,
                columns: width,
                dimensions,
                shape: self.shape.to_vec(),
            }),
        }
    }
}

impl LeafData<'_> {
    /// How many values a row has.
    pub(super) fn width(&self) -> usize {
        self.cells.iter().product::<usize>() * self.dimensions
    }

    /// The observed values of one column of the rows.
    pub(super) fn column(&self, column: usize) -> impl Iterator<Item = f64> {
        let values = self.values.iter().skip(column).step_by(self.width().max(1));
        values.copied().filter(|value| value.is_finite())
    }

    fn bad(&self) -> InitializerError {
        InitializerError::BadData {
            rows: self.rows,
            cells: self.cells.to_vec(),
            dimensions: self.dimensions,
            values: self.values.len(),
        }
    }
}
