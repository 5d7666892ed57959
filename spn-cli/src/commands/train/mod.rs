//! `spn train`: fits a network's parameters to data.
//!
//! In: MODEL, DATA, perhaps labels, weights and validation data, perhaps a checkpoint. Out: a
//! trained model, and while it trains checkpoints and the history.

mod examples;
mod result;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use spn_compiler::Options;
use spn_ir::layers::TrainingData;
use spn_runtime::Executable;
use spn_runtime::learn::FitOptions;

use crate::arguments::{ModelArguments, PrecisionArguments};
use crate::data::Table;
use crate::format::{duration, thousands};
use crate::model::{LoadOptions, LoadedModel};
use crate::output::OutputError;
use crate::precision::{Real, in_precision};
use crate::training::{
    CheckpointArguments, CurveFile, Facts, MethodName, Records, Run, TrainingArguments,
    check_trainable, decide,
};
use crate::{Answer, Failure, Session};
use examples::ExampleArguments;
use result::{Trained, set_training, write_model};

/// Trains a network on data and writes the trained model.
///
/// Gradients of the objective, or counts for expectation maximisation, come from the compiled reverse
/// pass; after each step the parameters are projected so that the network stays valid. What the
/// command line leaves open is taken from the layer file's `training` object. The trained model (.spnb; of a circuit file its .spn text)
/// can be given wherever a MODEL is wanted, also to train on. A training with --checkpoint DIR can
/// be killed at any moment: the same command with --resume goes on to the same model.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  spn train examples/dgc_spn_mnist.json \
    --data train-images-idx3-ubyte.gz --labels train-labels-idx1-ubyte.gz \
    --rows 0..55000 --valid-rows 55000..60000 --epochs 5 --out model.spnb\n\nA long training, which \
    stops when it gets no better; the same line again goes on after a break:\n  spn train net.json \
    --data train.npy --valid-data valid.npy --epochs 500 --patience 10 --checkpoint run1 --resume \
    --history run1/history.csv --out model.spnb")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    examples: ExampleArguments,
    /// Where to write the trained model.
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Draw the learning curve, at the end and now and then before.
    #[arg(long, value_name = "F.png")]
    curve: Option<PathBuf>,
    /// Write losses, accuracy and seconds of all epochs so far, after each of them; .jsonl has one
    /// JSON line for each.
    #[arg(long, value_name = "F.csv|F.json|F.jsonl")]
    history: Option<PathBuf>,
    // Before the arguments with headings of their own, as those hold for what follows.
    #[command(flatten)]
    precision: PrecisionArguments,
    #[command(flatten)]
    training: TrainingArguments,
    #[command(flatten)]
    checkpoints: CheckpointArguments,
}

/// What a training works on.
struct Training {
    model: LoadedModel,
    options: FitOptions,
    table: Table,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// If something cannot be read or does not fit, the loss becomes NaN, or a file cannot be
    /// written.
    pub fn run(&self, session: &Session) -> Result<Answer, Failure> {
        self.checkpoints.check()?;
        self.check_folders()?;
        let table = self.examples.table()?;
        let rows = TrainingData::from_f32(&table.values, table.columns);
        let options =
            LoadOptions { seed: session.seed, data: Some(rows), ..LoadOptions::default() };
        let model = LoadedModel::read(&self.model.model, options)?;
        model.check_columns(self.examples.data(), table.columns)?;
        let given = self.examples.given();
        let options = decide(&self.training, model.training(), session.seed, given)?;
        check_trainable(&model, &options.method)?;
        let precision = self.precision.precision.unwrap_or(model.precision);
        let training = Training { model, options, table };
        in_precision!(precision, E => self.train::<E>(training, session))
    }

    /// Training may take hours: that a folder is missing must show before. A checkpoint's folder is
    /// made, so other files may lie in it.
    fn check_folders(&self) -> Result<(), Failure> {
        self.checkpoints.make_folder()?;
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
        let (start, columns) = (Instant::now(), table.columns);
        let plan = model.plan(Some(columns), &compiler)?;
        let compiled = duration(start.elapsed().as_secs_f64());
        let mut executable: Executable<E> = session.executable(plan)?;
        let classes = executable.classes();
        let valid = self.examples.validation::<E>(&model, classes)?;
        let train = self.examples.training::<E>(table, classes)?;
        session.say(&format!(
            "{}: compiled in {compiled}; {} rows, {} trainable parameters, {}, {} {:?}",
            model.path.display(),
            thousands(train.rows.len() as u64),
            thousands(executable.plan().parameters.trainable_values() as u64),
            options.objective.name(),
            MethodName::of(&options.method).name(),
            options.learning_rate
        ));
        let run = Run { train: &train, valid: valid.as_ref(), options: &options, session };
        let mut records = self.records(&model, &run, &executable);
        let start = Instant::now();
        let fitted = run.train(&mut executable, &mut records)?;
        let seconds = start.elapsed().as_secs_f64();
        executable.write_parameters(model.parameters_mut())?;
        set_training(&mut model, &options);
        if !allow_invalid {
            model.plan(Some(columns), &Options::default())?;
        }
        write_model(&self.out, &model, E::PRECISION)?;
        let mut files = vec![self.out.clone()];
        files.extend(records.finish(&fitted.epochs)?);
        let (rows, out) = (train.rows.len(), self.out.as_path());
        let (options, fitted, files) = (&options, &fitted, files.as_slice());
        Ok(Trained { options, fitted, rows, seconds, out, files }.answer())
    }

    /// What is written while the network trains.
    fn records<E: Real>(
        &self,
        model: &LoadedModel,
        run: &Run<'_, E>,
        executable: &Executable<E>,
    ) -> Records {
        let facts = || Facts::new(executable.plan(), run.options, run.train, run.valid);
        let curve = self.curve.as_ref().map(|path| {
            let title = model.name().unwrap_or("Training").to_owned();
            CurveFile::new(path.clone(), title, format!("{} loss", run.options.objective.name()))
        });
        let checkpoints = self.checkpoints.open(facts, run.session);
        Records { checkpoints, history: self.history.clone(), curve }
    }
}
