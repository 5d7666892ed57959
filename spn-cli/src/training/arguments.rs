//! What the command line may say of a training.

use std::path::PathBuf;

use clap::Args;
use spn_runtime::learn::Batch;

use super::names::{KeepName, MethodName, ObjectiveName, batch};

/// How to train.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "How to train")]
pub(crate) struct TrainingArguments {
    /// What is minimised; default discriminative with labels, else generative.
    #[arg(long, value_name = "NAME")]
    pub(crate) objective: Option<ObjectiveName>,
    /// How parameters change; default adam.
    #[arg(long, value_name = "NAME")]
    pub(crate) method: Option<MethodName>,
    /// The step size; default 0.01.
    #[arg(long, value_name = "RATE")]
    pub(crate) learning_rate: Option<f64>,
    /// Momentum of sgd; default 0.
    #[arg(long, value_name = "M")]
    pub(crate) momentum: Option<f64>,
    /// Look ahead with sgd's momentum (Nesterov).
    #[arg(long)]
    pub(crate) nesterov: bool,
    /// Rows of a step, or full: all rows in each; default 128.
    #[arg(long, value_name = "ROWS|full", value_parser = batch)]
    pub(crate) batch: Option<Batch>,
    /// How often every row is seen; default 10.
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<usize>,
    /// Stop after N epochs in a row without a lower validation loss than before.
    #[arg(long, value_name = "N")]
    pub(crate) patience: Option<usize>,
    /// Which parameters to write; default best with --patience, else last.
    #[arg(long, value_name = "NAME")]
    pub(crate) keep: Option<KeepName>,
}

/// How to save a training and go on with it.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Long trainings")]
pub(crate) struct CheckpointArguments {
    /// Save the training in this folder after every epoch, and within long epochs every minute. It
    /// is made if it is missing; each training needs one of its own.
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Go on from the checkpoint in DIR, to the same model as if the training had never stopped.
    /// Model, data and options must be the same, but there may be more --epochs. Without a
    /// checkpoint in DIR training starts from the beginning.
    #[arg(long, requires = "checkpoint")]
    pub(crate) resume: bool,
    /// The longest time between two checkpoints; default 60, 0 for one after every step.
    #[arg(long, value_name = "SECONDS", requires = "checkpoint")]
    pub(crate) checkpoint_seconds: Option<u64>,
}
