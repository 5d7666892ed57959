//! What the demo found: as JSON and as a page for people.
//!
//! In: the figures, one step after the other. Out: `report.json`, `report.md` and the answer of
//! the command.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use spn_ir::Circuit;
use spn_ir::plan::Plan;
use spn_runtime::learn::{Epoch, FitOptions, Quality};

use super::split::Split;
use crate::format::{duration, number, thousands};
use crate::output::write_atomically;
use crate::training::{epoch_json, training_json};
use crate::{Answer, Failure, Session};

/// The figures so far.
pub(super) struct Report {
    json: Value,
    page: String,
    files: Vec<PathBuf>,
}

impl Report {
    /// A report on these digits.
    pub(super) fn new(split: &Split, session: &Session) -> Self {
        let count = |labels: &Option<Vec<u32>>| labels.as_ref().map_or(0, Vec::len);
        let (train, test) = (count(&split.train.labels), count(&split.test.labels));
        let json = json!({
            "accuracy": Value::Null,
            "log_likelihood": Value::Null,
            "files": [],
            "seed": session.seed(),
            "isa": session.level.to_string(),
            "train_rows": train,
            "test_rows": test,
            "trainings": [],
            "completion_mse": {},
        });
        let page = format!(
            "# A sum-product network reads and completes digits\n\n\
             {} handwritten digits of 8 × 8 pixels were trained on, {test} others (a fifth of each \
             class, chosen by the seed {}) held out. All figures are for the held-out ones.\n\n",
            thousands(train as u64),
            session.seed()
        );
        Self { json, page, files: Vec::new() }
    }

    /// Notes the network and what it was compiled to.
    pub(super) fn network(&mut self, circuit: &Circuit, plan: &Plan, seconds: f64) {
        let parameters = circuit.parameters.trainable_values();
        self.json["nodes"] = json!(circuit.nodes.len());
        self.json["edges"] = json!(circuit.edges());
        self.json["trainable_params"] = json!(parameters);
        self.json["steps"] = json!(plan.steps.len());
        self.json["compile_s"] = json!(seconds);
        self.page.push_str(&format!(
            "The network has {} nodes (blocks of units), {} edges and {} trainable parameters. It \
             is compiled to {} steps in {}. It is trained twice, for two purposes.\n",
            thousands(circuit.nodes.len() as u64),
            thousands(circuit.edges()),
            thousands(parameters as u64),
            plan.steps.len(),
            duration(seconds)
        ));
    }

    /// Notes a training.
    pub(super) fn training(&mut self, title: &str, options: &FitOptions, epochs: &[Epoch]) {
        let seconds: f64 = epochs.iter().map(|epoch| epoch.training_time.as_secs_f64()).sum();
        if let Some(trainings) = self.json["trainings"].as_array_mut() {
            let epochs: Vec<Value> = epochs.iter().map(epoch_json).collect();
            trainings.push(json!({ "training": training_json(options), "epochs": epochs }));
        }
        let loss = epochs.last().map_or(f64::NAN, |epoch| epoch.train);
        self.page.push_str(&format!(
            "\n## {title}\n\n{} epochs with the {} objective, loss {loss:.4}, {}.\n\n",
            epochs.len(),
            options.objective.name(),
            duration(seconds)
        ));
    }

    /// Notes how well the classifier does.
    pub(super) fn accuracy(&mut self, quality: &Quality) {
        let accuracy = quality.accuracy.unwrap_or(0.0);
        self.json["accuracy"] = json!(accuracy);
        self.page.push_str(&format!("**Accuracy {:.2} %**\n\n", accuracy * 100.0));
        self.page.push_str("![Losses of the epochs](learning_curve.png)\n");
    }

    /// Notes how well the digits' distribution fits.
    pub(super) fn log_likelihood(&mut self, quality: &Quality) {
        self.json["log_likelihood"] = number(quality.log_likelihood);
        self.page.push_str(&format!(
            "**Mean log-likelihood {:.2}** (of the scaled pixels)\n\n",
            quality.log_likelihood
        ));
    }

    /// Notes how well one hidden half came back.
    pub(super) fn completion(&mut self, side: &str, mse: f64) {
        self.json["completion_mse"][side] = number(mse);
        self.page.push_str(&format!(
            "* {side} half hidden: mean squared error {mse:.2} (pixels run from 0 to 16)\n"
        ));
    }

    /// Notes a file that was written.
    pub(super) fn file(&mut self, path: PathBuf) {
        self.files.push(path);
    }

    /// Writes the report.
    pub(super) fn write(&mut self, folder: &Path, seconds: f64) -> Result<(), Failure> {
        self.json["seconds"] = json!(seconds);
        let (page, data) = (folder.join("report.md"), folder.join("report.json"));
        self.page.push_str("\n![Digits, what was seen of them, completions](completion.png)\n\n");
        self.page.push_str(&format!("All of it took {}.\n", duration(seconds)));
        self.files.extend([page.clone(), data.clone()]);
        self.json["files"] = json!(self.files);
        write_atomically(&page, |writer| writer.write_all(self.page.as_bytes()))?;
        write_atomically(&data, |writer| writeln!(writer, "{:#}", self.json))?;
        Ok(())
    }

    /// The command's answer.
    pub(super) fn answer(self) -> Answer {
        let accuracy = self.json["accuracy"].as_f64().unwrap_or(0.0) * 100.0;
        let likelihood = self.json["log_likelihood"].as_f64().unwrap_or(f64::NEG_INFINITY);
        let seconds = duration(self.json["seconds"].as_f64().unwrap_or(0.0));
        let mut text = format!(
            "accuracy on held-out digits  {accuracy:.2} %\nmean log-likelihood          \
             {likelihood:.2}\ntime                         {seconds}\n\nwritten:\n"
        );
        for file in &self.files {
            text.push_str(&format!("  {}\n", file.display()));
        }
        Answer::new(self.json, text)
    }
}
