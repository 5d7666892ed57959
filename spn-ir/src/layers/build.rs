//! Building a network: random structure is drawn, shapes are checked, parameters get their first
//! values.
//!
//! In: a [`Network`], a seed and, for data-driven initialisers, training rows. Out: a [`Model`].
//! The same network, seed and data give the same model on every machine: each parameter draws
//! from a stream of its own, whose number depends on its layer only.

use crate::initializers::{Initializer, InitializerRequest, LeafData};
use crate::{Normalisation, Parameter, Parameters, random};

use super::check::{Budget, CheckedLayer, check_layers, check_root, place};
use super::shape::TensorShape;
use super::{Layer, LayerError, LayerProblem, Model, Network, Part, TrainingData};

/// Streams of random numbers that a layer has: one for each parameter that is drawn, the last
/// for the layer's structure.
const STREAMS: u32 = 16;

/// What a network is built with.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildOptions<'a> {
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// Training rows, needed by data-driven initialisers and normalisation statistics only.
    pub data: Option<TrainingData<'a>>,
}

impl Network {
    /// Builds the network: draws what is random, checks every shape and initialises the
    /// parameters.
    ///
    /// # Errors
    /// If layers do not fit each other, an option has a wrong value, the network would need too
    /// much memory, does not end in one unit, or training data are needed and missing.
    pub fn build(&self, options: &BuildOptions<'_>) -> Result<Model, LayerError> {
        let start = TensorShape::of_variables(&self.variables)?;
        let (mut layers, _) = resolve_layers(None, &self.layers, start, options.seed)?;
        let count = self.variable_count()?;
        let checked = check_layers(None, &layers, start, &mut Budget::new(count))?;
        check_root(None, &layers, &checked)?;
        let mut parameters = Parameters::default();
        initialize_layers(None, &layers, &checked, (count, options), &mut parameters)?;
        forget_data(&mut layers);
        Ok(Model { network: Self { layers, ..self.clone() }, parameters })
    }
}

/// Draws the structure that is random. Gives the layers, each with a fixed structure, and the
/// shape of the last one's output.
pub(crate) fn resolve_layers(
    part: Option<Part>,
    layers: &[Layer],
    start: TensorShape,
    seed: u64,
) -> Result<(Vec<Layer>, TensorShape), LayerError> {
    let mut shape = start;
    let mut resolved = Vec::with_capacity(layers.len());
    for (index, layer) in layers.iter().enumerate() {
        let at = |problem: LayerProblem| problem.at(place(part, index, layer.type_name()));
        let layer = match layer {
            Layer::PermuteAndPadScopesRandom(random_layer) => {
                let stream = u64::from(stream(part, index, STREAMS - 1));
                let mut generator = random::stream(seed, stream);
                let above = &layers[index + 1..];
                random_layer.resolve(shape, above, &mut generator).map_err(at)?.into()
            }
            other => other.clone(),
        };
        shape = layer.rules().output(shape).map_err(at)?;
        resolved.push(layer);
    }
    Ok((resolved, shape))
}

/// Drops inline data whose statistics are parameters now.
pub(crate) fn forget_data(layers: &mut [Layer]) {
    for layer in layers {
        if let Layer::NormalizeStandardScore(normalize) = layer {
            normalize.adapt_data = None;
        }
    }
}

/// Initialises the parameters of checked layers and adds them to `parameters`.
pub(crate) fn initialize_layers(
    part: Option<Part>,
    layers: &[Layer],
    checked: &[CheckedLayer],
    (variables, options): (usize, &BuildOptions<'_>),
    parameters: &mut Parameters,
) -> Result<(), LayerError> {
    let mut normalisation = None;
    for (index, (layer, shapes)) in layers.iter().zip(checked).enumerate() {
        let at = |problem: LayerProblem| problem.at(place(part, index, layer.type_name()));
        let initialization = Initialization {
            seed: options.seed,
            stream: stream(part, index, 0),
            data: options.data.map(|data| data.with_columns(variables)).transpose().map_err(at)?,
            normalisation: normalisation.as_ref(),
        };
        let values = layer.rules().initialize(shapes.input, &initialization).map_err(at)?;
        if let Layer::NormalizeStandardScore(normalize) = layer {
            let read = |slot: usize| values.get(slot).map(Vec::as_slice);
            normalisation = Some(normalize.normalisation(variables, 1, &read).map_err(at)?);
        }
        for (spec, values) in shapes.parameters.iter().zip(values) {
            let name = parameter_name(part, index, spec.name);
            let shape = spec.shape.clone();
            let (trainable, constraint) = (spec.trainable, spec.constraint);
            parameters.add(Parameter { name, shape, values, trainable, constraint });
        }
    }
    Ok(())
}

/// The full name of a layer's parameter: `<index>/<name>`, in a dynamic network with the part
/// in front.
pub(crate) fn parameter_name(part: Option<Part>, layer: usize, name: &str) -> String {
    match part {
        None => format!("{layer}/{name}"),
        Some(part) => format!("{part}/{layer}/{name}"),
    }
}

/// A stream number of a layer: parts of a dynamic network are 2²⁴ apart.
fn stream(part: Option<Part>, layer: usize, slot: u32) -> u32 {
    let part = part.map_or(0, |part| part as u32 + 1);
    (part << 24).wrapping_add((layer as u32).wrapping_mul(STREAMS)).wrapping_add(slot)
}

/// What a layer may use for its parameters' first values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Initialization<'a> {
    seed: u64,
    stream: u32,
    data: Option<TrainingData<'a>>,
    normalisation: Option<&'a Normalisation>,
}

impl Initialization<'_> {
    /// The training rows, for `what`.
    pub(crate) fn data(&self, what: &'static str) -> Result<TrainingData<'_>, LayerProblem> {
        self.data.ok_or(LayerProblem::NeedsData { what })
    }

    /// A generator for the layer's structure.
    pub(crate) fn structure_generator(&self) -> impl rand::Rng + use<> {
        random::stream(self.seed, u64::from(self.stream) + u64::from(STREAMS - 1))
    }

    /// Values of an initialiser that needs no data; `slot` tells the layer's draws apart.
    pub(crate) fn draw(
        &self,
        initializer: &Initializer,
        parameter: &'static str,
        shape: &[usize],
        slot: u32,
    ) -> Result<Vec<f64>, LayerProblem> {
        self.request(initializer, parameter, shape, slot, None)
    }

    /// Values of an initialiser of a leaf layer with this input, which may need data.
    pub(crate) fn draw_for_leaf(
        &self,
        initializer: &Initializer,
        parameter: &'static str,
        shape: &[usize],
        slot: u32,
        input: TensorShape,
    ) -> Result<Vec<f64>, LayerProblem> {
        let TensorShape::Variables { rows, columns, dimensions, .. } = input else {
            return self.draw(initializer, parameter, shape, slot);
        };
        if !initializer.needs_data() {
            return self.draw(initializer, parameter, shape, slot);
        }
        let data = self.data(parameter)?;
        let values = data.leaf_values(self.normalisation, input)?;
        let cells = [rows, columns];
        let leaf = LeafData { rows: data.rows(), cells: &cells, dimensions, values: &values };
        self.request(initializer, parameter, shape, slot, Some(&leaf))
    }

    fn request(
        &self,
        initializer: &Initializer,
        parameter: &'static str,
        shape: &[usize],
        slot: u32,
        data: Option<&LeafData<'_>>,
    ) -> Result<Vec<f64>, LayerProblem> {
        let stream = self.stream.wrapping_add(slot);
        let request = InitializerRequest { shape, seed: self.seed, stream, data };
        let values = initializer
            .initialize(&request)
            .map_err(|error| LayerProblem::Initializer { parameter, error })?;
        let expected: usize = shape.iter().product();
        if values.len() == expected {
            return Ok(values);
        }
        let reason =
            format!("an initialiser gave {} values for {expected} of `{parameter}`", values.len());
        Err(LayerProblem::BadData { reason })
    }
}
