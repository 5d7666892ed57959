//! A table of a model's layers: output shapes and parameters.

use serde::Serialize;

use super::{LayerError, Model};

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
    /// The layer's index, as in its parameters' names.
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
        let layers: Vec<LayerSummary> = self
            .network
            .layers
            .iter()
            .zip(&checked)
            .enumerate()
            .map(|(index, (layer, shapes))| {
                let of_layer = format!("{index}/");
                let count = |trainable_only: bool| {
                    let parameters = self.parameters.iter().map(|(_, parameter)| parameter);
                    parameters
                        .filter(|parameter| parameter.name.starts_with(&of_layer))
                        .filter(|parameter| parameter.trainable || !trainable_only)
                        .map(|parameter| parameter.values.len())
                        .sum()
                };
                LayerSummary {
                    name: index.to_string(),
                    type_name: layer.type_name().to_owned(),
                    output_shape: shapes.output.to_vec(),
                    parameters: count(false),
                    trainable: count(true),
                }
            })
            .collect();
        Ok(Summary {
            total_parameters: layers.iter().map(|layer| layer.parameters).sum(),
            trainable_parameters: layers.iter().map(|layer| layer.trainable).sum(),
            layers,
        })
    }
}
