//! Arguments that several commands share: the model, the data, ranges of rows.

use std::ops::Range;
use std::path::PathBuf;

use clap::Args;

use crate::precision::Precision;

/// The network a command works on.
#[derive(Args, Clone, Debug)]
pub(crate) struct ModelArguments {
    /// The network: a layer file, a circuit, a trained model or a compiled plan, told apart by
    /// content; also .gz.
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// Go on although the checks find the network invalid. Its values then need not be
    /// probabilities.
    #[arg(long)]
    pub(crate) allow_invalid: bool,
}

/// The rows a command works on.
#[derive(Args, Clone, Debug)]
pub(crate) struct DataArguments {
    /// The data: .npy, FILE.npz:KEY, CSV or IDX, also .gz. Rows are samples; empty cells, NaN and
    /// ? are missing values.
    #[arg(long, value_name = "DATA")]
    pub(crate) data: String,
    /// Which rows, from 0 and without the end: A..B.
    #[arg(long, value_name = "A..B", value_parser = row_range)]
    pub(crate) rows: Option<Range<usize>>,
}

/// In which numbers a command computes.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct PrecisionArguments {
    /// Single or double precision; default f32, for circuit files f64.
    #[arg(long, value_name = "f32|f64")]
    pub(crate) precision: Option<Precision>,
}

/// Reads `A..B` or `..B`.
pub(crate) fn row_range(text: &str) -> Result<Range<usize>, String> {
    let mend = || "write A..B, for example 0..1000".to_owned();
    let (start, end) = text.split_once("..").ok_or_else(mend)?;
    let number = |text: &str| text.trim().parse::<usize>().map_err(|_| mend());
    let start = if start.trim().is_empty() { 0 } else { number(start)? };
    let end = number(end)?;
    if start >= end {
        return Err(format!("rows {start}..{end} are none; give A..B with A below B"));
    }
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    use super::row_range;

    #[test]
    fn ranges_have_two_dots_and_a_row() {
        assert_eq!(row_range("3..10"), Ok(3..10));
        assert_eq!(row_range("..10"), Ok(0..10));
        for wrong in ["3", "3..", "3-5", "5..3", "3..3", "-1..4", "a..b", ""] {
            assert!(row_range(wrong).is_err(), "{wrong}");
        }
    }
}
