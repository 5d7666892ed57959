//! Scalar nodes become a circuit.
//!
//! In: nodes in any order. Out: a circuit in which they have the file's order, or, where children do
//! not precede their parents there, children first. The values of all nodes stand in a few shared
//! tensors (thousands of nodes with a tensor each would be slow): `weights`, `probabilities`,
//! `location`, `scale`, and `log_weights` and `log_probabilities` where the file has logarithms.

use smallvec::SmallVec;

use super::{MAXIMUM_INDICATOR, ScalarKind, Scalars, Values};
use crate::formats::error::ImportProblem;
use crate::text::{MAXIMUM_SCOPE_BYTES, MAXIMUM_VARIABLES};
use crate::{
    Circuit, CircuitBuilder, CircuitError, Formula, Leaf, LeafFamily, NodeId, Origin, Parameter,
    Quantity, QuantityId, Slice, VariableId,
};

/// What is wrong with which node.
#[derive(Debug)]
pub(in crate::formats) struct BuildProblem {
    /// Index of the node in the list.
    pub(in crate::formats) node: usize,
    pub(in crate::formats) problem: ImportProblem,
}

type Result<T> = std::result::Result<T, BuildProblem>;

/// Whether one more scope may be added: a short file must not ask for very many bits.
pub(in crate::formats) fn scopes_fit(builder: &CircuitBuilder) -> bool {
    let circuit = builder.circuit();
    // Each scope is kept twice: in a list and as a key.
    let each = circuit.variables as usize / 4 + 16;
    (circuit.scopes.len() + 1).saturating_mul(each) <= MAXIMUM_SCOPE_BYTES
}

impl Scalars {
    /// The circuit over `variables` variables with this root; `name` is what the file calls a node.
    pub(in crate::formats) fn build(
        &self,
        variables: u32,
        root: u32,
        name: impl Fn(usize) -> String,
    ) -> Result<Circuit> {
        self.check(variables)?;
        let order = self.order(name)?;
        let mut builder = CircuitBuilder::new(variables);
        let mut pools = Pools::new(self, &order, &mut builder);
        let mut ids = vec![NodeId(u32::MAX); self.nodes.len()];
        for &index in &order {
            let refused = |error| BuildProblem { node: index, problem: error };
            if !scopes_fit(&builder) {
                return Err(refused(ImportProblem::ScopesTooLarge));
            }
            let built = self.add(index, &ids, &mut pools, &mut builder);
            ids[index] = built.map_err(|error| refused(error.into()))?;
        }
        let root = root as usize;
        let id = ids.get(root).copied().unwrap_or(NodeId(u32::MAX));
        builder.finish(id).map_err(|error| BuildProblem { node: root, problem: error.into() })
    }

    /// Refuses what no circuit can have.
    fn check(&self, variables: u32) -> Result<()> {
        let largest = self.nodes.iter().map(|node| node.kind.variable().unwrap_or(0)).max();
        let largest = largest.unwrap_or(0).max(variables.saturating_sub(1));
        if largest >= MAXIMUM_VARIABLES {
            let problem = ImportProblem::TooManyVariables { found: u64::from(largest) };
            let node = self.nodes.iter().position(|node| node.kind.variable() == Some(largest));
            return Err(BuildProblem { node: node.unwrap_or(0), problem });
        }
        for (node, entry) in self.nodes.iter().enumerate() {
            let problem = match &entry.kind {
                ScalarKind::Indicator { value, .. } if *value > MAXIMUM_INDICATOR => {
                    let what = "the value of an indicator".to_owned();
                    let allowed = "from 0 to 65535";
                    ImportProblem::OutOfRange { what, allowed, value: f64::from(*value) }
                }
                ScalarKind::Sum { children, weights } if children.len() != weights.len() => {
                    let expected = format!("there are {} children", children.len());
                    let (what, found) = ("weights".to_owned(), weights.len() as u64);
                    ImportProblem::Count { what, found, expected }
                }
                _ => continue,
            };
            return Err(BuildProblem { node, problem });
        }
        Ok(())
    }

    /// The nodes, children before parents: the file's order if it is one.
    fn order(&self, name: impl Fn(usize) -> String) -> Result<Vec<usize>> {
        let sorted = |(index, node): (usize, &super::ScalarNode)| {
            node.kind.children().iter().all(|child| (*child as usize) < index)
        };
        let count = self.nodes.len();
        if self.nodes.iter().enumerate().all(sorted) {
            return Ok((0..count).collect());
        }
        let mut order = Vec::with_capacity(count);
        // 0 is not seen yet, 1 is on the way down, 2 is done.
        let mut state = vec![0_u8; count];
        for start in 0..count {
            let mut stack = vec![(start, 0)];
            while let Some((index, next)) = stack.pop() {
                if next == 0 && state[index] == 2 {
                    continue;
                }
                if next == 0 && state[index] == 1 {
                    let problem = ImportProblem::Cycle { name: name(index) };
                    return Err(BuildProblem { node: index, problem });
                }
                state[index] = 1;
                match self.nodes[index].kind.children().get(next) {
                    Some(&child) => {
                        stack.push((index, next + 1));
                        if (child as usize) < count {
                            stack.push((child as usize, 0));
                        }
                    }
                    None => {
                        state[index] = 2;
                        order.push(index);
                    }
                }
            }
        }
        Ok(order)
    }

    fn add(
        &self,
        index: usize,
        ids: &[NodeId],
        pools: &mut Pools,
        builder: &mut CircuitBuilder,
    ) -> std::result::Result<NodeId, CircuitError> {
        let node = &self.nodes[index];
        let origin = if node.origin == 0 { Origin::Unknown } else { Origin::Line(node.origin) };
        let nodes = |children: &[u32]| -> Vec<NodeId> {
            let unknown = NodeId(u32::MAX);
            let id = |child: &u32| ids.get(*child as usize).copied().unwrap_or(unknown);
            children.iter().map(id).collect()
        };
        match &node.kind {
            ScalarKind::Categorical { variable, probabilities } => {
                let states = u32::try_from(probabilities.len()).unwrap_or(u32::MAX);
                let slice = pools.probabilities.take(probabilities);
                builder.categorical(*variable, states, 1, slice, origin)
            }
            ScalarKind::Indicator { variable, value, states } => {
                let states = (*states).clamp(value + 1, MAXIMUM_INDICATOR + 1);
                let slice = pools.indicator(*value);
                builder.categorical(*variable, states, 1, slice, origin)
            }
            ScalarKind::LocationScale { density, variable, .. } => {
                let (location, scale) = (pools.location.next(1), pools.scale.next(1));
                let family = LeafFamily::LocationScale { density: *density, location, scale };
                let variables = SmallVec::from_slice(&[VariableId(*variable)]);
                builder.leaf(Leaf { family, variables }, 1, origin)
            }
            ScalarKind::Product(children) => builder.element_wise(&nodes(children), origin),
            ScalarKind::Sum { children, weights } => {
                let slice = pools.weights.take(weights);
                builder.sum(&nodes(children), 1, slice, origin)
            }
        }
    }
}

/// The tensors that hold the values of all nodes, and how much of each is given out.
struct Pools {
    weights: Pair,
    probabilities: Pair,
    location: Pool,
    scale: Pool,
    indicators: Pool,
    /// The largest value of an indicator: where the 1 stands in their tensor.
    one: u32,
}

/// One tensor.
struct Pool {
    quantity: QuantityId,
    next: u32,
}

/// Two tensors of a kind: numbers and logarithms.
struct Pair {
    linear: Pool,
    log: Pool,
}

impl Pools {
    fn new(scalars: &Scalars, order: &[usize], builder: &mut CircuitBuilder) -> Self {
        let (mut weights, mut probabilities) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        let (mut locations, mut scales) = (Vec::new(), Vec::new());
        let mut largest = None;
        let collect = |list: &mut [Vec<f64>; 2], values: &Values| match values {
            Values::Linear(values) => list[0].extend_from_slice(values),
            Values::Log(values) => list[1].extend_from_slice(values),
        };
        for &index in order {
            match &scalars.nodes[index].kind {
                ScalarKind::Categorical { probabilities: own, .. } => {
                    collect(&mut probabilities, own);
                }
                ScalarKind::Indicator { value, .. } => largest = largest.max(Some(*value)),
                ScalarKind::LocationScale { location, scale, .. } => {
                    locations.push(*location);
                    scales.push(*scale);
                }
                ScalarKind::Product(_) => {}
                ScalarKind::Sum { weights: own, .. } => collect(&mut weights, own),
            }
        }
        // 1 with enough zeros on both sides: the indicator of any value is a part of it.
        let one = largest.unwrap_or(0);
        let zeros = one.max(1) as usize;
        let mut indicators =
            vec![0.0; if largest.is_some() { one as usize + zeros + 1 } else { 0 }];
        if let Some(middle) = indicators.get_mut(one as usize) {
            *middle = 1.0;
        }
        let mut pair = |name: &str, [linear, log]: [Vec<f64>; 2]| Pair {
            linear: Pool::new(builder, Parameter::new(name, vec![linear.len()], linear), false),
            log: Pool::new(
                builder,
                Parameter::new(format!("log_{name}"), vec![log.len()], log),
                true,
            ),
        };
        let (weights, probabilities) =
            (pair("weights", weights), pair("probabilities", probabilities));
        let pool = |name: &str, values: Vec<f64>| Parameter::new(name, vec![values.len()], values);
        let (location, scale) = (pool("location", locations), pool("scale", scales));
        let indicators = pool("indicators", indicators).frozen();
        Self {
            weights,
            probabilities,
            location: Pool::new(builder, location, false),
            scale: Pool::new(builder, scale, false),
            indicators: Pool::new(builder, indicators, false),
            one,
        }
    }

    /// The table of an indicator; it may be read as far as the tensor goes.
    fn indicator(&self, value: u32) -> Slice {
        self.indicators.quantity.at(self.one.saturating_sub(value))
    }
}

impl Pool {
    /// A tensor without values is nobody's; the circuit does without it.
    fn new(builder: &mut CircuitBuilder, parameter: Parameter, logarithms: bool) -> Self {
        let quantity = match (parameter.values.is_empty(), logarithms) {
            (true, _) => QuantityId(u32::MAX),
            (false, false) => builder.quantity_of(parameter),
            (false, true) => {
                let shape = parameter.shape.clone();
                let formula = Formula::Exp(builder.parameter(parameter));
                builder.quantity(Quantity { shape, formula, bounds: None })
            }
        };
        Self { quantity, next: 0 }
    }

    /// The next `count` values. Offsets saturate, and are then refused as outside the tensor.
    fn next(&mut self, count: usize) -> Slice {
        let slice = self.quantity.at(self.next);
        self.next = self.next.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        slice
    }
}

impl Pair {
    fn take(&mut self, values: &Values) -> Slice {
        match values {
            Values::Linear(values) => self.linear.next(values.len()),
            Values::Log(values) => self.log.next(values.len()),
        }
    }
}
