//! The `training` object of a layer file.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use spn_runtime::learn::{Batch, Objective};

use super::names::{self, FULL, KeepName, MethodName};
use crate::Failure;

/// What it may say; everything is optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TrainingObject {
    pub(super) objective: Option<Objective>,
    method: Option<String>,
    pub(super) learning_rate: Option<f64>,
    pub(super) momentum: Option<f64>,
    pub(super) nesterov: bool,
    #[serde(deserialize_with = "batch")]
    pub(super) batch: Option<Batch>,
    pub(super) epochs: Option<usize>,
    pub(super) seed: Option<u64>,
    pub(super) patience: Option<usize>,
    pub(super) keep: Option<KeepName>,
}

impl TrainingObject {
    /// Reads the object, if there is one.
    pub(super) fn read(object: Option<&Value>) -> Result<Self, Failure> {
        let Some(object) = object else { return Ok(Self::default()) };
        Self::deserialize(object)
            .map_err(|error| Failure::misuse(format!("the layer file's `training`: {error}")))
    }

    /// The method it names.
    pub(super) fn method(&self) -> Result<Option<MethodName>, Failure> {
        let Some(name) = &self.method else { return Ok(None) };
        MethodName::parse(name).map(Some).ok_or_else(|| {
            Failure::misuse(format!(
                "the layer file asks for the training method `{name}`, which this version does not \
                 have; give --method with one of {}",
                MethodName::all()
            ))
        })
    }
}

/// A number of rows, or the word for all of them.
fn batch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Batch>, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::String(word) if word == FULL => word,
        other => other.to_string(),
    };
    names::batch(&text).map(Some).map_err(serde::de::Error::custom)
}

/// A batch as the object says it.
pub(super) fn batch_json(batch: Batch) -> Value {
    match batch {
        Batch::Rows(rows) => Value::from(rows),
        Batch::Full => Value::from(FULL),
    }
}
