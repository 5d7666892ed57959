//! Reading and writing layer files (JSON).
//!
//! In: the text of a file. Out: a [`LayerFile`], or an error with line and column (bad JSON) or
//! with the layer's index and type (a wrong layer). Three kinds of files:
//!
//! * `{"variables": [28, 28, 1], "layers": [{"type": "NormalLeaf", …}, …]}`, where the first
//!   layer may have `input_shape` instead of `variables`;
//! * `{"region_graph": [[0, 2], 1], "leaf": {…}, "num_sums": 2, …}`, see [`RegionGraph`];
//! * `{"variables": [4], "template": […], "interface_t0": […], "interface_t_minus_1": […],
//!   "top": […]}`, see [`DynamicNetwork`].
//!
//! All may have `name` and `training`. Other keys, unknown layers and unknown options are errors.
//! Every layer may have Keras' `dtype`, which has no effect: numbers are numbers here.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::check::place;
use super::{DynamicNetwork, Layer, LayerError, LayerProblem, Network, Part, Region, RegionGraph};

/// What a layer file describes.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerFile {
    /// A stack of layers, given as such or as a region graph.
    Network(Network),
    /// A dynamic network over sequences.
    Dynamic(DynamicNetwork),
}

impl LayerFile {
    /// Reads a layer file of any kind.
    ///
    /// # Errors
    /// If the text is not JSON, is not a layer file, or a layer cannot be read.
    pub fn from_json(text: &str) -> Result<Self, LayerError> {
        let value: Value = serde_json::from_str(text).map_err(|error| LayerError::Syntax {
            line: error.line(),
            column: error.column(),
            reason: strip_position(&error.to_string()),
        })?;
        let Value::Object(object) = value else {
            return Err(file_error("must be an object {\"variables\": …, \"layers\": […]}"));
        };
        let mut fields = Fields(object);
        let file = if fields.0.contains_key("template") {
            Self::Dynamic(read_dynamic(&mut fields)?)
        } else if fields.0.contains_key("region_graph") {
            Self::Network(read_region_graph(&mut fields)?)
        } else {
            Self::Network(read_network(&mut fields)?)
        };
        fields.finish()?;
        Ok(file)
    }
}

impl Network {
    /// Reads the layer file of a network: a stack of layers or a region graph.
    ///
    /// # Errors
    /// If the text is not JSON, is not the layer file of a (static) network, or a layer cannot be
    /// read. Whether the layers fit each other shows when the network is built.
    pub fn from_json(text: &str) -> Result<Self, LayerError> {
        match LayerFile::from_json(text)? {
            LayerFile::Network(network) => Ok(network),
            LayerFile::Dynamic(_) => {
                Err(file_error("is a dynamic network; read it as a DynamicNetwork"))
            }
        }
    }

    /// The network as a layer file; [`from_json`](Self::from_json) reads it back.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut object = header(self.name.as_ref(), &self.variables);
        object.insert("layers".to_owned(), json!(self.layers));
        with_training(object, self.training.as_ref())
    }
}

impl DynamicNetwork {
    /// Reads the layer file of a dynamic network.
    ///
    /// # Errors
    /// If the text is not JSON, is not the layer file of a dynamic network, or a layer cannot be
    /// read.
    pub fn from_json(text: &str) -> Result<Self, LayerError> {
        match LayerFile::from_json(text)? {
            LayerFile::Dynamic(network) => Ok(network),
            LayerFile::Network(_) => Err(file_error("is not a dynamic network: no `template`")),
        }
    }

    /// The network as a layer file; [`from_json`](Self::from_json) reads it back.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut object = header(self.name.as_ref(), &self.variables);
        for (part, layers) in self.parts() {
            object.insert(part.name().to_owned(), json!(layers));
        }
        with_training(object, self.training.as_ref())
    }
}

fn header(name: Option<&String>, variables: &[usize]) -> Map<String, Value> {
    let mut object = Map::new();
    if let Some(name) = name {
        object.insert("name".to_owned(), json!(name));
    }
    object.insert("variables".to_owned(), json!(variables));
    object
}

fn with_training(mut object: Map<String, Value>, training: Option<&Value>) -> String {
    if let Some(training) = training {
        object.insert("training".to_owned(), training.clone());
    }
    format!("{:#}", Value::Object(object))
}

fn file_error(reason: impl Into<String>) -> LayerError {
    LayerError::File { reason: reason.into() }
}

/// The parser's message without its position, which the error has beside it.
fn strip_position(message: &str) -> String {
    message.rsplit_once(" at line").map_or(message, |(reason, _)| reason).to_owned()
}

/// The keys of a file that were not read yet.
struct Fields(Map<String, Value>);

impl Fields {
    fn optional<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, LayerError> {
        match self.0.shift_remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value)
                .map(Some)
                .map_err(|error| file_error(format!("has a wrong `{key}`: {error}"))),
        }
    }

    fn layers(&mut self, key: &str, part: Option<Part>) -> Result<ReadLayers, LayerError> {
        let list: Vec<Value> =
            self.optional(key)?.ok_or_else(|| file_error(format!("has no `{key}`")))?;
        let mut read = ReadLayers { layers: Vec::with_capacity(list.len()), input_shape: None };
        for (index, value) in list.into_iter().enumerate() {
            let (layer, input_shape) = read_layer(part, index, value)?;
            if input_shape.is_some() && index > 0 {
                let reason = "belongs to the first layer only".to_owned();
                return Err(LayerProblem::BadOption { option: "input_shape", reason }.at(place(
                    part,
                    index,
                    layer.type_name(),
                )));
            }
            read.layers.push(layer);
            read.input_shape = read.input_shape.or(input_shape);
        }
        Ok(read)
    }

    fn finish(self) -> Result<(), LayerError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(key) => Err(file_error(format!(
                "has an unknown key `{key}`; known are name, training, variables, and either \
                 layers, or region_graph with leaf and num_sums, or template with its interfaces"
            ))),
        }
    }
}

struct ReadLayers {
    layers: Vec<Layer>,
    input_shape: Option<Vec<usize>>,
}

/// Reads one layer and its `input_shape`.
fn read_layer(
    part: Option<Part>,
    index: usize,
    value: Value,
) -> Result<(Layer, Option<Vec<usize>>), LayerError> {
    let type_name = value.get("type").and_then(Value::as_str).unwrap_or("?").to_owned();
    let at =
        |reason: String| LayerProblem::Unreadable { reason }.at(place(part, index, &type_name));
    let Value::Object(mut object) = value else {
        return Err(at("a layer is an object {\"type\": \"NormalLeaf\", …}".to_owned()));
    };
    let mut common = |key: &str| object.shift_remove(key).filter(|value| !value.is_null());
    let input_shape = common("input_shape").map(serde_json::from_value).transpose();
    let input_shape = input_shape.map_err(|error| at(format!("option `input_shape`: {error}")))?;
    if let Some(data_type) = common("dtype").filter(|value| !value.is_string()) {
        return Err(at(format!("option `dtype` is {data_type}; it must be a name")));
    }
    let layer = Layer::deserialize(Value::Object(object)).map_err(|error| at(error.to_string()))?;
    Ok((layer, input_shape))
}

fn read_network(fields: &mut Fields) -> Result<Network, LayerError> {
    let ReadLayers { layers, input_shape } = fields.layers("layers", None)?;
    let variables = variables(fields, input_shape)?;
    let (name, training) = (fields.optional("name")?, fields.optional("training")?);
    Ok(Network { name, variables, layers, training })
}

/// The shape of the input rows, from `variables` or from the first layer.
fn variables(
    fields: &mut Fields,
    input_shape: Option<Vec<usize>>,
) -> Result<Vec<usize>, LayerError> {
    match (fields.optional::<Vec<usize>>("variables")?, input_shape) {
        (Some(variables), Some(shape)) if variables != shape => Err(file_error(format!(
            "says `variables` {variables:?}, its first layer `input_shape` {shape:?}; leave out one"
        ))),
        (Some(variables), _) | (None, Some(variables)) => Ok(variables),
        (None, None) => Err(file_error(
            "does not say the shape of the input rows; add \"variables\": [28, 28, 1] or the like",
        )),
    }
}

fn read_dynamic(fields: &mut Fields) -> Result<DynamicNetwork, LayerError> {
    let mut part = |part: Part| fields.layers(part.name(), Some(part));
    let template = part(Part::Template)?;
    let interface_t0 = part(Part::InterfaceT0)?.layers;
    let interface_t_minus_1 = part(Part::InterfaceTMinus1)?.layers;
    let top = part(Part::Top)?.layers;
    let variables = variables(fields, template.input_shape)?;
    let (name, training) = (fields.optional("name")?, fields.optional("training")?);
    let template = template.layers;
    Ok(DynamicNetwork {
        name,
        variables,
        template,
        interface_t0,
        interface_t_minus_1,
        top,
        training,
    })
}

/// One number of sums for all levels, or one for each from the bottom.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumSums {
    Same(usize),
    Each(Vec<usize>),
}

fn read_region_graph(fields: &mut Fields) -> Result<Network, LayerError> {
    let tree: Value = fields.optional("region_graph")?.unwrap_or_default();
    let leaf = fields.optional("leaf")?.ok_or_else(|| file_error("has no `leaf` layer"))?;
    let mut graph = RegionGraph::new(Region::from_value(&tree)?, read_layer(None, 1, leaf)?.0);
    graph.num_sums = match fields.optional("num_sums")? {
        None => return Err(file_error("has no `num_sums`")),
        Some(NumSums::Same(number)) => vec![number; graph.sum_layers()],
        Some(NumSums::Each(numbers)) => numbers,
    };
    graph.num_classes = fields.optional("num_classes")?;
    graph.logspace_accumulators = fields.optional("logspace_accumulators")?;
    if let Some(logits) = fields.optional("return_weighted_child_logits")? {
        graph.return_weighted_child_logits = logits;
    }
    graph.variables = fields.optional::<Vec<usize>>("variables")?;
    let mut network = graph.network()?;
    network.name = fields.optional("name")?;
    network.training = fields.optional("training")?;
    Ok(network)
}
