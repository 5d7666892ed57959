//! A table of a model's layers: output shapes and parameters.

use serde::Serialize;

use crate::Parameters;

use super::build::parameter_name;
use super::check::CheckedLayer;
use super::{DynamicModel, Layer, LayerError, Model, Part};

/// What a model consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The layers, from the bottom.
    pub layers: Vec<LayerSummary>,
    /// How many numbers all parameters hold.
    #[serde(rename = "total_params")]
    pub total_parameters: usize,
    /// How many numbers trainable parameters hold.
    #[serde(rename = "trainable_params")]
    pub trainable_parameters: usize,
}

/// One layer of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerSummary {
    /// The layer's index, as in its parameters' names: `3`, in a dynamic network `template/3`.
    pub name: String,
    /// The layer's type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its output without the batch axis.
    pub output_shape: Vec<usize>,
    /// How many numbers its parameters hold.
    #[serde(rename = "params")]
    pub parameters: usize,
    /// How many of them training may change.
    #[serde(rename = "trainable_params")]
    pub trainable: usize,
}

impl Model {
    /// The model's layers with shapes and counts.
    ///
    /// # Errors
    /// If the model was changed and its layers no longer fit.
    pub fn summary(&self) -> Result<Summary, LayerError> {
        let (_, checked) = self.checked()?;
        Ok(total(rows(None, &self.network.layers, &checked, &self.parameters)))
    }
}

impl DynamicModel {
    /// The layers of all parts with shapes and counts; names have the part in front.
    ///
    /// # Errors
    /// If the model was changed and its parts no longer fit.
    pub fn summary(&self) -> Result<Summary, LayerError> {
        let checked = self.checked()?;
        let parts = self.network.parts().into_iter();
        let rows = parts.flat_map(|(part, layers)| {
            rows(Some(part), layers, checked.part(part), &self.parameters)
        });
        Ok(total(rows.collect()))
    }
}

fn rows(
    part: Option<Part>,
    layers: &[Layer],
    checked: &[CheckedLayer],
    parameters: &Parameters,
) -> Vec<LayerSummary> {
    let row = |(index, (layer, shapes)): (usize, (&Layer, &CheckedLayer))| {
        let prefix = parameter_name(part, index, "");
        let of_layer = parameters.iter().map(|(_, parameter)| parameter);
        let of_layer = of_layer.filter(|parameter| parameter.name.starts_with(&prefix));
        let mut row = LayerSummary {
            name: prefix.trim_end_matches('/').to_owned(),
            type_name: layer.type_name().to_owned(),
            output_shape: shapes.output.to_vec(),
            parameters: 0,
            trainable: 0,
        };
        for parameter in of_layer {
            row.parameters += parameter.values.len();
            row.trainable += if parameter.trainable { parameter.values.len() } else { 0 };
        }
        row
    };
    layers.iter().zip(checked).enumerate().map(row).collect()
}

fn total(layers: Vec<LayerSummary>) -> Summary {
    Summary {
        total_parameters: layers.iter().map(|layer| layer.parameters).sum(),
        trainable_parameters: layers.iter().map(|layer| layer.trainable).sum(),
        layers,
    }
}
