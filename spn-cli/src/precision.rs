//! Single and double precision: how commands are written once and run in both.
//!
//! In: a table of `f32` and the choice of the user. Out: rows, executables and files of numbers in
//! that precision.

use clap::ValueEnum;
use spn_ir::container;
use spn_runtime::Number;

use crate::data::npy::Values;

/// In which precision a network runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// Single: the fast one, in which networks of layers are trained.
    #[default]
    F32,
    /// Double, for circuits whose exact values matter.
    F64,
}

impl Precision {
    /// How parameters are stored that were computed in this precision.
    #[must_use]
    pub fn stored(self) -> container::Precision {
        match self {
            Self::F32 => container::Precision::Single,
            Self::F64 => container::Precision::Double,
        }
    }
}

/// Numbers that commands compute with.
pub(crate) trait Real: Number {
    /// The precision of these numbers.
    const PRECISION: Precision;

    /// The values of a table.
    fn from_table(values: Vec<f32>) -> Vec<Self>;

    /// Values to write to a file.
    fn to_file(values: &[Self]) -> Values<'_>;

    /// A value, rounded to this precision.
    fn from_double(value: f64) -> Self {
        spn_runtime::simd::Real::from_f64(value)
    }

    /// One value in double precision.
    fn double(self) -> f64 {
        spn_runtime::simd::Real::to_f64(self)
    }

    /// One value in single precision, for pictures.
    fn single(self) -> f32 {
        self.double() as f32
    }
}

impl Real for f32 {
    const PRECISION: Precision = Precision::F32;

    fn from_table(values: Vec<f32>) -> Vec<Self> {
        values
    }

    fn to_file(values: &[Self]) -> Values<'_> {
        values.into()
    }
}

impl Real for f64 {
    const PRECISION: Precision = Precision::F64;

    fn from_table(values: Vec<f32>) -> Vec<Self> {
        values.into_iter().map(Self::from).collect()
    }

    fn to_file(values: &[Self]) -> Values<'_> {
        values.into()
    }
}

/// Calls `$call::<f32>` or `$call::<f64>`.
macro_rules! in_precision {
    ($precision:expr, $number:ident => $call:expr) => {
        match $precision {
            $crate::precision::Precision::F32 => {
                type $number = f32;
                $call
            }
            $crate::precision::Precision::F64 => {
                type $number = f64;
                $call
            }
        }
    };
}
pub(crate) use in_precision;
