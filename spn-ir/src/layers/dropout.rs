//! `Dropout`: Keras' dropout on the log densities of a leaf layer, in training only.
//!
//! A dropped component becomes log 1, as if its variable were missing for this component; Keras
//! multiplies kept ones by `1 / (1 - rate)`, which sharpens densities and can be switched off.
//! Marks values by products of one factor; padding cells are never dropped.

use serde::{Deserialize, Serialize};

use crate::{DropoutKind, NodeOptions};

use super::lowering::{Cell, Lowering, Tensor};
use super::shape::TensorShape;
use super::{LayerProblem, LayerRules};

/// Input dropout. `noise_shape` and `seed` as in Keras; masks are reproducible from the seed of
/// the training run, so `seed` has no effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Probability of dropping a value, in `[0, 1)`.
    pub rate: f64,
    /// The noise's shape: 1 where values share a draw, `null` or the axis' length elsewhere.
    /// With or without the batch axis in front, which must be `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_shape: Option<Vec<Option<usize>>>,
    /// Accepted for compatibility.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Whether kept values are multiplied by `1 / (1 - rate)` as Keras does; default true.
    /// Not an option of the reference: false is marginalisation and nothing else.
    #[serde(default = "yes")]
    pub rescale: bool,
}

fn yes() -> bool {
    true
}

impl Dropout {
    /// Dropout with this rate, as Keras does it.
    #[must_use]
    pub fn new(rate: f64) -> Self {
        Self { rate, noise_shape: None, seed: None, rescale: true }
    }
}

impl LayerRules for Dropout {
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        let shape = input.units()?;
        if !(0.0..1.0).contains(&self.rate) {
            let reason = format!("is {}; it must be at least 0 and below 1", self.rate);
            return Err(LayerProblem::BadOption { option: "rate", reason });
        }
        Noise::new(self.noise_shape.as_deref(), shape)?;
        Ok(input)
    }

    fn lower(&self, input: &Tensor, lowering: &mut Lowering<'_>) -> Result<Tensor, LayerProblem> {
        let kind = DropoutKind::Input { rescale: self.rescale };
        let noise = Noise::new(self.noise_shape.as_deref(), input.shape.units()?)?;
        mark(input, kind, self.rate, noise, lowering)
    }
}

/// Which random number each value of a `[rows, columns, units]` tensor uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    /// Distance of the numbers of neighbouring rows, columns and units; 0 where they share.
    strides: [usize; 3],
}

impl Noise {
    /// Noise of a shape (all axes independent without one) for a tensor of `shape`.
    pub(crate) fn new(
        noise_shape: Option<&[Option<usize>]>,
        shape: (usize, usize, usize),
    ) -> Result<Self, LayerProblem> {
        let lengths = [shape.0, shape.1, shape.2];
        let bad = |reason: String| LayerProblem::BadOption { option: "noise_shape", reason };
        let given = match noise_shape {
            None => &[None, None, None],
            Some([None, rest @ ..]) if rest.len() == 3 => rest,
            Some(rest) if rest.len() == 3 => rest,
            Some(other) => {
                let reason = format!("is {other:?}; give 3 lengths for a tensor {lengths:?}");
                return Err(bad(reason));
            }
        };
        let mut strides = [0; 3];
        let mut stride = 1;
        for axis in (0..3).rev() {
            match given[axis].unwrap_or(lengths[axis]) {
                length if length == lengths[axis] => {
                    strides[axis] = stride;
                    stride *= length;
                }
                1 => {}
                length => {
                    let found = lengths[axis];
                    return Err(bad(format!(
                        "has length {length} on axis {axis}; it must be 1 or {found}"
                    )));
                }
            }
        }
        Ok(Self { strides })
    }

    /// Whether the units of a cell have random numbers of their own.
    pub(crate) fn is_independent_over_units(self) -> bool {
        self.strides[2] != 0
    }
}

/// Marks every value of a tensor for dropout.
pub(crate) fn mark(
    input: &Tensor,
    kind: DropoutKind,
    rate: f64,
    noise: Noise,
    lowering: &mut Lowering<'_>,
) -> Result<Tensor, LayerProblem> {
    let shape = input.shape.units()?;
    if rate == 0.0 {
        return Ok(input.clone());
    }
    let [row_stride, column_stride, unit_stride] = noise.strides;
    let mut cells = Vec::with_capacity(input.cells.len());
    for (index, cell) in input.cells.iter().enumerate() {
        let (row, column) = (index / shape.1, index % shape.1);
        let mut first = row * row_stride + column * column_stride;
        let mut marked = Cell::padding(cell.units);
        for &node in &cell.nodes {
            let dropout = crate::Dropout {
                kind,
                rate,
                stream: lowering.dropout_stream(),
                first: first as u32,
                stride: unit_stride as u32,
            };
            let origin = lowering.origin(row, column);
            let options = NodeOptions { origin, dropout: Some(dropout) };
            let width = lowering.builder.circuit().node(node).width as usize;
            marked.nodes.push(lowering.builder.element_wise(&[node], options)?);
            first += width * unit_stride;
        }
        cells.push(marked);
    }
    Ok(Tensor::of_units(shape, cells))
}
