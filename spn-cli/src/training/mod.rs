//! Training as `spn train` and `spn demo` do it: options, the run with its progress, histories.

mod history;
mod options;
mod progress;
mod run;
mod trainable;

pub(crate) use history::{draw_curve, epoch_json, write_history};
pub(crate) use options::{TrainingArguments, TrainingOptions};
pub(crate) use run::{Examples, train};
pub(crate) use trainable::check_trainable;
