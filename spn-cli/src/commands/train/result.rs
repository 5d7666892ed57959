//! What a training leaves: the model's file and the answer.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use spn_runtime::learn::{End, FitOptions, Fitted};

use crate::format::{duration, facts, per_second, rate};
use crate::model::{LoadedModel, ModelKind, network_file};
use crate::output::write_atomically;
use crate::precision::Precision;
use crate::training::{epoch_json, training_json};
use crate::{Answer, Failure};

/// A training that is over.
pub(super) struct Trained<'a> {
    pub(super) options: &'a FitOptions,
    pub(super) fitted: &'a Fitted,
    /// Rows of an epoch.
    pub(super) rows: usize,
    /// Time of this run.
    pub(super) seconds: f64,
    /// The model's file.
    pub(super) out: &'a Path,
    /// All files.
    pub(super) files: &'a [PathBuf],
}

impl Trained<'_> {
    /// What the command answers.
    pub(super) fn answer(&self) -> Answer {
        let epochs = &self.fitted.epochs;
        let training: f64 = epochs.iter().map(|epoch| epoch.training_time.as_secs_f64()).sum();
        let seen = self.rows * epochs.len();
        let mut lines = vec![
            ("objective", self.options.objective.name().to_owned()),
            ("epochs", epochs.len().to_string()),
            ("time", duration(self.seconds)),
            ("rows per second", rate(seen, training)),
        ];
        lines.extend(self.kept_lines());
        for file in self.files {
            lines.push(("written to", file.display().to_string()));
        }
        let json = json!({
            "epochs": epochs.iter().map(epoch_json).collect::<Vec<_>>(),
            "kept_epoch": self.fitted.kept,
            "stopped_early": self.fitted.end == End::NoImprovement,
            "out": self.out,
            "files": self.files,
            "training": training_json(self.options),
            "rows": self.rows,
            "rows_per_s": per_second(seen, training),
            "seconds": self.seconds,
        });
        Answer::new(json, facts(lines))
    }

    /// The figures of the epoch whose parameters the model has.
    fn kept_lines(&self) -> Vec<(&'static str, String)> {
        let epochs = &self.fitted.epochs;
        let Some(kept) = epochs.iter().find(|epoch| Some(epoch.epoch) == self.fitted.kept) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        if kept.epoch != epochs.len() {
            lines.push(("best epoch", kept.epoch.to_string()));
        }
        lines.push(("training loss", format!("{:.4}", kept.train)));
        if let Some(valid) = kept.valid {
            lines.push(("validation loss", format!("{:.4}", valid.loss)));
            let accuracy = valid.accuracy.map(|a| format!("{:.2} %", a * 100.0));
            lines.extend(accuracy.map(|text| ("validation accuracy", text)));
        }
        lines
    }
}

/// Notes how the model was trained. No times: equal trainings give equal files.
pub(super) fn set_training(model: &mut LoadedModel, options: &FitOptions) {
    let training: Option<Value> = Some(training_json(options));
    match &mut model.kind {
        ModelKind::Layers(layers) => layers.network.training = training,
        ModelKind::Dynamic(dynamic) => dynamic.network.training = training,
        ModelKind::Circuit(_) | ModelKind::Plan(_) => {}
    }
}

/// Writes a model: networks as `.spnb`, circuits as `.spn` text.
pub(super) fn write_model(
    path: &Path,
    model: &LoadedModel,
    precision: Precision,
) -> Result<(), Failure> {
    if let Some(written) = network_file::write(path, &model.kind, precision) {
        return Ok(written?);
    }
    let text = spn_ir::text::print(&model.circuit(None)?);
    Ok(write_atomically(path, |writer| writer.write_all(text.as_bytes()))?)
}
