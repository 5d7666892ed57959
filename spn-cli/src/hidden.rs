//! Which values of an image are hidden from a completion, and how well they come back.
//!
//! In: a side or a mask file, the shape of an image. Out: flags for each value, and the mean
//! squared error of what was filled in.

use std::str::FromStr;

use crate::Failure;
use crate::data::{self, Table};

/// What `--hide` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hide {
    /// Half of each image.
    Half(Side),
    /// A mask file.
    Mask(String),
}

/// A side of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
    Top,
    Bottom,
}

impl FromStr for Hide {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "left" => Self::Half(Side::Left),
            "right" => Self::Half(Side::Right),
            "top" => Self::Half(Side::Top),
            "bottom" => Self::Half(Side::Bottom),
            file => Self::Mask(file.to_owned()),
        })
    }
}

/// Flags `[rows, variables]`: `true` is hidden.
pub(crate) fn flags(
    hide: &Hide,
    table: &Table,
    shape: Option<&[usize]>,
) -> Result<Vec<bool>, Failure> {
    match hide {
        Hide::Mask(file) => mask(file, table),
        Hide::Half(side) => {
            let shape = shape.ok_or_else(|| {
                Failure::misuse(
                    "which half of a row is hidden shows in the shape of an image only; give \
                     --shape HEIGHT,WIDTH, or --hide FILE with a mask",
                )
            })?;
            Ok(half(*side, shape).repeat(table.rows))
        }
    }
}

/// Half of an image `[height, width]` or `[height, width, channels]`; the middle of an odd length
/// stays seen.
pub(crate) fn half(side: Side, shape: &[usize]) -> Vec<bool> {
    let &[height, width, ref channels @ ..] = shape else { return Vec::new() };
    let channels: usize = channels.iter().product();
    let hidden = |row: usize, column: usize| match side {
        Side::Left => column < width / 2,
        Side::Right => column >= width - width / 2,
        Side::Top => row < height / 2,
        Side::Bottom => row >= height - height / 2,
    };
    let cells = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
    cells.flat_map(|(row, column)| std::iter::repeat_n(hidden(row, column), channels)).collect()
}

/// A mask file: one row for all images, or a row for each; what is not 0 is hidden.
fn mask(file: &str, table: &Table) -> Result<Vec<bool>, Failure> {
    let mask = data::read(file, None)?;
    if mask.columns != table.columns || (mask.rows != 1 && mask.rows != table.rows) {
        return Err(Failure::misuse(format!(
            "the mask {file} has {} rows of {} values, but the data have {} rows of {}; give one \
             row for all, or a row for each (or left, right, top, bottom instead of a file)",
            mask.rows, mask.columns, table.rows, table.columns
        )));
    }
    if let Some(at) = mask.values.iter().position(|value| value.is_nan()) {
        return Err(Failure::misuse(format!(
            "the mask {file} has a missing value in row {}; write 0 (seen) or 1 (hidden)",
            at / mask.columns
        )));
    }
    let flags: Vec<bool> = mask.values.iter().map(|value| *value != 0.0).collect();
    Ok(if mask.rows == table.rows { flags } else { flags.repeat(table.rows) })
}

/// How well hidden values came back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct CompletionError {
    /// Hidden values whose true value is known.
    pub(crate) compared: usize,
    /// Values that are still missing: their row is impossible, or the network ignores them.
    pub(crate) unfilled: usize,
    total: f64,
}

impl CompletionError {
    /// Compares completions with the truth where it was hidden.
    pub(crate) fn of(truth: &[f32], hidden: &[bool], completed: &[f32]) -> Self {
        let mut error = Self::default();
        for ((&truth, &hidden), &completed) in truth.iter().zip(hidden).zip(completed) {
            if completed.is_nan() {
                error.unfilled += 1;
            } else if hidden && !truth.is_nan() {
                error.compared += 1;
                error.total += (f64::from(completed) - f64::from(truth)).powi(2);
            }
        }
        error
    }

    /// The mean squared error in the data's own units; none if nothing could be compared.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.compared > 0).then(|| self.total / self.compared as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_leave_the_middle() {
        assert_eq!(half(Side::Left, &[1, 3]), [true, false, false]);
        assert_eq!(half(Side::Right, &[1, 3]), [false, false, true]);
        assert_eq!(half(Side::Top, &[2, 1, 3]), [true, true, true, false, false, false]);
        assert_eq!(half(Side::Bottom, &[2, 2]), [false, false, true, true]);
    }

    #[test]
    fn only_known_hidden_values_count() {
        let truth = [1.0, 2.0, f32::NAN, 4.0];
        let hidden = [false, true, true, true];
        let error = CompletionError::of(&truth, &hidden, &[1.0, 5.0, 9.0, f32::NAN]);
        assert_eq!((error.compared, error.unfilled, error.mean()), (1, 1, Some(9.0)));
        assert_eq!(CompletionError::of(&truth, &[false; 4], &truth).mean(), None);
    }
}
