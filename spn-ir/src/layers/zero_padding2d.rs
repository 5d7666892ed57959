//! `ZeroPadding2D`: Keras' padding of an image with zeros, which are log 1. Adds no nodes.

use serde::{Deserialize, Serialize};

use super::lowering::{Cell, Lowering, Tensor};
use super::shape::{TensorShape, sum};
use super::{LayerProblem, LayerRules};

/// Pads rows and columns with log 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZeroPadding2D {
    /// How much; default 1 on all sides.
    #[serde(default)]
    pub padding: ZeroPadding,
}

/// How much is padded, in Keras' three forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ZeroPadding {
    /// On all sides.
    All(usize),
    /// `[rows above and below, columns left and right]`.
    Symmetric([usize; 2]),
    /// `[[above, below], [left, right]]`.
    Sides([[usize; 2]; 2]),
}

impl Default for ZeroPadding {
    fn default() -> Self {
        Self::All(1)
    }
}

impl ZeroPadding {
    /// `[[above, below], [left, right]]`.
    fn sides(self) -> [[usize; 2]; 2] {
        match self {
            Self::All(size) => [[size; 2]; 2],
            Self::Symmetric([rows, columns]) => [[rows; 2], [columns; 2]],
            Self::Sides(sides) => sides,
        }
    }
}

impl ZeroPadding2D {
    /// Padding `[[above, below], [left, right]]`.
    #[must_use]
    pub fn sides(rows: [usize; 2], columns: [usize; 2]) -> Self {
        Self { padding: ZeroPadding::Sides([rows, columns]) }
    }
}

impl LayerRules for ZeroPadding2D {
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        let (rows, columns, channels) = input.units()?;
        let [[above, below], [left, right]] = self.padding.sides();
        let rows = sum("the padded image", &[rows, above, below])?;
        let columns = sum("the padded image", &[columns, left, right])?;
        TensorShape::of_units(rows, columns, channels)
    }

    fn lower(&self, input: &Tensor, _: &mut Lowering<'_>) -> Result<Tensor, LayerProblem> {
        let (rows, columns, channels) = input.shape.units()?;
        let output = self.output(input.shape)?.units()?;
        let [[above, _], [left, _]] = self.padding.sides();
        let mut cells = vec![Cell::padding(channels as u32); output.0 * output.1];
        for row in 0..rows {
            for column in 0..columns {
                cells[(row + above) * output.1 + column + left] =
                    input.cells[row * columns + column].clone();
            }
        }
        Ok(Tensor::of_units(output, cells))
    }
}
