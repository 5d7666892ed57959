//! A network as a layer file describes it: the shape of the input rows and the layers.

use serde_json::Value;

use super::build::resolve_layers;
use super::check::{Budget, check_layers};
use super::shape::TensorShape;
use super::{Layer, LayerError};

/// A stack of layers over input rows. What is random in it is drawn when it is built
/// ([`build`](Self::build)).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// A name for reports.
    pub name: Option<String>,
    /// The shape of an input row: `[variables]`, `[variables, dimensions]` or
    /// `[height, width, channels]`. Variable indices run row-major, the last axis fastest.
    pub variables: Vec<usize>,
    /// The layers, from the bottom.
    pub layers: Vec<Layer>,
    /// The file's `training` object, for whoever trains the network.
    pub training: Option<Value>,
}

impl Network {
    /// A network over input rows of this shape, still without layers.
    pub fn new(variables: impl Into<Vec<usize>>) -> Self {
        Self { variables: variables.into(), ..Self::default() }
    }

    /// The network with one more layer on top.
    #[must_use]
    pub fn layer(mut self, layer: impl Into<Layer>) -> Self {
        self.layers.push(layer.into());
        self
    }

    /// The network with a name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many variables an input row has.
    ///
    /// # Errors
    /// If [`variables`](Self::variables) is not the shape of a row.
    pub fn variable_count(&self) -> Result<usize, LayerError> {
        let shape = TensorShape::of_variables(&self.variables)?;
        Ok(shape.to_vec().into_iter().product())
    }

    /// The output shape of each layer, without the batch axis.
    ///
    /// # Errors
    /// If a layer does not fit the one below it or the network would be too large.
    pub fn output_shapes(&self) -> Result<Vec<Vec<usize>>, LayerError> {
        let start = TensorShape::of_variables(&self.variables)?;
        let (layers, _) = resolve_layers(None, &self.layers, start, 0)?;
        let mut budget = Budget::new(self.variable_count()?);
        let checked = check_layers(None, &layers, start, &mut budget)?;
        Ok(checked.iter().map(|layer| layer.output.to_vec()).collect())
    }
}
