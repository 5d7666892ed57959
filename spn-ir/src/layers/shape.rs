//! Shapes between layers, and arithmetic on them that cannot overflow.
//!
//! Every size that a layer file leads to is computed here first, so that a file of a few bytes
//! cannot ask for more memory than [`LIMIT`] allows.

use std::fmt;

use super::{LayerError, LayerProblem};

/// The most values (units, parameters, edges, …) that one part of a network may have.
pub(crate) const LIMIT: usize = 1 << 28;

/// What goes from one layer to the next, without the batch axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TensorShape {
    /// Input rows that are not regions yet: `[variables]` or `[variables, dimensions]`.
    Rows { variables: usize, dimensions: Option<usize> },
    /// What a leaf layer reads: each cell has `dimensions` variables. `tiled` says that the
    /// columns are decompositions, which all read the same variables.
    Variables { rows: usize, columns: usize, dimensions: usize, tiled: bool },
    /// Log probabilities: `[rows, columns, units]`, rows and columns of an image or scopes and
    /// decompositions.
    Units { rows: usize, columns: usize, units: usize },
    /// What the root gives: one value, or one for each of its children.
    Root { count: usize },
}

impl TensorShape {
    /// The shape of the input rows of a layer file.
    pub(crate) fn of_variables(shape: &[usize]) -> Result<Self, LayerError> {
        let error = || LayerError::Variables { found: shape.to_vec(), limit: LIMIT };
        if !matches!(product("", shape), Ok(count) if count > 0) {
            return Err(error());
        }
        match *shape {
            [variables] => Ok(Self::Rows { variables, dimensions: None }),
            [variables, dimensions] => Ok(Self::Rows { variables, dimensions: Some(dimensions) }),
            [rows, columns, dimensions] => {
                Ok(Self::Variables { rows, columns, dimensions, tiled: false })
            }
            _ => Err(error()),
        }
    }

    /// The lengths of the axes.
    pub(crate) fn to_vec(self) -> Vec<usize> {
        match self {
            Self::Rows { variables, dimensions } => {
                std::iter::once(variables).chain(dimensions).collect()
            }
            Self::Variables { rows, columns, dimensions, .. } => vec![rows, columns, dimensions],
            Self::Units { rows, columns, units } => vec![rows, columns, units],
            Self::Root { count } => vec![count],
        }
    }

    /// Rows, columns and units of a tensor of log probabilities.
    pub(crate) fn units(self) -> Result<(usize, usize, usize), LayerProblem> {
        match self {
            Self::Units { rows, columns, units } => Ok((rows, columns, units)),
            Self::Root { .. } => Err(LayerProblem::WrongInput {
                expected: "log probabilities [rows, columns, units]",
                found: self.to_string(),
                mend: "RootSum must be the last layer",
            }),
            Self::Rows { .. } | Self::Variables { .. } => Err(LayerProblem::WrongInput {
                expected: "log probabilities [rows, columns, units]",
                found: self.to_string(),
                mend: "put a leaf layer such as NormalLeaf below",
            }),
        }
    }

    /// The shape of a tensor of log probabilities.
    pub(crate) fn of_units(
        rows: usize,
        columns: usize,
        units: usize,
    ) -> Result<Self, LayerProblem> {
        product("the layer's output", &[rows, columns, units])?;
        Ok(Self::Units { rows, columns, units })
    }
}

impl fmt::Display for TensorShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Rows { .. } => "input rows",
            Self::Variables { .. } => "variables",
            Self::Units { .. } => "log probabilities",
            Self::Root { .. } => "the root's output",
        };
        write!(f, "{what} {:?}", self.to_vec())
    }
}

/// The product of the lengths, at most [`LIMIT`].
pub(crate) fn product(what: &'static str, lengths: &[usize]) -> Result<usize, LayerProblem> {
    if lengths.contains(&0) {
        return Ok(0);
    }
    let product = lengths.iter().try_fold(1_usize, |product, &length| product.checked_mul(length));
    product.filter(|&product| product <= LIMIT).ok_or(LayerProblem::TooLarge { what, limit: LIMIT })
}

/// `base` to the power `exponent`, at most [`LIMIT`].
pub(crate) fn power(
    what: &'static str,
    base: usize,
    exponent: usize,
) -> Result<usize, LayerProblem> {
    if base <= 1 {
        return Ok(base);
    }
    let too_large = LayerProblem::TooLarge { what, limit: LIMIT };
    let Ok(exponent) = u32::try_from(exponent) else { return Err(too_large) };
    base.checked_pow(exponent).filter(|&power| power <= LIMIT).ok_or(too_large)
}

/// The sum of the lengths, at most [`LIMIT`].
pub(crate) fn sum(what: &'static str, lengths: &[usize]) -> Result<usize, LayerProblem> {
    lengths
        .iter()
        .try_fold(0_usize, |sum, &length| sum.checked_add(length))
        .filter(|&sum| sum <= LIMIT)
        .ok_or(LayerProblem::TooLarge { what, limit: LIMIT })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_bounded() {
        assert_eq!(product("", &[3, 4]), Ok(12));
        assert_eq!(product("", &[usize::MAX, 0]), Ok(0));
        assert!(product("", &[1 << 20, 1 << 20]).is_err());
        assert!(product("", &[usize::MAX, usize::MAX]).is_err());
        assert_eq!(power("", 2, 10), Ok(1024));
        assert_eq!(power("", 1, usize::MAX), Ok(1));
        assert!(power("", 2, 1000).is_err());
        assert!(sum("", &[usize::MAX, 1]).is_err());
    }

    #[test]
    fn rows_have_one_to_three_axes() {
        assert!(TensorShape::of_variables(&[]).is_err());
        assert!(TensorShape::of_variables(&[4, 0]).is_err());
        assert!(TensorShape::of_variables(&[1, 1, 1, 1]).is_err());
        assert_eq!(TensorShape::of_variables(&[4]).unwrap().to_vec(), [4]);
        assert_eq!(TensorShape::of_variables(&[4, 2]).unwrap().to_vec(), [4, 2]);
        assert_eq!(TensorShape::of_variables(&[4, 2, 3]).unwrap().to_vec(), [4, 2, 3]);
    }
}
