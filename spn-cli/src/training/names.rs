//! The words users choose from: on the command line and in the `training` object of layer files.

use clap::ValueEnum;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use spn_runtime::Counting;
use spn_runtime::learn::{Batch, Keep, Method, Schedule};

/// How parameters change, as users name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MethodName {
    /// Adam.
    #[default]
    Adam,
    /// Adam with decoupled weight decay.
    #[value(name = "adamw")]
    #[serde(rename = "adamw")]
    AdamW,
    /// Gradient descent.
    Sgd,
    /// RMSprop.
    #[value(name = "rmsprop")]
    #[serde(rename = "rmsprop")]
    RmsProp,
    /// Expectation maximisation; flows go to all inputs of a sum by their posteriors.
    Em,
    /// ... to the input with the largest weighted value.
    HardEm,
    /// ... to the input with the largest value, one for all sums of a region.
    UnweightedHardEm,
    /// ... to one input drawn from the posterior.
    SampledEm,
}

impl MethodName {
    /// The name users write.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Adam => "adam",
            Self::AdamW => "adamw",
            Self::Sgd => "sgd",
            Self::RmsProp => "rmsprop",
            Self::Em => "em",
            Self::HardEm => "hard-em",
            Self::UnweightedHardEm => "unweighted-hard-em",
            Self::SampledEm => "sampled-em",
        }
    }

    /// Whether it is expectation maximisation.
    pub(crate) fn counts(self) -> bool {
        matches!(self, Self::Em | Self::HardEm | Self::UnweightedHardEm | Self::SampledEm)
    }

    /// The name of a method.
    pub(crate) fn of(method: &Method) -> Self {
        match method {
            Method::AdamW(_) => Self::AdamW,
            Method::Sgd(_) => Self::Sgd,
            Method::RmsProp(_) => Self::RmsProp,
            Method::ExpectationMaximization(em) => match em.counting {
                Counting::Soft => Self::Em,
                Counting::SAMPLED => Self::SampledEm,
                Counting::Hard { .. } => Self::HardEm,
                Counting::UnweightedHard { .. } => Self::UnweightedHardEm,
            },
            _ => Self::Adam,
        }
    }
}

/// What training minimises, as users name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ObjectiveName {
    /// The distribution of the rows: the mean of -log p(row). Needs no labels.
    Generative,
    /// That of rows and labels: the mean of -log p(row, label).
    Joint,
    /// The classifier: the mean of -log p(label | row).
    Discriminative,
    /// Some of the first and the rest of the last, see --generative-share.
    Hybrid,
}

/// Which parameters a training ends with, as users name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeepName {
    /// Those of the epoch with the lowest validation loss.
    Best,
    /// The last ones.
    Last,
}

impl From<KeepName> for Keep {
    fn from(name: KeepName) -> Self {
        match name {
            KeepName::Best => Self::Best,
            KeepName::Last => Self::Last,
        }
    }
}

/// The name of what is kept.
pub(super) fn keep_name(keep: Keep) -> &'static str {
    match keep {
        Keep::Best => "best",
        Keep::Last => "last",
    }
}

/// Reads a number of rows, or `full`.
pub(super) fn batch(text: &str) -> Result<Batch, String> {
    match text.parse() {
        _ if text == FULL => Ok(Batch::Full),
        Ok(rows) if rows > 0 => Ok(Batch::Rows(rows)),
        _ => Err(format!("a batch is a number of rows, at least 1, or `{FULL}`")),
    }
}

/// A number of rows, or the word for all of them.
pub(super) fn batch_of_file<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Batch>, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::String(word) if word == FULL => word,
        other => other.to_string(),
    };
    batch(&text).map(Some).map_err(D::Error::custom)
}

/// A batch as a file says it.
pub(super) fn batch_json(batch: Batch) -> Value {
    match batch {
        Batch::Rows(rows) => Value::from(rows),
        Batch::Full => Value::from(FULL),
    }
}

/// Reads a schedule: `NAME` or `NAME:OPTION=NUMBER,...`.
pub(super) fn schedule(text: &str) -> Result<Schedule, String> {
    let (name, options) = text.split_once(':').unwrap_or((text, ""));
    let mut object = Map::new();
    object.insert("name".to_owned(), Value::from(name));
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let (name, number) = option.split_once('=').unwrap_or((option, ""));
        let number: Value = serde_json::from_str(number)
            .map_err(|_| format!("`{option}` is not OPTION=NUMBER, for example every=500"))?;
        object.insert(name.to_owned(), number);
    }
    Schedule::deserialize(Value::Object(object))
        .map_err(|error| format!("{error}; write it like step:every=500,factor=0.5"))
}

/// A schedule as an object or, if it needs no options, by its name.
pub(super) fn schedule_of_file<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Schedule>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(name) => schedule(&name).map(Some).map_err(D::Error::custom),
        object => Schedule::deserialize(object).map(Some).map_err(D::Error::custom),
    }
}

/// The batch of all rows, as users name it.
pub(super) const FULL: &str = "full";
