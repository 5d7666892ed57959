//! The printer: a circuit as text, in an order in which parsing gives everything its old index.
//!
//! Nodes are called `n0, n1, …`, quantities `q0, q1, …`, tables `t0, t1, …`; parameters keep their
//! names. A declaration stands before the first node that needs it (or a later one). Small
//! parameters that only one node reads stand in that node's line.

use super::fragments::{
    Read, constraint_text, dropout_text, leaf_text, names, number_list, picks_list, reads,
    shape_list, table_of,
};
use super::words::{number, quoted};
use crate::{
    Circuit, Combine, Formula, Leaf, LeafFamily, Node, NodeId, NodeKind, Normalisation, Origin,
    Parameter, ParameterId, PickTableId, Product, Slice,
};

/// The most values that are written in a node's line.
const INLINE_VALUES: usize = 64;

/// Writes one circuit.
pub(super) struct Printer<'a> {
    circuit: &'a Circuit,
    /// Whether parameters are printed with their values.
    values: bool,
    text: String,
    /// How many parameters, quantities and tables are declared already.
    declared: [usize; 3],
    /// How often each quantity is read by nodes, and each parameter by quantities.
    quantity_readers: Vec<u32>,
    parameter_readers: Vec<u32>,
    table_readers: Vec<u32>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(circuit: &'a Circuit, values: bool) -> Self {
        let mut printer = Self {
            circuit,
            values,
            text: String::new(),
            declared: [0; 3],
            quantity_readers: vec![0; circuit.quantities.len()],
            parameter_readers: vec![0; circuit.parameters.len()],
            table_readers: vec![0; circuit.tables.len()],
        };
        let count = |list: &mut Vec<u32>, index: usize| {
            if let Some(readers) = list.get_mut(index) {
                *readers += 1;
            }
        };
        for quantity in &circuit.quantities {
            for id in quantity.formula.parameters() {
                count(&mut printer.parameter_readers, id.index());
            }
        }
        for node in &circuit.nodes {
            for read in reads(node) {
                count(&mut printer.quantity_readers, read.slice.quantity.index());
            }
            if let Some(PickTableId(table)) = table_of(node) {
                count(&mut printer.table_readers, table as usize);
            }
        }
        printer
    }

    /// The whole circuit.
    pub(super) fn circuit(mut self) -> String {
        self.text = format!("spn 1\nvariables {}\n", self.circuit.variables);
        self.normalisation();
        for (id, node) in self.circuit.iter() {
            self.node(id, node);
        }
        let circuit = self.circuit;
        self.declare_quantities(circuit.quantities.len());
        self.declare_parameters(circuit.parameters.len());
        self.declare_tables(circuit.tables.len());
        self.text.push_str(&format!("root n{}\n", circuit.root.0));
        self.text
    }

    fn normalisation(&mut self) {
        let text = match &self.circuit.normalisation {
            None => return,
            Some(Normalisation::SampleWise { epsilon }) => {
                format!("normalise sample-wise epsilon={}\n", number(*epsilon))
            }
            Some(Normalisation::Fixed { mean, deviation, epsilon }) => format!(
                "normalise fixed mean={} deviation={} epsilon={}\n",
                number_list(mean, mean.len()),
                number_list(deviation, deviation.len()),
                number(*epsilon)
            ),
        };
        self.text.push_str(&text);
    }

    fn node(&mut self, id: NodeId, node: &Node) {
        let attributes = self.read_attributes(id, node);
        let body = match &node.kind {
            NodeKind::Leaf(leaf) => leaf_text(leaf, node.width),
            NodeKind::Product(product) => self.product_text(product, node),
            NodeKind::Sum(sum) => format!("sum({}) x{}", names(&sum.children), node.width),
        };
        self.text.push_str(&format!("n{} = {body}{attributes}", id.0));
        if !self.values && matches!(node.origin, Origin::Layer { .. }) {
            self.text.push_str(&format!("  # {}", self.circuit.describe_origin(node.origin)));
        }
        self.text.push('\n');
    }

    fn product_text(&mut self, product: &Product, node: &Node) -> String {
        let width = node.width;
        let children = names(&product.children);
        match (product.combine, node.dropout) {
            _ if product.children.is_empty() => format!("one x{width}"),
            (_, Some(dropout)) => format!("dropout({children}) x{width} {}", dropout_text(dropout)),
            (Combine::ElementWise, None) => format!("product({children}) x{width}"),
            (Combine::Outer, None) => format!("product({children}) x{width} outer"),
            (Combine::Table(id), None) => {
                format!("product({children}) x{width} pick={}", self.pick_text(id))
            }
        }
    }

    /// A pick table in a node's line if only this node has it, else its name.
    fn pick_text(&mut self, PickTableId(id): PickTableId) -> String {
        let index = id as usize;
        let alone = self.table_readers.get(index) == Some(&1);
        let small = |picks: &Vec<Vec<u32>>| picks.iter().map(Vec::len).sum::<usize>();
        match self.circuit.tables.get(index) {
            Some(table)
                if alone && self.declared[2] <= index && small(&table.picks) <= INLINE_VALUES =>
            {
                self.declare_tables(index);
                self.declared[2] = index + 1;
                picks_list(&table.picks)
            }
            _ => {
                self.declare_tables(index + 1);
                format!("t{id}")
            }
        }
    }

    /// The attributes of what a node reads; declares what has to stand before the node.
    fn read_attributes(&mut self, id: NodeId, node: &Node) -> String {
        let reads = reads(node);
        let inline = self.inline_parameters(id, node, &reads);
        let mut text = String::new();
        if let (NodeKind::Leaf(Leaf { family: LeafFamily::Categorical { states, .. }, .. }), None) =
            (&node.kind, &inline)
        {
            text.push_str(&format!(" states={states}"));
        }
        if let Some(parameters) = inline {
            for (read, parameter) in reads.iter().zip(parameters) {
                let list = self.inline_text(read.name, parameter);
                text.push_str(&format!(" {}={list}", read.name));
            }
            return text;
        }
        for Read { name, slice: Slice { quantity, offset } } in reads {
            self.declare_quantities(quantity.index() + 1);
            let offset = if offset == 0 { String::new() } else { format!("@{offset}") };
            text.push_str(&format!(" {name}=q{}{offset}", quantity.0));
        }
        text
    }

    /// The parameters that stand in a node's line, if all it reads can: then what comes before
    /// them is declared, and they count as declared.
    fn inline_parameters(
        &mut self,
        id: NodeId,
        node: &Node,
        reads: &[Read],
    ) -> Option<Vec<&'a Parameter>> {
        let first = reads.first()?.slice.quantity.index();
        let start = self.inline_parameter(id, node, reads.first()?)?;
        let mut parameters = Vec::new();
        for (position, read) in reads.iter().enumerate() {
            let parameter = self.inline_parameter(id, node, read)?;
            if parameter != start + position || read.slice.quantity.index() != first + position {
                return None;
            }
            parameters.push(self.parameter(ParameterId(parameter as u32))?);
        }
        let earlier = self.circuit.quantities.get(self.declared[1]..first)?;
        let mut needed = earlier.iter().flat_map(|quantity| quantity.formula.parameters());
        if start < self.declared[0] || needed.any(|needed| needed.index() >= start) {
            return None;
        }
        self.declare_parameters(start);
        self.declare_quantities(first);
        self.declared[0] = start + reads.len();
        self.declared[1] = first + reads.len();
        Some(parameters)
    }

    /// The index of the parameter that one attribute reads, if parsing a list in the node's line
    /// would make exactly this parameter and its quantity.
    fn inline_parameter(&self, id: NodeId, node: &Node, read: &Read) -> Option<usize> {
        let quantity = self.circuit.quantities.get(read.slice.quantity.index())?;
        let Formula::Direct(parameter_id) = quantity.formula else { return None };
        let index = parameter_id.index();
        let alone = self.quantity_readers.get(read.slice.quantity.index()) == Some(&1)
            && self.parameter_readers.get(index) == Some(&1);
        let shape = self.inline_shape(node)?;
        let parameter = self.parameter(parameter_id)?;
        let same = parameter.shape == shape
            && quantity.shape == shape
            && parameter.name == format!("n{}/{}", id.0, read.name)
            && parameter.values.len() == shape.iter().product::<usize>();
        let plain = parameter.trainable
            && parameter.constraint.is_none()
            && quantity.bounds.is_none()
            && read.slice.offset == 0
            && (1..=INLINE_VALUES).contains(&parameter.values.len());
        (alone && same && plain).then_some(index)
    }

    /// The parameter with this id, if there is one: printing never panics.
    fn parameter(&self, id: ParameterId) -> Option<&'a Parameter> {
        let parameters = &self.circuit.parameters;
        (id.index() < parameters.len()).then(|| parameters.get(id))
    }

    /// The shape of a list in a node's line.
    fn inline_shape(&self, node: &Node) -> Option<Vec<usize>> {
        let width = node.width as usize;
        match &node.kind {
            NodeKind::Leaf(leaf) => match (&leaf.family, leaf.variables.len()) {
                (LeafFamily::Categorical { states, .. }, 1) => Some(vec![width, *states as usize]),
                (LeafFamily::Categorical { states, .. }, count) => {
                    Some(vec![width, count, *states as usize])
                }
                (_, count) => Some(vec![width, count]),
            },
            NodeKind::Product(_) => None,
            NodeKind::Sum(sum) => {
                let mut inputs = 0;
                for child in &sum.children {
                    inputs += self.circuit.nodes.get(child.index())?.width as usize;
                }
                Some(vec![inputs, width])
            }
        }
    }

    fn inline_text(&self, name: &str, parameter: &Parameter) -> String {
        let (values, columns) = (&parameter.values, parameter.shape.last().copied().unwrap_or(1));
        if !self.values {
            return "[…]".to_owned();
        }
        // Not probabilities: how many states there are is read off the rows.
        if columns == 1 && name != "probabilities" {
            return number_list(values, values.len());
        }
        if name != "weights" {
            return number_list(values, columns);
        }
        let inputs = values.len() / columns;
        let transposed: Vec<f64> =
            (0..values.len()).map(|i| values[i % inputs * columns + i / inputs]).collect();
        number_list(&transposed, inputs)
    }

    /// Declares the parameters before `end` that are not declared yet.
    fn declare_parameters(&mut self, end: usize) {
        let start = self.declared[0];
        self.declared[0] = start.max(end);
        for index in start..end {
            let Some(parameter) = self.parameter(ParameterId(index as u32)) else { return };
            let mut line =
                format!("parameter {} {}", quoted(&parameter.name), shape_list(&parameter.shape));
            if !parameter.trainable {
                line.push_str(" frozen");
            }
            if let Some(constraint) = parameter.constraint {
                line.push_str(&format!(" constraint={}", constraint_text(constraint)));
            }
            if self.values {
                let columns = parameter.shape.last().copied().unwrap_or(1);
                line.push_str(&format!(" = {}", number_list(&parameter.values, columns)));
            }
            self.text.push_str(&(line + "\n"));
        }
    }

    /// Declares the quantities before `end` that are not declared yet.
    fn declare_quantities(&mut self, end: usize) {
        let circuit = self.circuit;
        let start = self.declared[1];
        self.declared[1] = start.max(end);
        for (index, quantity) in circuit.quantities.iter().enumerate().take(end).skip(start) {
            let parameters = quantity.formula.parameters();
            let last = parameters.iter().map(|id| id.index() + 1).max().unwrap_or(0);
            self.declare_parameters(last);
            let shape = shape_list(&quantity.shape);
            let formula = self.formula_text(quantity.formula);
            let bounds = quantity.bounds.map_or(String::new(), |(minimum, maximum)| {
                format!(" bounds=[{} {}]", number(minimum), number(maximum))
            });
            self.text.push_str(&format!("quantity q{index} {shape} = {formula}{bounds}\n"));
        }
    }

    /// Declares the tables before `end` that are not declared yet.
    fn declare_tables(&mut self, end: usize) {
        let start = self.declared[2];
        self.declared[2] = start.max(end);
        for (index, table) in self.circuit.tables.iter().enumerate().take(end).skip(start) {
            self.text.push_str(&format!("table t{index} {}\n", picks_list(&table.picks)));
        }
    }

    fn formula_text(&self, formula: Formula) -> String {
        let function = match formula {
            Formula::Direct(_) => "direct",
            Formula::Exp(_) => "exp",
            Formula::Softmax(_) => "softmax",
            Formula::Normalized(_) => "normalized",
            Formula::Softplus(_) => "softplus",
            Formula::Ratio { .. } => "ratio",
            Formula::MomentScale { .. } => "moment-scale",
        };
        let name = |id: ParameterId| {
            self.parameter(id).map_or("?".to_owned(), |parameter| quoted(&parameter.name))
        };
        let names: Vec<String> = formula.parameters().into_iter().map(name).collect();
        format!("{function}({})", names.join(", "))
    }
}
