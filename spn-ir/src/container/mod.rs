//! The binary file `.spnb`: a structure, parameters as raw arrays, and a checksum.
//!
//! In and out: a *structure* of any serde type, the [`Parameters`] beside it,
//! and the bytes of a file. The arrays lie aligned and little-endian in the file, so that other
//! programs can map them. `docs/format-spnb.md` describes the format byte by byte.
//!
//! Reading trusts nothing: every length is compared with the bytes that are there before memory
//! is taken, and a damaged file is an error that says at which byte.
//!
//! ```
//! use spn_ir::container::{Kind, Precision, read_container, sniff, write_container};
//! use spn_ir::{Parameter, Parameters};
//!
//! let mut parameters = Parameters::default();
//! parameters.add(Parameter::new("3/sum_weights", vec![2, 1], vec![0.25, 0.75]));
//! let mut file = Vec::new();
//! let structure = "any type that implements serde".to_owned();
//! write_container(&mut file, Kind::Network, Precision::Double, &structure, &parameters)?;
//! assert_eq!(sniff(&file), Some(Kind::Network));
//! assert_eq!(read_container(&file, Kind::Network)?, (structure, parameters));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod circuit;
mod error;
mod header;
#[cfg(test)]
mod mutations;
mod plan;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use circuit::{read_circuit, write_circuit};
pub use error::ContainerError;
pub use header::{Kind, Precision, sniff};
pub use plan::{read_plan, write_plan};
pub use read::read_container;
pub use write::write_container;

use serde::{Deserialize, Serialize};

use crate::{Constraint, Parameters};

/// Arrays begin at multiples of this, for mapped files and vector loads.
const ALIGNMENT: usize = 64;

/// Bytes of the checksum at the end.
const CHECKSUM_LENGTH: usize = 4;

/// What the file says of a parameter beside its values.
#[derive(Serialize, Deserialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    trainable: bool,
    constraint: Option<Constraint>,
}

/// The tensor table: the parameters without their values, in order.
fn tensors(parameters: &Parameters) -> Vec<Tensor> {
    let tensor = |parameter: &crate::Parameter| Tensor {
        name: parameter.name.clone(),
        shape: parameter.shape.clone(),
        trainable: parameter.trainable,
        constraint: parameter.constraint,
    };
    parameters.iter().map(|(_, parameter)| tensor(parameter)).collect()
}

/// How many values a tensor of this shape has. `None` if that, with axes of length 0 counted as
/// 1, is more than any memory holds: later arithmetic on the lengths must not overflow.
fn count(shape: &[usize]) -> Option<usize> {
    let bound = shape.iter().try_fold(size_of::<f64>(), |bound, &n| bound.checked_mul(n.max(1)));
    bound.map(|_| shape.iter().product())
}
