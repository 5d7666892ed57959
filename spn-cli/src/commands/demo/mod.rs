//! `spn demo`: the main job on the data that ship with the program, without any argument.
//!
//! In: nothing but options. Out: a folder with trained models, pictures and a report; in between
//! everything a user of the other commands does: a layer file becomes a circuit, is compiled,
//! trained, measured on digits it has not seen, and completes half-hidden ones.
//!
//! The network is trained twice. Trained to tell classes apart it reads digits best, but no longer
//! knows what they look like; trained for the joint distribution of images and labels it completes
//! them, but reads less well (about 95 %). The classifier is trained with the layer file's dropout
//! and on nudged digits ([`split`]), after a few epochs of the joint objective, which bring the
//! leaves to where the pixels are; the other one without all that, which makes it sharp.

mod report;
mod split;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use spn_compiler::{Options, compile};
use spn_ir::layers::TrainingData;
use spn_runtime::learn::{Batch, Epoch, FitOptions, Objective, Quality, evaluate};
use spn_runtime::{CompletionOptions, Executable, Rows};

use crate::format::{duration, thousands};
use crate::hidden::{CompletionError, Side, half};
use crate::model::{LoadOptions, LoadedModel, network_file};
use crate::picture::{png, strip};
use crate::precision::Precision;
use crate::training::{Examples, Given, Records, Run, TrainingArguments, decide, draw_curve};
use crate::{Answer, Failure, Session, data, prepared};
use report::Report;
use split::Split;

/// The network; the file is an example for users, too.
const LAYER_FILE: &str = include_str!("../../../../examples/dgc_spn_digits.json");
/// What its messages call it.
const LAYER_FILE_NAME: &str = "examples/dgc_spn_digits.json";
/// Epochs of the training for the joint distribution.
const JOINT_EPOCHS: usize = 40;
/// Epochs with the joint objective before the classifier's own.
const WARM_UP_EPOCHS: usize = 4;
/// Rows of its steps.
const JOINT_BATCH: usize = 32;
/// What both trainings have.
const GIVEN: Given = Given { labels: true, validation: true };
/// Images in the picture of completions, half of them for each hidden side.
const IMAGES: usize = 24;
/// The sides that are hidden.
const SIDES: [(Side, &str); 2] = [(Side::Left, "left"), (Side::Bottom, "bottom")];

/// Runs everything on the digits that ship with the program.
///
/// Builds a deep convolutional network for the 1,797 handwritten digits of 8 x 8 pixels, compiles
/// it, trains it on four fifths of them, tells how well it reads the others, lets it complete
/// images of which half is hidden, and writes pictures, the trained models and a report. Takes less
/// than a minute.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  spn demo\n\nThen look at spn-demo/completion.png, or go on with \
                        the model:\n  spn summary spn-demo/model.spnb"
)]
pub struct Arguments {
    /// The folder to write to; it is made if it is missing.
    #[arg(long, value_name = "DIR", default_value = "spn-demo")]
    out: PathBuf,
    /// Epochs of each training; by default 22 for the classifier, 40 for completion.
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
}

/// One of the two trainings.
struct Training<'a> {
    title: &'static str,
    warm_up: usize,
    options: FitOptions,
    examples: &'a Examples<f32>,
    dropout: bool,
    curve: &'static str,
    loss: &'static str,
    model: &'static str,
}

/// A run of the demo.
struct Demo<'a> {
    out: &'a Path,
    session: &'a Session,
    split: Split,
    report: Report,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn run(&self, session: &Session) -> Result<Answer, Failure> {
        let start = Instant::now();
        fs::create_dir_all(&self.out).map_err(|error| {
            let folder = self.out.display();
            Failure::misuse(format!(
                "cannot make the folder {folder}: {error}; choose another --out"
            ))
        })?;
        let (images, labels) = data::digits()?;
        let split = Split::new(&images, &labels, session.seed());
        let report = Report::new(&split, session);
        let model = build(&split, session)?;
        let mut demo = Demo { out: &self.out, session, split, report };
        demo.describe(&model)?;
        let [classifier, joint] = self.options(&model, session)?;
        demo.read(model.clone(), classifier)?;
        demo.complete(model, joint)?;
        demo.report.write(&self.out, start.elapsed().as_secs_f64())?;
        Ok(demo.report.answer())
    }

    /// Options for the classifier and for the joint distribution.
    fn options(&self, model: &LoadedModel, session: &Session) -> Result<[FitOptions; 2], Failure> {
        let arguments = TrainingArguments { epochs: self.epochs, ..TrainingArguments::default() };
        let seed = Some(session.seed());
        let classifier = decide(&arguments, model.training(), seed, GIVEN)?;
        let joint = FitOptions {
            objective: Objective::Joint,
            epochs: self.epochs.unwrap_or(JOINT_EPOCHS),
            batch: Batch::Rows(JOINT_BATCH),
            ..classifier
        };
        Ok([classifier, joint])
    }
}

impl Demo<'_> {
    /// Tells what the network is and what the compiler makes of it.
    fn describe(&mut self, model: &LoadedModel) -> Result<(), Failure> {
        let circuit = model.circuit(None)?;
        let start = Instant::now();
        let plan = compile(&circuit, &Options::default())?;
        let seconds = start.elapsed().as_secs_f64();
        self.session.say(&format!(
            "{LAYER_FILE_NAME}: {} nodes, {} edges, {} trainable parameters, compiled to {} steps \
             in {}",
            thousands(circuit.nodes.len() as u64),
            thousands(circuit.edges()),
            thousands(circuit.parameters.trainable_values() as u64),
            plan.steps.len(),
            duration(seconds)
        ));
        self.report.network(&circuit, &plan, seconds);
        Ok(())
    }

    /// Trains the classifier and lets it read the digits that were held out.
    fn read(&mut self, model: LoadedModel, options: FitOptions) -> Result<(), Failure> {
        let nudged = self.split.nudged.clone();
        let training = Training {
            title: "Reading digits",
            warm_up: WARM_UP_EPOCHS.min(options.epochs),
            options,
            examples: &nudged,
            dropout: true,
            curve: "learning_curve.png",
            loss: "cross entropy",
            model: "model.spnb",
        };
        let executable = self.train(model, &training)?;
        let quality = self.quality(&executable)?;
        self.report.accuracy(&quality);
        let accuracy = quality.accuracy.unwrap_or(0.0) * 100.0;
        self.session.say(&format!("accuracy on held-out digits: {accuracy:.2} %"));
        Ok(())
    }

    /// Trains the joint distribution and completes digits of which one half is hidden.
    fn complete(&mut self, model: LoadedModel, options: FitOptions) -> Result<(), Failure> {
        let plain = self.split.train.clone();
        let training = Training {
            title: "Completing digits",
            warm_up: 0,
            options,
            examples: &plain,
            dropout: false,
            curve: "learning_curve_completion.png",
            loss: "-log p(image, label)",
            model: "completion_model.spnb",
        };
        let executable = self.train(model, &training)?;
        let quality = self.quality(&executable)?;
        self.report.log_likelihood(&quality);
        self.draw_completions(&executable)
    }

    /// One training, from a model to its file and learning curve.
    fn train(
        &mut self,
        mut model: LoadedModel,
        training: &Training<'_>,
    ) -> Result<Executable<f32>, Failure> {
        let Training { title, options, examples, dropout, warm_up, .. } = training;
        let plan = model.plan(None, &Options { dropout: *dropout, ..Options::default() })?;
        let mut executable = self.session.executable(plan)?;
        let valid = Some(&self.split.test);
        let run = Run { train: examples, valid, options, session: self.session };
        if *warm_up > 0 {
            self.session.say(&format!("{title}: warming up, joint objective"));
            let joint = FitOptions { objective: Objective::Joint, epochs: *warm_up, ..*options };
            Run { options: &joint, ..run }.train(&mut executable, &mut Records::default())?;
        }
        self.session.say(&format!("{title}: training, {} objective", options.objective.name()));
        let epochs = run.train(&mut executable, &mut Records::default())?.epochs;
        self.report.training(title, options, &epochs);
        executable.write_parameters(model.parameters_mut())?;
        let path = self.out.join(training.model);
        if let Some(written) = network_file::write(&path, &model.kind, Precision::F32) {
            written?;
            self.report.file(path);
        }
        self.draw_curve(training, &epochs)?;
        Ok(executable)
    }

    fn draw_curve(&mut self, training: &Training<'_>, epochs: &[Epoch]) -> Result<(), Failure> {
        let path = self.out.join(training.curve);
        png::write(&path, &draw_curve(training.title, training.loss, epochs)?)?;
        self.report.file(path);
        Ok(())
    }

    /// The quality on the digits that were held out.
    fn quality(&self, executable: &Executable<f32>) -> Result<Quality, Failure> {
        Ok(evaluate(executable, self.split.test.borrow()?, Objective::Generative)?)
    }

    /// Completes all held-out digits for the error, and draws some.
    fn draw_completions(&mut self, executable: &Executable<f32>) -> Result<(), Failure> {
        let truth = &self.split.test.rows;
        let count = truth.values.len() / truth.columns;
        let (mut originals, mut completions, mut flags) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (side, name)) in SIDES.into_iter().enumerate() {
            let hidden = half(side, &self.split.shape).repeat(count);
            let seen: Vec<bool> = hidden.iter().map(|hidden| !hidden).collect();
            let rows = Rows::new(&truth.values, truth.columns)?.with_mask(&seen)?;
            let completed = executable.complete(rows, CompletionOptions::default())?.values;
            let error = CompletionError::of(&truth.values, &hidden, &completed);
            self.report.completion(name, error.mean().unwrap_or(f64::NAN));
            let each = (IMAGES / SIDES.len()).min(count / SIDES.len());
            let part = number * each * truth.columns..(number + 1) * each * truth.columns;
            originals.extend_from_slice(&truth.values[part.clone()]);
            completions.extend_from_slice(&completed[part.clone()]);
            flags.extend_from_slice(&hidden[part]);
        }
        let sheet = strip::sheet(&strip::Strips {
            shape: &self.split.shape,
            range: (0.0, 16.0),
            original: &originals,
            hidden: &flags,
            completed: &completions,
        })?;
        let path = self.out.join("completion.png");
        png::write(&path, &sheet)?;
        self.report.file(path);
        Ok(())
    }
}

/// Reads the layer file and draws its parameters.
fn build(split: &Split, session: &Session) -> Result<LoadedModel, Failure> {
    let prepared::Rows { values, columns } = &split.train.rows;
    let data = Some(TrainingData::from_f32(values, *columns));
    let options = LoadOptions { seed: session.seed, data, ..LoadOptions::default() };
    LoadedModel::from_layer_file(Path::new(LAYER_FILE_NAME), LAYER_FILE, options)
}
