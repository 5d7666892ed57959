//! `spn train`: fits a network's parameters to data.
//!
//! In: MODEL, DATA, perhaps labels and validation data. Out: a trained model.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::json;
use spn_compiler::Options;
use spn_ir::layers::TrainingData;
use spn_runtime::Executable;
use spn_runtime::learn::Epoch;

use crate::arguments::{DataArguments, ModelArguments, PrecisionArguments, row_range};
use crate::data::{self, Table};
use crate::format::{duration, facts, per_second, rate, thousands};
use crate::model::{LoadOptions, LoadedModel, ModelKind, network_file};
use crate::output::{OutputError, write_atomically};
use crate::picture::png;
use crate::precision::{Precision, Real, in_precision};
use crate::prepared::{Rows, read_labels};
use crate::training::{
    Examples, TrainingArguments, TrainingOptions, check_trainable, draw_curve, epoch_json, train,
    write_history,
};
use crate::{Answer, Failure, Session};

/// Trains a network on data and writes the trained model.
///
/// Gradients of the objective come from the compiled reverse pass; after each step the parameters
/// are projected so that the network stays valid. What the command line leaves open is taken from
/// the layer file's `training` object. The trained model (.spnb; of a circuit file its .spn text)
/// can be given wherever a MODEL is wanted, also to train on.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  spn train examples/dgc_spn_mnist.json \
    --data train-images-idx3-ubyte.gz --labels train-labels-idx1-ubyte.gz \
    --rows 0..55000 --valid-rows 55000..60000 --epochs 5 --out model.spnb")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    /// The class of each row, from 0: a file of the same kinds as DATA.
    #[arg(long, value_name = "DATA")]
    labels: Option<String>,
    /// Rows to measure the quality on after each epoch; with --valid-rows alone, of DATA.
    #[arg(long, value_name = "DATA")]
    valid_data: Option<String>,
    /// Their classes; default --labels, if --valid-data is left out, too.
    #[arg(long, value_name = "DATA", requires = "valid_data")]
    valid_labels: Option<String>,
    /// Which rows to measure the quality on.
    #[arg(long, value_name = "A..B", value_parser = row_range)]
    valid_rows: Option<Range<usize>>,
    /// Where to write the trained model.
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Draw the learning curve.
    #[arg(long, value_name = "F.png")]
    curve: Option<PathBuf>,
    /// Write losses, accuracy and seconds of each epoch.
    #[arg(long, value_name = "F.csv|F.json")]
    history: Option<PathBuf>,
    #[command(flatten)]
    training: TrainingArguments,
    #[command(flatten)]
    precision: PrecisionArguments,
}

/// What a training works on.
struct Training {
    model: LoadedModel,
    options: TrainingOptions,
    table: Table,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// If something cannot be read or does not fit, the loss becomes NaN, or a file cannot be
    /// written.
    pub fn run(&self, session: &Session) -> Result<Answer, Failure> {
        self.check_folders()?;
        let table = data::read(&self.data.data, self.data.rows.clone())?;
        let rows = TrainingData::from_f32(&table.values, table.columns);
        let options = LoadOptions { seed: session.seed, data: Some(rows) };
        let model = LoadedModel::read(&self.model.model, options)?;
        model.check_columns(&self.data.data, table.columns)?;
        check_trainable(&model)?;
        let labels = self.labels.is_some();
        let options =
            TrainingOptions::decide(&self.training, model.training(), session.seed, labels)?;
        let precision = self.precision.precision.unwrap_or(model.precision);
        let training = Training { model, options, table };
        in_precision!(precision, E => self.train::<E>(training, session))
    }

    /// Training may take hours: that a folder is missing must show before.
    fn check_folders(&self) -> Result<(), Failure> {
        let paths = [Some(&self.out), self.curve.as_ref(), self.history.as_ref()];
        for path in paths.into_iter().flatten() {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
                let (path, folder) = (path.clone(), folder.to_owned());
                return Err(OutputError::NoFolder { path, folder }.into());
            }
            if path.is_dir() {
                return Err(OutputError::IsFolder { path: path.clone() }.into());
            }
        }
        Ok(())
    }

    fn train<E: Real>(&self, training: Training, session: &Session) -> Result<Answer, Failure> {
        let Training { mut model, options, table } = training;
        let allow_invalid = self.model.allow_invalid;
        let compiler = Options { allow_invalid, dropout: true, ..Options::default() };
        let start = Instant::now();
        let plan = model.plan(Some(table.columns), &compiler)?;
        let compiled = duration(start.elapsed().as_secs_f64());
        let mut executable: Executable<E> = session.executable(plan)?;
        let classes = executable.classes();
        let valid = self.validation::<E>(&model, classes)?;
        let (count, columns) = (table.rows, table.columns);
        let labels = self.labels.as_ref();
        let range = self.data.rows.as_ref();
        let labels = labels.map(|file| read_labels(file, range, count, classes)).transpose()?;
        let rows = Rows { values: E::from_table(table.values), columns };
        let trainable = executable.plan().parameters.trainable_values();
        session.say(&format!(
            "{}: compiled in {compiled}; {} rows, {} trainable parameters, {}, {} {:?}",
            model.path.display(),
            thousands(count as u64),
            thousands(trainable as u64),
            options.objective.name(),
            options.method.name(),
            options.learning_rate
        ));
        let examples = Examples { rows, labels, row_weights: None };
        let start = Instant::now();
        let epochs = train(&mut executable, &examples, valid.as_ref(), &options, session)?.epochs;
        let seconds = start.elapsed().as_secs_f64();
        executable.write_parameters(model.parameters_mut())?;
        set_training(&mut model, &options);
        if !allow_invalid {
            model.plan(Some(columns), &Options::default())?;
        }
        let files = self.write(&model, E::PRECISION, &options, &epochs)?;
        Ok(self.answer(&options, &epochs, (count, seconds), &files))
    }

    /// The validation rows, if any are asked for.
    fn validation<E: Real>(
        &self,
        model: &LoadedModel,
        classes: usize,
    ) -> Result<Option<Examples<E>>, Failure> {
        let (file, labels) = match (&self.valid_data, &self.valid_rows) {
            (None, None) => return Ok(None),
            (Some(file), _) => (file, &self.valid_labels),
            (None, Some(_)) => (&self.data.data, &self.labels),
        };
        if labels.is_none() && self.labels.is_some() {
            return Err(Failure::misuse(
                "--valid-data needs --valid-labels, as there are --labels",
            ));
        }
        let rows = self.valid_rows.as_ref();
        let table = data::read(file, rows.cloned())?;
        model.check_columns(file, table.columns)?;
        let count = table.rows;
        let labels = labels.as_ref();
        let labels = labels.map(|file| read_labels(file, rows, count, classes)).transpose()?;
        let rows = Rows { values: E::from_table(table.values), columns: table.columns };
        Ok(Some(Examples { rows, labels, row_weights: None }))
    }

    /// Writes the model and what else was asked for.
    fn write(
        &self,
        model: &LoadedModel,
        precision: Precision,
        options: &TrainingOptions,
        epochs: &[Epoch],
    ) -> Result<Vec<PathBuf>, Failure> {
        write_model(&self.out, model, precision)?;
        let mut files = vec![self.out.clone()];
        if let Some(path) = &self.curve {
            let title = model.name().unwrap_or("Training");
            let label = format!("{} loss", options.objective.name());
            png::write(path, &draw_curve(title, &label, epochs)?)?;
            files.push(path.clone());
        }
        if let Some(path) = &self.history {
            write_history(path, epochs)?;
            files.push(path.clone());
        }
        Ok(files)
    }

    fn answer(
        &self,
        options: &TrainingOptions,
        epochs: &[Epoch],
        (rows, seconds): (usize, f64),
        files: &[PathBuf],
    ) -> Answer {
        let training: f64 = epochs.iter().map(|epoch| epoch.training_time.as_secs_f64()).sum();
        let seen = rows * epochs.len();
        let mut lines = vec![
            ("objective", options.objective.name().to_owned()),
            ("epochs", epochs.len().to_string()),
            ("time", duration(seconds)),
            ("rows per second", rate(seen, training)),
        ];
        if let Some(last) = epochs.last() {
            lines.push(("training loss", format!("{:.4}", last.train)));
            if let Some(valid) = last.valid {
                lines.push(("validation loss", format!("{:.4}", valid.loss)));
                let accuracy = valid.accuracy.map(|a| format!("{:.2} %", a * 100.0));
                lines.extend(accuracy.map(|text| ("validation accuracy", text)));
            }
        }
        for file in files {
            lines.push(("written to", file.display().to_string()));
        }
        let json = json!({
            "epochs": epochs.iter().map(epoch_json).collect::<Vec<_>>(),
            "out": self.out,
            "files": files,
            "training": options.to_json(),
            "rows": rows,
            "rows_per_s": per_second(seen, training),
            "seconds": seconds,
        });
        Answer::new(json, facts(lines))
    }
}

/// Notes how the model was trained.
fn set_training(model: &mut LoadedModel, options: &TrainingOptions) {
    let training = Some(options.to_json());
    match &mut model.kind {
        ModelKind::Layers(layers) => layers.network.training = training,
        ModelKind::Dynamic(dynamic) => dynamic.network.training = training,
        ModelKind::Circuit(_) | ModelKind::Plan(_) => {}
    }
}

/// Writes a model: networks as `.spnb`, circuits as `.spn` text.
fn write_model(path: &Path, model: &LoadedModel, precision: Precision) -> Result<(), Failure> {
    if let Some(written) = network_file::write(path, &model.kind, precision) {
        return Ok(written?);
    }
    let text = spn_ir::text::print(&model.circuit(None)?);
    Ok(write_atomically(path, |writer| writer.write_all(text.as_bytes()))?)
}
