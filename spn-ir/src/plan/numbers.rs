//! How the values of a slot are represented while a tile runs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How values are represented.
///
/// A slot of leaves may stay in logarithms until the sum that reads it needs linear values: then
/// one exponential is enough for a whole product. Everything above is linear, which needs no
/// exponentials and no logarithms at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Numbers {
    /// Natural logarithms.
    Log,
    /// Linear values times a power of two that the units of a block and a sample share.
    Scaled,
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Log => "log",
            Self::Scaled => "scaled",
        })
    }
}
