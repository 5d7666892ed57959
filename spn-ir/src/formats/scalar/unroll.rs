//! A circuit unit by unit, for formats without blocks.
//!
//! In: a circuit. Out: the scalar nodes that its root needs, children first, and in words what a
//! reader of them cannot know any more. What would change the function is an error instead.

use std::collections::BTreeSet;

use super::{MAXIMUM_INDICATOR, ScalarKind, Scalars, Values};
use crate::formats::error::WriteError;
use crate::{
    Circuit, Combine, Formula, Leaf, LeafFamily, Node, NodeId, NodeKind, Product, Slice, Sum,
};

/// The most units and the most edges between them that are written out.
const LIMIT: u64 = 1 << 26;

const MEND_LARGE: &str = "write it in a format with blocks, as .spn or spn-circuit-v1";

/// A circuit unit by unit.
pub(in crate::formats) struct Unrolled {
    pub(in crate::formats) scalars: Scalars,
    /// The last node: all others are below it.
    pub(in crate::formats) root: u32,
    /// What is lost.
    pub(in crate::formats) lost: Vec<String>,
}

/// Unrolls a circuit for a format. Edges of weight 0 stay only if `zeros` is set.
pub(in crate::formats) fn unroll(
    circuit: &Circuit,
    format: &'static str,
    zeros: bool,
) -> Result<Unrolled, WriteError> {
    if circuit.normalisation.is_some() {
        let what = "the normalisation of input rows".to_owned();
        let mend = "write it as .spn or spn-circuit-v1";
        return Err(WriteError::CannotHold { format, what, place: String::new(), mend });
    }
    for (what, count) in [("units", circuit.units()), ("edges", circuit.edges())] {
        if count > LIMIT {
            return Err(WriteError::TooLarge { what, limit: LIMIT, mend: MEND_LARGE });
        }
    }
    let values = circuit.quantities.iter().map(|q| Stored::new(circuit, q)).collect();
    let mut unroller = Unroller {
        circuit,
        format,
        zeros,
        values,
        needed: circuit.nodes.iter().map(|node| vec![false; node.width as usize]).collect(),
        units: circuit.nodes.iter().map(|node| vec![Unit::One; node.width as usize]).collect(),
        scalars: Scalars::default(),
        left_out: false,
    };
    unroller.mark();
    for (id, node) in circuit.iter() {
        unroller.node(id, node)?;
    }
    let Unit::Node(root) = unroller.units[circuit.root.index()][0] else {
        return Err(unroller.cannot_hold("a network that is the constant 1", circuit.root));
    };
    let lost = unroller.lost();
    Ok(Unrolled { scalars: unroller.scalars, root, lost })
}

/// What a unit became.
#[derive(Clone, Copy, PartialEq)]
enum Unit {
    /// The constant 1: products leave it out.
    One,
    Node(u32),
}

/// The values of a quantity.
enum Stored<'a> {
    Linear(Vec<f64>),
    Log(&'a [f64]),
}

impl<'a> Stored<'a> {
    fn new(circuit: &'a Circuit, quantity: &crate::Quantity) -> Self {
        match (quantity.formula, quantity.bounds) {
            (Formula::Exp(p), None) => Self::Log(&circuit.parameters.get(p).values),
            _ => Self::Linear(quantity.evaluate(&circuit.parameters)),
        }
    }

    /// Some of them; indices beyond the end give nothing.
    fn pick(&self, indices: impl Iterator<Item = usize>) -> Values {
        let pick = |list: &[f64]| indices.filter_map(|index| list.get(index).copied()).collect();
        match self {
            Self::Linear(values) => Values::Linear(pick(values)),
            Self::Log(values) => Values::Log(pick(values)),
        }
    }
}

struct Unroller<'a> {
    circuit: &'a Circuit,
    format: &'static str,
    zeros: bool,
    values: Vec<Stored<'a>>,
    /// For each node, which units the root needs.
    needed: Vec<Vec<bool>>,
    units: Vec<Vec<Unit>>,
    scalars: Scalars,
    /// Whether an edge of weight 0 was left out.
    left_out: bool,
}

impl Unroller<'_> {
    /// Finds the units that the root needs.
    fn mark(&mut self) {
        let circuit = self.circuit;
        let mut needed = std::mem::take(&mut self.needed);
        needed[circuit.root.index()].fill(true);
        for (id, node) in circuit.iter().rev() {
            for unit in 0..node.width as usize {
                if !needed[id.index()][unit] {
                    continue;
                }
                match &node.kind {
                    NodeKind::Leaf(_) => {}
                    NodeKind::Product(product) => {
                        for (child, of_child) in self.factors(product, unit) {
                            needed[child.index()][of_child] = true;
                        }
                    }
                    NodeKind::Sum(sum) => {
                        let weights = self.weights(sum, node.width as usize, unit);
                        for ((child, of_child), keep) in self.inputs(sum).zip(self.kept(&weights)) {
                            needed[child.index()][of_child] |= keep;
                        }
                    }
                }
            }
        }
        self.needed = needed;
    }

    /// The units that a product's unit multiplies.
    fn factors(&self, product: &Product, unit: usize) -> Vec<(NodeId, usize)> {
        let mut rest = unit;
        let mut factors: Vec<(NodeId, usize)> = Vec::with_capacity(product.children.len());
        // The last child of an outer product varies fastest.
        for (position, &child) in product.children.iter().enumerate().rev() {
            let width = self.circuit.node(child).width as usize;
            let of_child = match product.combine {
                Combine::ElementWise => unit,
                Combine::Outer => {
                    let digit = rest % width;
                    rest /= width;
                    digit
                }
                Combine::Table(table) => {
                    self.circuit.tables[table.0 as usize].picks[position][unit] as usize
                }
            };
            factors.push((child, of_child));
        }
        factors.reverse();
        factors
    }

    /// The units that all units of a sum add up, in order.
    fn inputs<'s>(&self, sum: &'s Sum) -> impl Iterator<Item = (NodeId, usize)> + use<'s, '_> {
        let circuit = self.circuit;
        let units = move |child: &NodeId| {
            let child = *child;
            (0..circuit.node(child).width as usize).map(move |unit| (child, unit))
        };
        sum.children.iter().flat_map(units)
    }

    /// The weights of one unit of a sum.
    fn weights(&self, sum: &Sum, width: usize, unit: usize) -> Values {
        let inputs: usize =
            sum.children.iter().map(|child| self.circuit.node(*child).width as usize).sum();
        let Slice { quantity, offset } = sum.weights;
        let first = offset as usize + unit;
        self.values[quantity.index()].pick((0..inputs).map(|input| first + input * width))
    }

    /// Which edges stay.
    fn kept<'v>(&self, weights: &'v Values) -> impl Iterator<Item = bool> + use<'v> {
        let zeros = self.zeros;
        let (values, zero) = match weights {
            Values::Linear(values) => (values, 0.0),
            Values::Log(values) => (values, f64::NEG_INFINITY),
        };
        values.iter().map(move |value| zeros || *value != zero)
    }

    fn node(&mut self, id: NodeId, node: &Node) -> Result<(), WriteError> {
        for unit in 0..node.width as usize {
            if !self.needed[id.index()][unit] {
                continue;
            }
            let made = match &node.kind {
                NodeKind::Leaf(leaf) => self.leaf(id, leaf, unit)?,
                NodeKind::Product(product) => self.product(id, node, product, unit),
                NodeKind::Sum(sum) => self.sum(id, node, sum, unit)?,
            };
            self.units[id.index()][unit] = made;
            let what = "nodes";
            if self.scalars.nodes.len() as u64 > LIMIT {
                return Err(WriteError::TooLarge { what, limit: LIMIT, mend: MEND_LARGE });
            }
        }
        Ok(())
    }

    fn leaf(&mut self, id: NodeId, leaf: &Leaf, unit: usize) -> Result<Unit, WriteError> {
        let count = leaf.variables.len();
        let mut leaves = Vec::with_capacity(count);
        for (index, variable) in leaf.variables.iter().enumerate() {
            let variable = variable.0;
            let at = unit * count + index;
            let kind = match &leaf.family {
                LeafFamily::LocationScale { density, location, scale } => {
                    let (location, scale) = (self.value(*location, at), self.value(*scale, at));
                    self.check(id, &Values::Linear(vec![location, scale]))?;
                    ScalarKind::LocationScale { density: *density, variable, location, scale }
                }
                LeafFamily::Indicator => {
                    let value = unit as u32;
                    if value > MAXIMUM_INDICATOR {
                        return Err(self.cannot_hold("an indicator of a value above 65535", id));
                    }
                    ScalarKind::Indicator { variable, value, states: value + 1 }
                }
                LeafFamily::Categorical { states, probabilities } => {
                    let (states, Slice { quantity, offset }) = (*states as usize, *probabilities);
                    let first = offset as usize + at * states;
                    let own = self.values[quantity.index()].pick(first..first + states);
                    self.check(id, &own)?;
                    categorical(variable, own, !self.is_trainable(quantity))
                }
            };
            leaves.push(self.scalars.push(kind, id.0));
        }
        match leaves.as_slice() {
            &[leaf] => Ok(Unit::Node(leaf)),
            _ => Ok(Unit::Node(self.scalars.push(ScalarKind::Product(leaves), id.0))),
        }
    }

    fn product(&mut self, id: NodeId, node: &Node, product: &Product, unit: usize) -> Unit {
        let factors = self.factors(product, unit);
        let given = factors.len();
        let mut children = Vec::with_capacity(given);
        for (child, of_child) in factors {
            if let Unit::Node(index) = self.units[child.index()][of_child] {
                children.push(index);
            }
        }
        match children.as_slice() {
            [] => Unit::One,
            // Alone because constants were left out, or because of dropout in training.
            &[child] if given > 1 || node.dropout.is_some() => Unit::Node(child),
            _ => Unit::Node(self.scalars.push(ScalarKind::Product(children), id.0)),
        }
    }

    fn sum(&mut self, id: NodeId, node: &Node, sum: &Sum, unit: usize) -> Result<Unit, WriteError> {
        let weights = self.weights(sum, node.width as usize, unit);
        self.check(id, &weights)?;
        let kept: Vec<bool> = self.kept(&weights).collect();
        self.left_out |= kept.contains(&false);
        let edges = self.inputs(sum).zip(&kept).filter(|(_, keep)| **keep);
        let units: Vec<Unit> = edges.map(|((c, of), _)| self.units[c.index()][of]).collect();
        let keep = |values: Vec<f64>| -> Vec<f64> {
            values.into_iter().zip(&kept).filter(|(_, keep)| **keep).map(|(v, _)| v).collect()
        };
        let weights = match weights {
            Values::Linear(values) => Values::Linear(keep(values)),
            Values::Log(values) => Values::Log(keep(values)),
        };
        let mut children = Vec::with_capacity(units.len());
        for unit in &units {
            if let Unit::Node(index) = unit {
                children.push(*index);
            }
        }
        if children.len() == units.len() && !units.is_empty() {
            return Ok(Unit::Node(self.scalars.push(ScalarKind::Sum { children, weights }, id.0)));
        }
        if children.is_empty() && weights.linear().iter().sum::<f64>() == 1.0 {
            return Ok(Unit::One);
        }
        let what = if units.is_empty() {
            "a sum whose weights are all 0"
        } else {
            "a sum over the constant 1"
        };
        Err(self.cannot_hold(what, id))
    }

    fn value(&self, slice: Slice, index: usize) -> f64 {
        let at = slice.offset as usize + index;
        let picked = self.values[slice.quantity.index()].pick(at..=at).linear();
        picked.first().copied().unwrap_or(f64::NAN)
    }

    /// Refuses NaN and infinities; the logarithm of 0 is none.
    fn check(&self, id: NodeId, values: &Values) -> Result<(), WriteError> {
        let broken = match values {
            Values::Linear(values) => values.iter().find(|value| !value.is_finite()),
            Values::Log(values) => values.iter().find(|v| v.is_nan() || **v == f64::INFINITY),
        };
        match broken {
            None => Ok(()),
            Some(value) => Err(self.cannot_hold(&format!("the parameter value {value}"), id)),
        }
    }

    fn is_trainable(&self, id: crate::QuantityId) -> bool {
        self.circuit.quantities[id.index()].is_trainable(&self.circuit.parameters)
    }

    fn cannot_hold(&self, what: &str, id: NodeId) -> WriteError {
        let origin = self.circuit.describe_origin(self.circuit.node(id).origin);
        WriteError::CannotHold {
            format: self.format,
            what: what.to_owned(),
            place: format!(" (node n{}, {origin})", id.0),
            mend: "write it as .spn or spn-circuit-v1, or change the node",
        }
    }

    /// What the scalar nodes do not say any more.
    fn lost(&self) -> Vec<String> {
        let circuit = self.circuit;
        let used = |id: NodeId| self.needed[id.index()].contains(&true);
        let mut lost = Vec::new();
        let blocks = circuit.iter().filter(|(id, node)| used(*id) && node.width > 1).count();
        if blocks > 0 {
            lost.push(format!("blocks: {blocks} blocks are written unit by unit"));
        }
        let wide =
            |node: &Node| matches!(&node.kind, NodeKind::Leaf(leaf) if leaf.variables.len() > 1);
        if circuit.iter().any(|(id, node)| used(id) && wide(node)) {
            lost.push("leaves over several variables: they become products".to_owned());
        }
        let is_one =
            |node: &Node| matches!(&node.kind, NodeKind::Product(p) if p.children.is_empty());
        if circuit.iter().any(|(id, node)| used(id) && is_one(node)) {
            lost.push("constants 1: products leave them out".to_owned());
        }
        let unused = circuit.iter().filter(|(id, _)| !used(*id)).count();
        if unused > 0 {
            lost.push(format!("unused nodes: the root does not need {unused}"));
        }
        if self.left_out {
            lost.push("edges of weight 0".to_owned());
        }
        if circuit.iter().any(|(id, node)| used(id) && node.dropout.is_some()) {
            lost.push("dropout".to_owned());
        }
        let nodes = circuit.iter().filter(|(id, _)| used(*id)).map(|(_, node)| node);
        let (mut slices, mut tied) = (BTreeSet::new(), false);
        let mut quantities = BTreeSet::new();
        for slice in nodes.flat_map(slices_of) {
            tied |= !slices.insert(slice) && self.is_trainable(slice.quantity);
            quantities.insert(slice.quantity);
        }
        if tied {
            lost.push("tied parameters: each node gets its own copy".to_owned());
        }
        self.lost_of_quantities(&quantities, &mut lost);
        lost
    }

    fn lost_of_quantities(&self, used: &BTreeSet<crate::QuantityId>, lost: &mut Vec<String>) {
        let quantities = used.iter().filter_map(|id| self.circuit.quantities.get(id.index()));
        let (mut formulas, mut constraints, mut frozen) = (false, false, false);
        for quantity in quantities {
            let plain = matches!(quantity.formula, Formula::Direct(_) | Formula::Exp(_));
            formulas |= !plain || quantity.bounds.is_some();
            for id in quantity.formula.parameters() {
                let parameter = self.circuit.parameters.get(id);
                constraints |= parameter.constraint.is_some();
                let indicators = parameter.values.iter().all(|v| *v == 0.0 || *v == 1.0);
                frozen |= !parameter.trainable && !indicators;
            }
        }
        for (there, phrase) in [
            (formulas, "formulas of parameters: their results are written"),
            (constraints, "constraints of parameters"),
            (frozen, "which parameters are frozen"),
        ] {
            if there {
                lost.push(phrase.to_owned());
            }
        }
    }
}

/// A categorical leaf; a fixed one of a single possible state is an indicator.
fn categorical(variable: u32, probabilities: Values, fixed: bool) -> ScalarKind {
    if let (true, Values::Linear(values)) = (fixed, &probabilities)
        && values.iter().all(|value| *value == 0.0 || *value == 1.0)
        && values.iter().sum::<f64>() == 1.0
        && let Some(value) = values.iter().position(|value| *value == 1.0)
        && value <= MAXIMUM_INDICATOR as usize
    {
        let states = values.len() as u32;
        return ScalarKind::Indicator { variable, value: value as u32, states };
    }
    ScalarKind::Categorical { variable, probabilities }
}

/// What a node reads.
fn slices_of(node: &Node) -> Vec<Slice> {
    match &node.kind {
        NodeKind::Sum(sum) => vec![sum.weights],
        NodeKind::Leaf(leaf) => match leaf.family {
            LeafFamily::LocationScale { location, scale, .. } => vec![location, scale],
            LeafFamily::Categorical { probabilities, .. } => vec![probabilities],
            LeafFamily::Indicator => Vec::new(),
        },
        NodeKind::Product(_) => Vec::new(),
    }
}
