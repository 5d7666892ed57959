//! Reading an initialiser from a layer file.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::named::Named;

use super::{Initializer, KMeans};

/// Every name, for messages.
pub(super) const NAMES: &[&str] = &[
    "Dirichlet",
    "EpsilonInverseFanIn",
    "Equidistant",
    "TruncatedNormal",
    "RandomNormal",
    "RandomUniform",
    "Constant",
    "Zeros",
    "Ones",
    "GlorotUniform",
    "GlorotNormal",
    "KMeans",
    "PoonDomingosMeanOfQuantileSplit",
    "PoonDomingosStddevOfQuantileSplit",
    "RandomRows",
    "Value",
];

/// Reads `"Name"` or `{"name": "Name", options…}`. Capitals and underscores of the name do not
/// matter; unknown names and options are errors. Works with self-describing formats only (JSON).
impl<'de> Deserialize<'de> for Initializer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn read(value: Value) -> Result<Initializer, String> {
    let mut named = Named::read("initializer", value)?;
    let initializer = match named.key().as_str() {
        "dirichlet" => Initializer::Dirichlet {
            axis: named.option("axis", -2)?,
            alpha: named.option("alpha", 0.1)?,
        },
        "epsiloninversefanin" => Initializer::EpsilonInverseFanIn {
            axis: named.option("axis", -2)?,
            epsilon: named.option("epsilon", 1e-4)?,
        },
        "equidistant" => Initializer::Equidistant {
            minval: named.option("minval", 0.0)?,
            maxval: named.option("maxval", 1.0)?,
        },
        "truncatednormal" => Initializer::TruncatedNormal {
            mean: named.option("mean", 0.0)?,
            stddev: named.option("stddev", 0.05)?,
        },
        "randomnormal" => Initializer::RandomNormal {
            mean: named.option("mean", 0.0)?,
            stddev: named.option("stddev", 0.05)?,
        },
        "randomuniform" => Initializer::RandomUniform {
            minval: named.option("minval", -0.05)?,
            maxval: named.option("maxval", 0.05)?,
        },
        "constant" => Initializer::Constant { value: named.option("value", 0.0)? },
        "zeros" => Initializer::Zeros,
        "ones" => Initializer::Ones,
        "glorotuniform" => Initializer::GlorotUniform,
        "glorotnormal" => Initializer::GlorotNormal,
        "kmeans" => Initializer::KMeans(KMeans::read(&mut named)?),
        "poondomingosmeanofquantilesplit" => Initializer::PoonDomingosMeanOfQuantileSplit,
        "poondomingosstddevofquantilesplit" => Initializer::PoonDomingosStddevOfQuantileSplit {
            minimum: named.option("minimum", 1e-4)?,
        },
        "randomrows" => Initializer::RandomRows,
        "value" => Initializer::Value { values: named.required("values")? },
        _ => return Err(named.unknown(NAMES)),
    };
    named.finish()?;
    Ok(initializer)
}
