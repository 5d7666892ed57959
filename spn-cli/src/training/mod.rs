//! Training as `spn train` and `spn demo` do it: options, the run with its progress, what is
//! written while it runs.

mod arguments;
mod checkpoint;
mod decide;
mod history;
mod method;
mod names;
mod progress;
mod records;
mod run;
mod trainable;

pub(crate) use arguments::{CheckpointArguments, TrainingArguments};
pub(crate) use checkpoint::Facts;
pub(crate) use decide::{Given, decide, training_json};
pub(crate) use history::{draw_curve, epoch_json};
pub(crate) use names::MethodName;
pub(crate) use records::{CurveFile, Records};
pub(crate) use run::{Examples, Run};
pub(crate) use trainable::check_trainable;
