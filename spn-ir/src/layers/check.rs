//! Checks a stack of layers: shapes from layer to layer, parameters, and the memory it will need.
//!
//! In: resolved layers and the shape of the input. Out: for each layer its input and output shape
//! and its parameters, or an error that names the layer. Nothing of the network's size is
//! allocated before this has passed.

use super::shape::{LIMIT, TensorShape};
use super::{Layer, LayerError, LayerProblem, NormalizeStandardScore, ParameterSpec, Part, Place};

/// What one cell costs beside its units, in values: its node, its scope's entry.
pub(crate) const CELL: usize = 32;

/// A layer whose shapes are known to fit.
#[derive(Clone, Debug)]
pub(crate) struct CheckedLayer {
    pub(crate) input: TensorShape,
    pub(crate) output: TensorShape,
    pub(crate) parameters: Vec<ParameterSpec>,
}

/// Counts the values that a network needs, up to [`LIMIT`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    left: usize,
    /// Words of a scope over all variables.
    scope: usize,
}

impl Budget {
    /// A budget for a network over `variables` variables.
    pub(crate) fn new(variables: usize) -> Self {
        Self { left: LIMIT, scope: variables.div_ceil(64) }
    }

    fn spend(&mut self, what: &'static str, values: usize) -> Result<(), LayerProblem> {
        self.left =
            self.left.checked_sub(values).ok_or(LayerProblem::TooLarge { what, limit: LIMIT })?;
        Ok(())
    }

    fn spend_layer(&mut self, layer: &CheckedLayer) -> Result<(), LayerProblem> {
        if let TensorShape::Units { rows, columns, units } = layer.output {
            let values = (units + CELL + self.scope).saturating_mul(rows).saturating_mul(columns);
            self.spend("the network up to this layer", values)?;
        }
        for parameter in &layer.parameters {
            let length = parameter.shape.iter().try_fold(1_usize, |p, &l| p.checked_mul(l));
            self.spend("the network's parameters", length.unwrap_or(usize::MAX))?;
        }
        Ok(())
    }
}

/// The place of a layer in messages.
pub(crate) fn place(part: Option<Part>, layer: usize, type_name: &str) -> Place {
    Place { part, layer, type_name: type_name.to_owned() }
}

/// Checks the layers of one stack from the bottom up.
pub(crate) fn check_layers(
    part: Option<Part>,
    layers: &[Layer],
    start: TensorShape,
    budget: &mut Budget,
) -> Result<Vec<CheckedLayer>, LayerError> {
    let mut input = start;
    let mut checked = Vec::with_capacity(layers.len());
    for (index, layer) in layers.iter().enumerate() {
        let at = |problem: LayerProblem| problem.at(place(part, index, layer.type_name()));
        if index > 0 && matches!(layer, Layer::NormalizeStandardScore(_)) {
            return Err(at(NormalizeStandardScore::misplaced(input)));
        }
        let output = layer.rules().output(input).map_err(at)?;
        let parameters = layer.rules().parameters(input).map_err(at)?;
        let layer = CheckedLayer { input, output, parameters };
        budget.spend_layer(&layer).map_err(at)?;
        checked.push(layer);
        input = output;
    }
    if checked.is_empty() {
        return Err(LayerError::Empty { what: part.map_or("network", Part::name) });
    }
    Ok(checked)
}

/// Checks that a stack ends in a single unit, the root.
pub(crate) fn check_root(
    part: Option<Part>,
    layers: &[Layer],
    checked: &[CheckedLayer],
) -> Result<(), LayerError> {
    let (Some(layer), Some(last)) = (layers.last(), checked.last()) else {
        return Err(LayerError::Empty { what: part.map_or("network", Part::name) });
    };
    match last.output {
        TensorShape::Root { .. } | TensorShape::Units { rows: 1, columns: 1, units: 1 } => Ok(()),
        other => Err(LayerProblem::NoRoot { found: other.to_string() }.at(place(
            part,
            layers.len() - 1,
            layer.type_name(),
        ))),
    }
}
