//! MODEL files: everything that describes a network, told apart by content.
//!
//! In: a path. Out: a [`LoadedModel`], from which every command takes the same way: [circuit] →
//! compiled [plan] → executable.
//!
//! | kind | content | parameters |
//! |---|---|---|
//! | layer file | JSON with `layers`, `region_graph` or `template` | drawn from the seed |
//! | circuit | any format of [`spn_ir::formats`] | in the file |
//! | trained model | `.spnb` network ([`network_file`]) | in the file |
//! | compiled plan | `.spnb` plan | in the file |
//!
//! Each may be compressed with gzip.
//!
//! [circuit]: LoadedModel::circuit
//! [plan]: LoadedModel::plan

mod content;
pub mod network_file;

use std::path::{Path, PathBuf};

use serde_json::Value;
use spn_compiler::Options;
use spn_ir::formats::Format;
use spn_ir::layers::{BuildOptions, DynamicModel, Model, TrainingData};
use spn_ir::plan::Plan;
use spn_ir::{Circuit, LayerFile, Parameters};

use crate::Failure;
use crate::precision::Precision;
use content::Content;

/// What a MODEL file holds.
#[derive(Clone, Debug)]
pub enum ModelKind {
    /// A stack of layers with its parameters.
    Layers(Model),
    /// A dynamic network with its parameters.
    Dynamic(DynamicModel),
    /// A circuit.
    Circuit(Circuit),
    /// A compiled plan.
    Plan(Box<Plan>),
}

/// A model as it was read.
#[derive(Clone, Debug)]
pub struct LoadedModel {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub kind: ModelKind,
    /// In which precision it runs unless the user says otherwise: networks of layers in single,
    /// circuits in double precision, plans in the one they are stored in.
    pub precision: Precision,
}

/// What a layer file without parameters is initialised with.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions<'a> {
    /// The seed of everything that is drawn; without one that of the file's `training` object,
    /// or 0.
    pub seed: Option<u64>,
    /// Training rows, for initialisers and statistics that need them.
    pub data: Option<TrainingData<'a>>,
    /// Whether such rows may be made up where there are none: for those who look at a network's
    /// structure only.
    pub structure_only: bool,
}

impl LoadedModel {
    /// Reads a MODEL file of any kind.
    ///
    /// # Errors
    /// If the file cannot be read, is of no known kind, is damaged, or describes no network.
    pub fn read(path: &Path, options: LoadOptions<'_>) -> Result<Self, Failure> {
        Self::read_as(path, None, options)
    }

    /// Reads a MODEL file of any kind, or a circuit in the given format.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_as(
        path: &Path,
        format: Option<&Format>,
        options: LoadOptions<'_>,
    ) -> Result<Self, Failure> {
        let content = Content::read(path, format).map_err(|failure| failure.in_file(path))?;
        Self::from_content(path, content, options).map_err(|failure| failure.in_file(path))
    }

    /// The model of a layer file's text, as if it stood in the file `path`.
    ///
    /// # Errors
    /// If the text is no layer file or describes no network.
    pub fn from_layer_file(
        path: &Path,
        text: &str,
        options: LoadOptions<'_>,
    ) -> Result<Self, Failure> {
        let kind = build(&LayerFile::from_json(text)?, options)?;
        Ok(Self { path: path.to_owned(), kind, precision: Precision::F32 })
    }

    fn from_content(
        path: &Path,
        content: Content,
        options: LoadOptions<'_>,
    ) -> Result<Self, Failure> {
        let (kind, precision) = match content {
            Content::Layers(file) => (build(&file, options)?, Precision::F32),
            Content::Network(kind, precision) => (kind, precision),
            Content::Circuit(circuit) => (ModelKind::Circuit(circuit), Precision::F64),
            Content::Plan(plan, precision) => (ModelKind::Plan(plan), precision),
        };
        Ok(Self { path: path.to_owned(), kind, precision })
    }

    /// The network's own name, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            ModelKind::Layers(model) => model.network.name.as_deref(),
            ModelKind::Dynamic(model) => model.network.name.as_deref(),
            ModelKind::Circuit(_) | ModelKind::Plan(_) => None,
        }
    }

    /// What kind of model it is, in words.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            ModelKind::Layers(_) => "network of layers",
            ModelKind::Dynamic(_) => "dynamic network",
            ModelKind::Circuit(_) => "circuit",
            ModelKind::Plan(_) => "compiled plan",
        }
    }

    /// The `training` object of the layer file.
    #[must_use]
    pub fn training(&self) -> Option<&Value> {
        match &self.kind {
            ModelKind::Layers(model) => model.network.training.as_ref(),
            ModelKind::Dynamic(model) => model.network.training.as_ref(),
            ModelKind::Circuit(_) | ModelKind::Plan(_) => None,
        }
    }

    /// The shape of an input row (of a step of a dynamic network).
    #[must_use]
    pub fn row_shape(&self) -> Vec<usize> {
        match &self.kind {
            ModelKind::Layers(model) => model.network.variables.clone(),
            ModelKind::Dynamic(model) => model.network.variables.clone(),
            ModelKind::Circuit(circuit) => vec![circuit.variables as usize],
            ModelKind::Plan(plan) => vec![plan.variables as usize],
        }
    }

    /// The parameters, to change them.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        match &mut self.kind {
            ModelKind::Layers(model) => &mut model.parameters,
            ModelKind::Dynamic(model) => &mut model.parameters,
            ModelKind::Circuit(circuit) => &mut circuit.parameters,
            ModelKind::Plan(plan) => &mut plan.parameters,
        }
    }

    /// Checks that rows of `columns` values are what the model takes.
    ///
    /// # Errors
    /// If not; the message names both numbers.
    pub fn check_columns(&self, data: &str, columns: usize) -> Result<(), Failure> {
        let variables: usize = self.row_shape().into_iter().product();
        let model = self.path.display();
        let dynamic = matches!(self.kind, ModelKind::Dynamic(_));
        if columns == variables || (dynamic && variables > 0 && columns.is_multiple_of(variables)) {
            return Ok(());
        }
        let what = if dynamic { " in each step" } else { "" };
        let mend = if dynamic { "a multiple of that" } else { "exactly that many" };
        Err(Failure::misuse(format!(
            "{data} has {columns} values in a row, but the network in {model} has {variables} \
             variables{what}: give data with {mend}, or the network for these data"
        )))
    }

    /// The circuit. A dynamic network is unrolled to the length that rows of `columns` values
    /// have, by default to [`DEFAULT_STEPS`].
    ///
    /// # Errors
    /// If the layers do not fit any more, or the model is a compiled plan.
    pub fn circuit(&self, columns: Option<usize>) -> Result<Circuit, Failure> {
        let circuit = match &self.kind {
            ModelKind::Layers(model) => Ok(model.lower()?.circuit),
            ModelKind::Dynamic(model) => {
                let variables: usize = model.network.variables.iter().product();
                let steps = columns.map_or(DEFAULT_STEPS, |columns| columns / variables.max(1));
                Ok(model.unroll(steps)?.circuit)
            }
            ModelKind::Circuit(circuit) => Ok(circuit.clone()),
            ModelKind::Plan(_) => Err(Failure::misuse(
                "this is a compiled plan, in which the circuit is gone; give the model it was \
                 compiled from",
            )),
        };
        circuit.map_err(|failure| failure.in_file(&self.path))
    }

    /// The compiled plan. A plan is given back as it was read.
    ///
    /// # Errors
    /// If the circuit is invalid (unless that is allowed) or too large.
    pub fn plan(&self, columns: Option<usize>, options: &Options) -> Result<Plan, Failure> {
        if let ModelKind::Plan(plan) = &self.kind {
            return Ok(Plan::clone(plan));
        }
        let plan = spn_compiler::compile(&self.circuit(columns)?, options);
        plan.map_err(|error| Failure::from(error).in_file(&self.path))
    }
}

/// Steps of a dynamic network where no data say how many.
pub const DEFAULT_STEPS: usize = 2;

/// Gives a layer file its parameters.
fn build(file: &LayerFile, options: LoadOptions<'_>) -> Result<ModelKind, Failure> {
    let training = match file {
        LayerFile::Network(network) => &network.training,
        LayerFile::Dynamic(network) => &network.training,
    };
    let of_file = training.as_ref().and_then(|training| training.get("seed")?.as_u64());
    let seed = options.seed.or(of_file).unwrap_or(0);
    let build = |data| {
        let options = BuildOptions { seed, data };
        match file {
            LayerFile::Network(network) => network.build(&options).map(ModelKind::Layers),
            LayerFile::Dynamic(network) => network.build(&options).map(ModelKind::Dynamic),
        }
    };
    let error = match build(options.data) {
        Ok(kind) => return Ok(kind),
        Err(error) if !content::needs_data(&error) => return Err(error.into()),
        Err(error) => error,
    };
    if !options.structure_only {
        let hint = "`spn train` does that; then use the model it writes";
        return Err(Failure::from(error).with_hint(hint));
    }
    let variables = match file {
        LayerFile::Network(network) => &network.variables,
        LayerFile::Dynamic(network) => &network.variables,
    };
    let columns: usize = variables.iter().product();
    let rows = made_up_rows(columns);
    Ok(build(Some(TrainingData::from_f32(&rows, columns)))?)
}

/// Some rows of different numbers, so that no deviation is 0.
fn made_up_rows(columns: usize) -> Vec<f32> {
    const ROWS: usize = 8;
    let number = |index| spn_ir::random::uniform_at(0, 0, 0, index) as f32;
    (0..(ROWS * columns) as u64).map(number).collect()
}
