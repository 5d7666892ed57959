//! What layers lower with: the circuit under construction, and what they lower: tensors of cells.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::{
    CircuitBuilder, Formula, NodeId, Origin, ParameterId, Parameters, PickTable, PickTableId,
    Quantity, QuantityId,
};

use super::build::parameter_name;
use super::check::{CheckedLayer, place};
use super::shape::TensorShape;
use super::{Layer, LayerError, LayerProblem, Part};

/// One cell of a layer's output: a scope and decomposition, or a row and column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// The nodes whose units, one after the other, are the cell's values. None for a padding
    /// cell, whose values are all log 1.
    pub nodes: SmallVec<[NodeId; 1]>,
    /// How many values the cell has.
    pub units: u32,
}

impl Cell {
    /// A padding cell.
    #[must_use]
    pub fn padding(units: u32) -> Self {
        Self { nodes: SmallVec::new(), units }
    }

    /// Whether the cell is padding: all values are log 1.
    #[must_use]
    pub fn is_padding(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A cell that is one node.
    pub(crate) fn of(node: NodeId, units: u32) -> Self {
        Self { nodes: SmallVec::from_slice(&[node]), units }
    }
}

/// A layer's output as nodes of the circuit.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerTensor {
    /// Lengths of the axes without the batch: `[rows, columns, units]`, of a root `[1]` or
    /// `[children]`.
    pub shape: Vec<usize>,
    /// The cells, row-major. Layers below the leaf have none: they only prepare the input. A
    /// root has one cell with the root node, also if its shape counts its children: those are
    /// the root sum's weighted inputs.
    pub cells: Vec<Cell>,
}

/// A tensor between layers while they are lowered.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) shape: TensorShape,
    pub(crate) cells: Vec<Cell>,
}

impl Tensor {
    /// A tensor without nodes, below the leaf.
    pub(crate) fn without_nodes(shape: TensorShape) -> Self {
        Self { shape, cells: Vec::new() }
    }

    /// A tensor of log probabilities.
    pub(crate) fn of_units(shape: (usize, usize, usize), cells: Vec<Cell>) -> Self {
        let (rows, columns, units) = shape;
        Self { shape: TensorShape::Units { rows, columns, units }, cells }
    }

    /// The public form.
    pub(crate) fn into_layer_tensor(self) -> LayerTensor {
        LayerTensor { shape: self.shape.to_vec(), cells: self.cells }
    }
}

/// The steps of a dynamic network; an ordinary network is one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Index of this step.
    pub(crate) index: usize,
    /// How many there are.
    pub(crate) count: usize,
    /// Whether the network is dynamic.
    pub(crate) dynamic: bool,
}

/// The circuit under construction, with what its layers share.
pub(crate) struct Lowering<'a> {
    /// The circuit so far.
    pub(crate) builder: CircuitBuilder,
    /// The step that is lowered.
    pub(crate) step: Step,
    parameters: &'a Parameters,
    ids: BTreeMap<&'a str, ParameterId>,
    quantities: BTreeMap<String, QuantityId>,
    tables: BTreeMap<PickTable, PickTableId>,
    ones: BTreeMap<u32, NodeId>,
    part: Option<Part>,
    /// Index of the layer in its part.
    index: usize,
    /// Index of the layer in the circuit's list of layers.
    number: u32,
    /// How many layers that list has.
    total: u32,
    /// Variables of one step.
    variables: usize,
}

impl<'a> Lowering<'a> {
    /// A circuit over `variables` variables for each of `step.count` steps, with all parameters.
    pub(crate) fn new(
        variables: usize,
        step: Step,
        parameters: &'a Parameters,
        layers: Vec<String>,
    ) -> Self {
        let mut builder = CircuitBuilder::new((variables * step.count) as u32);
        let total = layers.len() as u32;
        builder.set_layers(layers);
        for (_, parameter) in parameters.iter() {
            builder.parameter(parameter.clone());
        }
        let mut ids = BTreeMap::new();
        for (id, parameter) in parameters.iter() {
            // The first of several with one name counts, as in `Parameters::find`.
            ids.entry(parameter.name.as_str()).or_insert(id);
        }
        let (quantities, tables, ones) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (part, index, number) = (None, 0, 0);
        Self {
            builder,
            step,
            parameters,
            ids,
            quantities,
            tables,
            ones,
            part,
            index,
            number,
            total,
            variables,
        }
    }

    /// Lowers a checked stack on top of `input`; `first` is the number of its first layer in the
    /// circuit's list. Gives the output of every layer.
    pub(crate) fn stack(
        &mut self,
        part: Option<Part>,
        first: usize,
        (layers, checked): (&[Layer], &[CheckedLayer]),
        input: &Tensor,
    ) -> Result<Vec<Tensor>, LayerError> {
        self.part = part;
        let mut outputs: Vec<Tensor> = Vec::with_capacity(layers.len());
        for (index, (layer, shapes)) in layers.iter().zip(checked).enumerate() {
            let at = |problem: LayerProblem| problem.at(place(part, index, layer.type_name()));
            self.index = index;
            self.number = (first + index) as u32;
            self.check_parameters(shapes).map_err(at)?;
            let below = outputs.last().unwrap_or(input);
            let output = layer.rules().lower(below, self).map_err(at)?;
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// Checks that the layer's parameters are in the store with the right shapes.
    fn check_parameters(&self, shapes: &CheckedLayer) -> Result<(), LayerProblem> {
        for spec in &shapes.parameters {
            let name = parameter_name(self.part, self.index, spec.name);
            let Some(&id) = self.ids.get(name.as_str()) else {
                return Err(LayerProblem::MissingParameter { name, shape: spec.shape.clone() });
            };
            let found = self.parameters.get(id);
            let length: usize = spec.shape.iter().product();
            if found.shape != spec.shape || found.values.len() != length {
                return Err(LayerProblem::WrongParameter {
                    name,
                    found: found.shape.clone(),
                    values: found.values.len(),
                    expected: spec.shape.clone(),
                });
            }
        }
        Ok(())
    }

    /// The id of a parameter of the current layer.
    pub(crate) fn parameter(&self, name: &str) -> Result<ParameterId, LayerProblem> {
        let name = parameter_name(self.part, self.index, name);
        self.ids
            .get(name.as_str())
            .copied()
            .ok_or(LayerProblem::MissingParameter { name, shape: Vec::new() })
    }

    /// The values of a parameter of the current layer.
    pub(crate) fn values(&self, name: &str) -> Result<&'a [f64], LayerProblem> {
        Ok(&self.parameters.get(self.parameter(name)?).values)
    }

    /// The quantity `name` of the current layer; steps of a dynamic network share it.
    pub(crate) fn quantity(
        &mut self,
        name: &str,
        shape: &[usize],
        formula: Formula,
        bounds: Option<(f64, f64)>,
    ) -> QuantityId {
        let key = parameter_name(self.part, self.index, name);
        if let Some(&id) = self.quantities.get(&key) {
            return id;
        }
        let id = self.builder.quantity(Quantity { shape: shape.to_vec(), formula, bounds });
        self.quantities.insert(key, id);
        id
    }

    /// Where a node of the current layer comes from.
    pub(crate) fn origin(&self, row: usize, column: usize) -> Origin {
        Origin::Layer { layer: self.number, row: row as u32, column: column as u32 }
    }

    /// The stream of the current layer's dropout: the layer's index, in a dynamic network
    /// another one in each step.
    pub(crate) fn dropout_stream(&self) -> u32 {
        (self.step.index as u32).wrapping_mul(self.total).wrapping_add(self.number)
    }

    /// The first variable of the current step.
    pub(crate) fn first_variable(&self) -> usize {
        self.step.index * self.variables
    }

    /// The variables of one step.
    pub(crate) fn variables(&self) -> usize {
        self.variables
    }

    /// The nodes of a cell; a padding cell becomes the constant log 1.
    pub(crate) fn nodes(&mut self, cell: &Cell) -> Result<SmallVec<[NodeId; 1]>, LayerProblem> {
        if !cell.is_padding() {
            return Ok(cell.nodes.clone());
        }
        if let Some(&node) = self.ones.get(&cell.units) {
            return Ok(SmallVec::from_slice(&[node]));
        }
        let node = self.builder.one(cell.units, self.origin(0, 0))?;
        self.ones.insert(cell.units, node);
        Ok(SmallVec::from_slice(&[node]))
    }

    /// The pick table, which is added if it is new: thousands of cells share one.
    pub(crate) fn table(&mut self, table: PickTable) -> PickTableId {
        if let Some(&id) = self.tables.get(&table) {
            return id;
        }
        let id = self.builder.table(table.clone());
        self.tables.insert(table, id);
        id
    }
}
