//! A built network: fixed structure and parameters, ready to be lowered to a circuit.

use crate::{Circuit, Parameters};

use super::check::{Budget, CheckedLayer, check_layers, check_root, place};
use super::lowering::{LayerTensor, Lowering, Step, Tensor};
use super::shape::TensorShape;
use super::{Layer, LayerError, LayerProblem, Network};

/// A network whose structure is fixed, with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The network; random permutations are drawn (`PermuteAndPadScopesRandom` has become
    /// `PermuteAndPadScopes`) and inline data are gone.
    pub network: Network,
    /// The parameters `<layer index>/<variable name>`, in layer order.
    pub parameters: Parameters,
}

/// A circuit with what each layer has become in it.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The circuit; its parameters are the model's, in the same order.
    pub circuit: Circuit,
    /// The output of each layer. A layer's cells may hold nodes that nothing above reads; the
    /// compiler drops them.
    pub layers: Vec<LayerTensor>,
}

impl Model {
    /// A model of a saved network and its saved parameters.
    ///
    /// # Errors
    /// If the network's structure is not fixed, its layers do not fit, or a parameter is missing,
    /// is not the network's or has another shape.
    pub fn new(network: Network, parameters: Parameters) -> Result<Self, LayerError> {
        let model = Self { network, parameters };
        model.checked()?;
        Ok(model)
    }

    /// Makes the circuit.
    ///
    /// # Errors
    /// If the network or the parameters were changed since they were checked and no longer fit.
    pub fn lower(&self) -> Result<Lowered, LayerError> {
        let (variables, checked) = self.checked()?;
        let layers = &self.network.layers;
        let names = layers.iter().map(|layer| layer.type_name().to_owned()).collect();
        let step = Step { index: 0, count: 1, dynamic: false };
        let mut lowering = Lowering::new(variables, step, &self.parameters, names);
        let start = Tensor::without_nodes(TensorShape::of_variables(&self.network.variables)?);
        let outputs = lowering.stack(None, 0, (layers, &checked), &start)?;
        let root = outputs.last().and_then(|tensor| tensor.cells.first());
        let root = root.and_then(|cell| cell.nodes.first().copied());
        let Some(root) = root else {
            let last = layers.last().map_or("?", Layer::type_name);
            let found = "a padding cell".to_owned();
            return Err(LayerProblem::NoRoot { found }.at(place(None, layers.len() - 1, last)));
        };
        let circuit = lowering.builder.finish(root).map_err(|error| {
            let last = layers.last().map_or("?", Layer::type_name);
            LayerProblem::from(error).at(place(None, layers.len() - 1, last))
        })?;
        let layers = outputs.into_iter().map(Tensor::into_layer_tensor).collect();
        Ok(Lowered { circuit, layers })
    }

    /// The number of variables and the checked layers.
    pub(crate) fn checked(&self) -> Result<(usize, Vec<CheckedLayer>), LayerError> {
        let start = TensorShape::of_variables(&self.network.variables)?;
        let variables = self.network.variable_count()?;
        let layers = &self.network.layers;
        let checked = check_layers(None, layers, start, &mut Budget::new(variables))?;
        check_root(None, layers, &checked)?;
        check_count(&checked, &self.parameters)?;
        Ok((variables, checked))
    }
}

/// Checks that there are as many parameters as the layers have.
pub(crate) fn check_count(
    checked: &[CheckedLayer],
    parameters: &Parameters,
) -> Result<(), LayerError> {
    let expected: usize = checked.iter().map(|layer| layer.parameters.len()).sum();
    if parameters.len() == expected {
        return Ok(());
    }
    let found = parameters.len();
    Err(LayerError::Parameters { reason: format!("the layers have {expected}, given are {found}") })
}
