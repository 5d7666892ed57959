//! The words users choose from: on the command line and in the `training` object of layer files.

use clap::ValueEnum;
use serde::Deserialize;
use spn_runtime::learn::{Batch, Keep, Objective};

/// How parameters change, as users name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodName {
    /// Adam.
    #[default]
    Adam,
    /// Gradient descent.
    Sgd,
    /// RMSprop.
    #[value(name = "rmsprop")]
    RmsProp,
}

impl MethodName {
    /// The name users write.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Adam => "adam",
            Self::Sgd => "sgd",
            Self::RmsProp => "rmsprop",
        }
    }

    /// The method of this name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::value_variants().iter().copied().find(|method| method.name() == name)
    }

    /// All names, as a message lists them.
    pub(super) fn all() -> String {
        let names: Vec<&str> = Self::value_variants().iter().map(|method| method.name()).collect();
        names.join(", ")
    }
}

/// What training minimises, as users name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ObjectiveName {
    /// The distribution of the rows: the mean of -log p(row). Needs no labels.
    Generative,
    /// That of rows and labels: the mean of -log p(row, label).
    Joint,
    /// The classifier: the mean of -log p(label | row).
    Discriminative,
}

impl From<ObjectiveName> for Objective {
    fn from(name: ObjectiveName) -> Self {
        match name {
            ObjectiveName::Generative => Self::Generative,
            ObjectiveName::Joint => Self::Joint,
            ObjectiveName::Discriminative => Self::Discriminative,
        }
    }
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

/// The batch of all rows, as users name it.
pub(super) const FULL: &str = "full";
