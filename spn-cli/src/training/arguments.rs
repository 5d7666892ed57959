//! What the command line and the `training` object of a layer file may say of a training.
//!
//! One structure for both: an option is a field here, with its help; what it means is decided in
//! [`decide`](super::decide).

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;
use spn_runtime::learn::{Batch, Prior, Schedule};

use super::names::{self, KeepName, MethodName, ObjectiveName};

/// How to train.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[command(next_help_heading = "How to train")]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TrainingArguments {
    /// What is minimised; default generative, with labels discriminative (for em: joint).
    #[arg(long, value_name = "NAME")]
    pub(crate) objective: Option<ObjectiveName>,
    /// The share of -log p(row) in the hybrid objective, from 0 to 1; default 0.5.
    #[arg(long, value_name = "SHARE")]
    pub(crate) generative_share: Option<f64>,
    /// How parameters change; default adam.
    #[arg(long, value_name = "NAME")]
    pub(crate) method: Option<MethodName>,
    /// The step size; default 0.01, for em 0.05 or, with full batches, 1.
    #[arg(long, value_name = "RATE")]
    pub(crate) learning_rate: Option<f64>,
    /// How the step size changes: constant, cosine, polynomial, step:every=500,factor=0.5 or
    /// exponential:every=500.
    #[arg(long, value_name = "NAME[:OPTION=VALUE,..]", value_parser = names::schedule)]
    #[serde(deserialize_with = "names::schedule_of_file")]
    pub(crate) schedule: Option<Schedule>,
    /// Steps over which the step size first rises; default 0.
    #[arg(long, value_name = "STEPS")]
    pub(crate) warm_up: Option<u64>,
    /// Rows of a step, or full: all rows in each; default 128.
    #[arg(long, value_name = "ROWS|full", value_parser = names::batch)]
    #[serde(deserialize_with = "names::batch_of_file")]
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
    /// In files only: the seed.
    #[arg(skip)]
    pub(crate) seed: Option<u64>,
    /// Of sgd: how much of the last step is added to the next one; of em: how much of the last
    /// average of counts is kept. Default 0.
    #[arg(long, value_name = "M")]
    pub(crate) momentum: Option<f64>,
    /// Of sgd: look ahead along the momentum.
    #[arg(long)]
    pub(crate) nesterov: bool,
    /// Of adamw: what parameters lose in each step, times the step size; default 0.004.
    #[arg(long, value_name = "DECAY")]
    pub(crate) weight_decay: Option<f64>,
    /// Of gradients: the largest Euclidean norm of all of them.
    #[arg(long, value_name = "NORM")]
    pub(crate) clip_norm: Option<f64>,
    /// Of gradients: the largest magnitude of each.
    #[arg(long, value_name = "VALUE")]
    pub(crate) clip_value: Option<f64>,
    /// Of gradients: the factor of the sum of the sums' absolute weights, added to the loss.
    #[arg(long, value_name = "FACTOR")]
    pub(crate) l1: Option<f64>,
    /// Of gradients: the factor of the sum of the sums' squared weights, added to the loss.
    #[arg(long, value_name = "FACTOR")]
    pub(crate) l2: Option<f64>,
    /// Of gradients: the factor of the entropies of the sums' weights, taken off the loss.
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true)]
    pub(crate) entropy: Option<f64>,
    /// Of hard em: how often a sum's input is drawn instead of the largest one; default 0.
    #[arg(long, value_name = "P")]
    pub(crate) sample_probability: Option<f64>,
    /// Of em: batches whose signals are averaged before the parameters change; default 1.
    #[arg(long, value_name = "N")]
    pub(crate) accumulate_batches: Option<u32>,
    /// Of em: uses that each weight and each state has in every batch before any row; default 0.
    #[arg(long, value_name = "USES")]
    pub(crate) pseudocount: Option<f64>,
    /// Of em: the least scale of leaves; default 0.001.
    #[arg(long, value_name = "SCALE")]
    pub(crate) minimum_scale: Option<f64>,
    /// Of em: weights that are 0 stay 0.
    #[arg(long)]
    pub(crate) keep_zeros: bool,
    /// In files only, of em: rows that leaves have seen before.
    #[arg(skip)]
    pub(crate) prior: Option<Prior>,
}

impl TrainingArguments {
    /// What the command line says or, where it is silent, the file. If it names another method than
    /// the file, the file's options of its own method do not count, the step size among them.
    pub(super) fn or(self, file: Self) -> Self {
        let same = self.method.is_none() || self.method == Some(file.method.unwrap_or_default());
        let file = if same { file } else { file.without_method() };
        Self {
            objective: self.objective.or(file.objective),
            generative_share: self.generative_share.or(file.generative_share),
            method: self.method.or(file.method),
            learning_rate: self.learning_rate.or(file.learning_rate),
            schedule: self.schedule.or(file.schedule),
            warm_up: self.warm_up.or(file.warm_up),
            batch: self.batch.or(file.batch),
            epochs: self.epochs.or(file.epochs),
            patience: self.patience.or(file.patience),
            keep: self.keep.or(file.keep),
            seed: self.seed.or(file.seed),
            momentum: self.momentum.or(file.momentum),
            nesterov: self.nesterov || file.nesterov,
            weight_decay: self.weight_decay.or(file.weight_decay),
            clip_norm: self.clip_norm.or(file.clip_norm),
            clip_value: self.clip_value.or(file.clip_value),
            l1: self.l1.or(file.l1),
            l2: self.l2.or(file.l2),
            entropy: self.entropy.or(file.entropy),
            sample_probability: self.sample_probability.or(file.sample_probability),
            accumulate_batches: self.accumulate_batches.or(file.accumulate_batches),
            pseudocount: self.pseudocount.or(file.pseudocount),
            minimum_scale: self.minimum_scale.or(file.minimum_scale),
            keep_zeros: self.keep_zeros || file.keep_zeros,
            prior: self.prior.or(file.prior),
        }
    }

    /// Only what holds for any method.
    fn without_method(self) -> Self {
        Self {
            objective: self.objective,
            generative_share: self.generative_share,
            batch: self.batch,
            epochs: self.epochs,
            patience: self.patience,
            keep: self.keep,
            seed: self.seed,
            ..Self::default()
        }
    }
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
