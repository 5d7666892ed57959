//! The circuit: nodes in topological order, scopes, pick tables, parameters and quantities.
//!
//! [`CircuitBuilder`] checks what can be checked node by node — children exist, widths fit, slices
//! lie inside their quantities — and computes scopes. Whether the circuit is *valid* (complete,
//! decomposable, normalised) is for the compiler's checks to say, with a witness.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use thiserror::Error;

use crate::{
    Combine, Dropout, Leaf, LeafFamily, Node, NodeId, NodeKind, Origin, Parameter, ParameterId,
    Parameters, PickTable, PickTableId, Product, Quantity, QuantityId, Scope, ScopeTable, Slice,
    Sum, VariableId,
};

/// The most units a block may have; keeps index arithmetic far from overflow.
pub const MAXIMUM_WIDTH: u64 = 1 << 26;

/// A sum-product network as a graph of blocks.
#[derive(Clone, Debug, Default)]
pub struct Circuit {
    /// How many variables the input rows have.
    pub variables: u32,
    /// What is done to each row before the leaves see it.
    pub normalisation: Option<Normalisation>,
    /// Every scope that occurs.
    pub scopes: ScopeTable,
    /// The nodes, children before parents.
    pub nodes: Vec<Node>,
    /// The pick tables of products.
    pub tables: Vec<PickTable>,
    /// What is stored and trained.
    pub parameters: Parameters,
    /// What nodes read.
    pub quantities: Vec<Quantity>,
    /// Names of the layers that [`Origin::Layer`] refers to.
    pub layers: Vec<String>,
    /// The node whose value is the log-likelihood; it has one unit.
    pub root: NodeId,
}

/// Standard-score normalisation of the input rows: `(x - mean) / (deviation + epsilon)`.
/// Log-likelihoods are densities of the *normalised* values, as in the reference library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Normalisation {
    /// Mean and population standard deviation of each row's own (observed) values.
    SampleWise {
        /// Added to the deviation.
        epsilon: f64,
    },
    /// Given means and deviations, one for each variable.
    Fixed {
        /// Means.
        mean: Vec<f64>,
        /// Standard deviations.
        deviation: Vec<f64>,
        /// Added to the deviations.
        epsilon: f64,
    },
}

/// Why a node cannot be added to a circuit.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum CircuitError {
    /// A child that is not there (yet).
    #[error("node {node} names child {child}, but children must precede their parents")]
    UnknownChild {
        /// The node that would have been made.
        node: u32,
        /// The missing child.
        child: u32,
    },
    /// A variable outside the declared ones.
    #[error("variable {variable} does not exist: the circuit has {count} variables, from 0")]
    UnknownVariable {
        /// The variable.
        variable: u32,
        /// How many there are.
        count: u32,
    },
    /// Children of an element-wise product differ in width.
    #[error("an element-wise product needs children of one width; got {widths:?}")]
    UnequalWidths {
        /// The children's widths.
        widths: Vec<u32>,
    },
    /// The declared width is not the one that follows from the children.
    #[error("the node is declared {declared} units wide, but its children make it {expected}")]
    WrongWidth {
        /// What was declared.
        declared: u32,
        /// What follows from the children.
        expected: u64,
    },
    /// A block of no or too many units.
    #[error("a block of {width} units: it must have between 1 and {MAXIMUM_WIDTH}")]
    BadWidth {
        /// The width.
        width: u64,
    },
    /// A pick table that does not fit its product.
    #[error("the pick table does not fit: {reason}")]
    BadTable {
        /// What does not fit.
        reason: String,
    },
    /// A slice that leaves its quantity.
    #[error("{what} needs {length} values from index {offset}, but the tensor has {available}")]
    SliceOutside {
        /// What is read: weights, location, …
        what: &'static str,
        /// First index.
        offset: u32,
        /// Values needed.
        length: u64,
        /// Values there are.
        available: usize,
    },
    /// A quantity that is not there.
    #[error("{what} names quantity {quantity}, which does not exist")]
    UnknownQuantity {
        /// What is read.
        what: &'static str,
        /// The quantity.
        quantity: u32,
    },
    /// A sum or leaf without children or variables.
    #[error("a {what} needs at least one {part}")]
    Empty {
        /// `sum` or `leaf`.
        what: &'static str,
        /// `child` or `variable`.
        part: &'static str,
    },
    /// Dropout on something else than a product of one child.
    #[error("dropout needs a node of its own: an element-wise product of one child")]
    MisplacedDropout,
    /// The root must be one unit.
    #[error("the root has {width} units; it must have one: end the network with a single sum")]
    WideRoot {
        /// The root's width.
        width: u32,
    },
}

/// What a new node is made with beside its kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeOptions {
    /// Where it comes from.
    pub origin: Origin,
    /// Dropout on its values in training; only for an element-wise product of one child.
    pub dropout: Option<Dropout>,
}

impl From<Origin> for NodeOptions {
    fn from(origin: Origin) -> Self {
        Self { origin, dropout: None }
    }
}

impl Circuit {
    /// The node with this id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The scope of a node.
    #[must_use]
    pub fn scope(&self, id: NodeId) -> &Scope {
        self.scopes.get(self.node(id).scope)
    }

    /// All nodes with their ids, children before parents.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(index, node)| (NodeId(index as u32), node))
    }

    /// A node's children.
    #[must_use]
    pub fn children(&self, id: NodeId) -> &[NodeId] {
        self.node(id).children()
    }

    /// How many units the blocks have together.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.nodes.iter().map(|node| u64::from(node.width)).sum()
    }

    /// How many edges between units there are: factors of products and weights of sums.
    #[must_use]
    pub fn edges(&self) -> u64 {
        self.nodes
            .iter()
            .map(|node| match &node.kind {
                NodeKind::Leaf(_) => 0,
                NodeKind::Product(product) => product.children.len() as u64 * u64::from(node.width),
                NodeKind::Sum(sum) => {
                    let inputs = sum.children.iter().map(|c| u64::from(self.node(*c).width));
                    inputs.sum::<u64>() * u64::from(node.width)
                }
            })
            .sum()
    }

    /// Length of the longest path from a leaf to the root, in nodes.
    #[must_use]
    pub fn depth(&self) -> usize {
        let mut depths = vec![0_usize; self.nodes.len()];
        for (id, node) in self.iter() {
            let below = node.children().iter().map(|child| depths[child.index()]).max();
            depths[id.index()] = below.unwrap_or(0) + 1;
        }
        depths.get(self.root.index()).copied().unwrap_or(0)
    }

    /// Where a node came from, in words: `layer 3 (Local2DSum), cell 0,1` or `line 7`.
    #[must_use]
    pub fn describe_origin(&self, origin: Origin) -> String {
        match origin {
            Origin::Unknown => "made by the program".to_owned(),
            Origin::Line(line) => format!("line {line}"),
            Origin::Layer { layer, row, column } => {
                let name = self.layers.get(layer as usize).map_or("?", String::as_str);
                format!("layer {layer} ({name}), cell {row},{column}")
            }
        }
    }
}

impl Node {
    /// The node's children; none for a leaf.
    #[must_use]
    pub fn children(&self) -> &[NodeId] {
        match &self.kind {
            NodeKind::Leaf(_) => &[],
            NodeKind::Product(product) => &product.children,
            NodeKind::Sum(sum) => &sum.children,
        }
    }
}

/// Builds a circuit node by node.
///
/// ```
/// use spn_ir::{CircuitBuilder, Origin, Parameter, Quantity};
///
/// // A mixture of two products of Bernoulli variables, as categorical leaves.
/// let mut builder = CircuitBuilder::new(2);
/// let table = Parameter::new("p", vec![4, 2], vec![0.2, 0.8, 0.6, 0.4, 0.5, 0.5, 0.9, 0.1]);
/// let p = builder.quantity_of(table);
/// let a = builder.categorical(0, 2, 2, p.at(0), Origin::Unknown)?;
/// let b = builder.categorical(1, 2, 2, p.at(4), Origin::Unknown)?;
/// let product = builder.element_wise(&[a, b], Origin::Unknown)?;
/// let w = builder.quantity_of(Parameter::new("w", vec![2, 1], vec![0.3, 0.7]));
/// let root = builder.sum(&[product], 1, w.at(0), Origin::Unknown)?;
/// let circuit = builder.finish(root)?;
/// assert_eq!(circuit.scope(circuit.root).len(), 2);
/// # Ok::<(), spn_ir::CircuitError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct CircuitBuilder {
    circuit: Circuit,
}

impl QuantityId {
    /// The part of the quantity that begins at `offset`.
    #[must_use]
    pub fn at(self, offset: u32) -> Slice {
        Slice { quantity: self, offset }
    }
}

impl CircuitBuilder {
    /// A builder for a circuit over `variables` input columns.
    #[must_use]
    pub fn new(variables: u32) -> Self {
        Self { circuit: Circuit { variables, ..Circuit::default() } }
    }

    /// The circuit as far as it is built.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// Sets what is done to the input rows.
    pub fn set_normalisation(&mut self, normalisation: Option<Normalisation>) {
        self.circuit.normalisation = normalisation;
    }

    /// Sets the names of the layers that origins refer to.
    pub fn set_layers(&mut self, layers: Vec<String>) {
        self.circuit.layers = layers;
    }

    /// Adds a parameter.
    pub fn parameter(&mut self, parameter: Parameter) -> ParameterId {
        self.circuit.parameters.add(parameter)
    }

    /// Adds a quantity.
    pub fn quantity(&mut self, quantity: Quantity) -> QuantityId {
        self.circuit.quantities.push(quantity);
        QuantityId(self.circuit.quantities.len() as u32 - 1)
    }

    /// Adds a parameter and the quantity that is its own values.
    pub fn quantity_of(&mut self, parameter: Parameter) -> QuantityId {
        let shape = parameter.shape.clone();
        let id = self.parameter(parameter);
        self.quantity(Quantity { shape, formula: crate::Formula::Direct(id), bounds: None })
    }

    /// Adds a pick table.
    pub fn table(&mut self, table: PickTable) -> PickTableId {
        self.circuit.tables.push(table);
        PickTableId(self.circuit.tables.len() as u32 - 1)
    }

    /// Adds a leaf of `width` components.
    ///
    /// # Errors
    /// If a variable or quantity does not exist, or a slice leaves its quantity.
    pub fn leaf(
        &mut self,
        leaf: Leaf,
        width: u32,
        options: impl Into<NodeOptions>,
    ) -> Result<NodeId, CircuitError> {
        if leaf.variables.is_empty() {
            return Err(CircuitError::Empty { what: "leaf", part: "variable" });
        }
        for &VariableId(variable) in &leaf.variables {
            if variable >= self.circuit.variables {
                let count = self.circuit.variables;
                return Err(CircuitError::UnknownVariable { variable, count });
            }
        }
        let values = u64::from(width).saturating_mul(leaf.variables.len() as u64);
        match &leaf.family {
            LeafFamily::LocationScale { location, scale, .. } => {
                self.check_slice("location", *location, values)?;
                self.check_slice("scale", *scale, values)?;
            }
            LeafFamily::Categorical { states, probabilities } => {
                let values = values.saturating_mul(u64::from(*states));
                self.check_slice("probabilities", *probabilities, values)?;
            }
            LeafFamily::Indicator => {}
        }
        let scope = Scope::from_variables(leaf.variables.iter().map(|v| v.index()));
        self.push(NodeKind::Leaf(leaf), u64::from(width), scope, options.into())
    }

    /// Adds a categorical leaf over one variable; `probabilities` holds `[width, states]`.
    ///
    /// # Errors
    /// As [`leaf`](Self::leaf).
    pub fn categorical(
        &mut self,
        variable: u32,
        states: u32,
        width: u32,
        probabilities: Slice,
        options: impl Into<NodeOptions>,
    ) -> Result<NodeId, CircuitError> {
        let family = LeafFamily::Categorical { states, probabilities };
        let variables = SmallVec::from_slice(&[VariableId(variable)]);
        self.leaf(Leaf { family, variables }, width, options)
    }

    /// Adds the constant log 1 as a block of `width` units with an empty scope.
    ///
    /// # Errors
    /// If the width is 0 or too large.
    pub fn one(
        &mut self,
        width: u32,
        options: impl Into<NodeOptions>,
    ) -> Result<NodeId, CircuitError> {
        let product = Product { children: SmallVec::new(), combine: Combine::ElementWise };
        self.push(NodeKind::Product(product), u64::from(width), Scope::empty(), options.into())
    }

    /// Adds an element-wise product.
    ///
    /// # Errors
    /// If there is no child, a child does not exist, or widths differ.
    pub fn element_wise(
        &mut self,
        children: &[NodeId],
        options: impl Into<NodeOptions>,
    ) -> Result<NodeId, CircuitError> {
        self.product(children, Combine::ElementWise, options)
    }

    /// Adds a product of one or more children.
    ///
    /// # Errors
    /// If there is no child, a child does not exist, or widths or the table do not fit.
    pub fn product(
        &mut self,
        children: &[NodeId],
        combine: Combine,
        options: impl Into<NodeOptions>,
    ) -> Result<NodeId, CircuitError> {
        self.check_children("product", children)?;
        let widths: Vec<u32> = children.iter().map(|c| self.circuit.node(*c).width).collect();
        let width = match combine {
            Combine::ElementWise => {
                if widths.iter().any(|&w| w != widths[0]) {
                    return Err(CircuitError::UnequalWidths { widths });
                }
                u64::from(widths[0])
            }
            Combine::Outer => widths
                .iter()
                .try_fold(1_u64, |product, &w| product.checked_mul(u64::from(w)))
                .unwrap_or(u64::MAX),
            Combine::Table(table) => self.check_table(table, &widths)?,
        };
        let scope = self.union_of(children);
        let product = Product { children: SmallVec::from_slice(children), combine };
        self.push(NodeKind::Product(product), width, scope, options.into())
    }

    /// Adds a sum of `width` units; `weights` holds `[Σ widths of the children, width]`.
    ///
    /// # Errors
    /// If there is no child, a child does not exist, or the weights leave their quantity.
    pub fn sum(
        &mut self,
        children: &[NodeId],
        width: u32,
        weights: Slice,
        options: impl Into<NodeOptions>,
    ) -> Result<NodeId, CircuitError> {
        self.check_children("sum", children)?;
        let inputs: u64 = children.iter().map(|c| u64::from(self.circuit.node(*c).width)).sum();
        self.check_slice("weights", weights, inputs.saturating_mul(u64::from(width)))?;
        let scope = self.union_of(children);
        let sum = Sum { children: SmallVec::from_slice(children), weights };
        self.push(NodeKind::Sum(sum), u64::from(width), scope, options.into())
    }

    /// The finished circuit with this root.
    ///
    /// # Errors
    /// If the root does not exist or has more than one unit.
    pub fn finish(mut self, root: NodeId) -> Result<Circuit, CircuitError> {
        self.check_children("root", &[root])?;
        let width = self.circuit.node(root).width;
        if width != 1 {
            return Err(CircuitError::WideRoot { width });
        }
        self.circuit.root = root;
        Ok(self.circuit)
    }

    fn push(
        &mut self,
        kind: NodeKind,
        width: u64,
        scope: Scope,
        options: NodeOptions,
    ) -> Result<NodeId, CircuitError> {
        if width == 0 || width > MAXIMUM_WIDTH {
            return Err(CircuitError::BadWidth { width });
        }
        let NodeOptions { origin, dropout } = options;
        let alone = matches!(&kind, NodeKind::Product(product)
            if product.children.len() == 1 && product.combine == Combine::ElementWise);
        if dropout.is_some() && !alone {
            return Err(CircuitError::MisplacedDropout);
        }
        let scope = self.circuit.scopes.intern(scope);
        self.circuit.nodes.push(Node { kind, width: width as u32, scope, origin, dropout });
        Ok(NodeId(self.circuit.nodes.len() as u32 - 1))
    }

    fn union_of(&self, children: &[NodeId]) -> Scope {
        let mut scope = Scope::empty();
        for &child in children {
            scope.union_with(self.circuit.scope(child));
        }
        scope
    }

    fn check_children(&self, what: &'static str, children: &[NodeId]) -> Result<(), CircuitError> {
        if children.is_empty() {
            return Err(CircuitError::Empty { what, part: "child" });
        }
        let node = self.circuit.nodes.len() as u32;
        match children.iter().find(|child| child.0 >= node) {
            Some(&NodeId(child)) => Err(CircuitError::UnknownChild { node, child }),
            None => Ok(()),
        }
    }

    fn check_slice(
        &self,
        what: &'static str,
        slice: Slice,
        length: u64,
    ) -> Result<(), CircuitError> {
        let Slice { quantity, offset } = slice;
        let Some(found) = self.circuit.quantities.get(quantity.index()) else {
            return Err(CircuitError::UnknownQuantity { what, quantity: quantity.0 });
        };
        let available = found.len();
        if u64::from(offset).saturating_add(length) > available as u64 {
            return Err(CircuitError::SliceOutside { what, offset, length, available });
        }
        Ok(())
    }

    fn check_table(&self, id: PickTableId, widths: &[u32]) -> Result<u64, CircuitError> {
        let bad = |reason: String| CircuitError::BadTable { reason };
        let Some(table) = self.circuit.tables.get(id.0 as usize) else {
            return Err(bad(format!("table {} does not exist", id.0)));
        };
        if table.picks.len() != widths.len() {
            let (rows, children) = (table.picks.len(), widths.len());
            return Err(bad(format!("it has {rows} rows for {children} children")));
        }
        for (child, (row, &width)) in table.picks.iter().zip(widths).enumerate() {
            if row.len() != table.picks[0].len() {
                return Err(bad(format!("row {child} has another length than row 0")));
            }
            if let Some(pick) = row.iter().find(|&&pick| pick >= width) {
                return Err(bad(format!("it picks unit {pick} of child {child}, {width} wide")));
            }
        }
        Ok(table.picks.first().map_or(0, Vec::len) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_overflow_are_errors() {
        let mut builder = CircuitBuilder::new(1);
        let wide = builder.one(MAXIMUM_WIDTH as u32, Origin::Unknown).unwrap();
        let weights = builder.quantity_of(Parameter::new("w", vec![1], vec![1.0]));
        let children = vec![wide; 70];
        let result = builder.sum(&children, u32::MAX, weights.at(u32::MAX), Origin::Unknown);
        assert!(matches!(result, Err(CircuitError::SliceOutside { .. })));
    }

    #[test]
    fn dropout_needs_a_node_of_its_own() {
        let mut builder = CircuitBuilder::new(1);
        let one = builder.one(2, Origin::Unknown).unwrap();
        let kind = crate::DropoutKind::Sum { keep_one: false };
        let dropout = Dropout { kind, rate: 0.5, stream: 0, first: 0, stride: 1 };
        let options = NodeOptions { origin: Origin::Unknown, dropout: Some(dropout) };
        assert!(builder.element_wise(&[one], options).is_ok());
        let result = builder.product(&[one], Combine::Outer, options);
        assert_eq!(result, Err(CircuitError::MisplacedDropout));
    }
}
