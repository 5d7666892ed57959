//! The binary format of the SPNC compiler (and xspn): a Cap'n Proto message.
//!
//! Read are unpacked messages of any number of segments, with far pointers; written is one segment.
//! A message holds a model, or a query about one; SPNC compiles queries, so queries are written, with
//! the error that SPNC's own examples ask for. Leaves are `Gaussian` and `Categorical`; histograms
//! are refused: circuits have no such family.
//!
//! | struct | words of data and pointers | fields |
//! |---|---|---|
//! | `Header` | 1, 1 | u16 at 0: 0 model, 1 query; pointer 0 to it |
//! | `Query` | 2, 1 | i32 at 0 batch size, u16 at 4 kind of error, f64 at 8 error; pointer 0 joint probability |
//! | `JointProbability` | 1, 1 | bit 0 marginals; pointer 0 model |
//! | `Model` | 1, 4 | i32 at 0 root, i32 at 4 variables; name, type of features, scope, nodes |
//! | `Node` | 1, 1 | i32 at 0 id, bit 32 root, u16 at 6: 0 product, 1 sum, 2 histogram, 3 Gaussian, 4 categorical; pointer 0 |
//! | `Product` | 0, 1 | ids of the children |
//! | `Sum` | 0, 2 | ids of the children, weights |
//! | `Gaussian` | 3, 0 | f64 at 0 mean, f64 at 8 deviation, i32 at 16 variable |
//! | `Categorical` | 1, 1 | i32 at 0 variable; probabilities |

mod message;
mod read;
#[cfg(test)]
mod tests;
mod write;

use super::Format;

const NAME: &str = "spnc";

/// SPNC's binary format in the list of formats.
pub(super) static FORMAT: Format = Format {
    name: NAME,
    title: "models of the SPNC compiler, Cap'n Proto",
    extensions: &["spnc", "bin"],
    recognise: message::is_message,
    read: Some(|bytes| Ok(read::read(bytes)?)),
    write: Some(write::write),
};
