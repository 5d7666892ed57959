//! Dynamic networks: recurrent sum-product networks over sequences.
//!
//! In each step the variables go through `template` and `interface_t0`; the result is combined
//! with the previous step's interface (`TemporalDenseProduct`), and from there `top` gives the
//! step's log-likelihood and `interface_t_minus_1` the interface for the next step. The value of
//! step `t` is `log p(x_0 … x_t)`.
//!
//! [`DynamicModel::unroll`] makes the circuit for sequences of one length. Steps read the same
//! parameters, `template/<i>/<name>`, `interface_t0/<i>/…`, `interface_t_minus_1/<i>/…` and
//! `top/<i>/…`. Variable `t · V + v` is variable `v` of step `t` of the active sequence; the first
//! step's previous interface is the constant log 1. The reference pads sequences on the left and
//! masks; here shorter sequences are other circuits over the same parameters, which gives the
//! same values without multiplying -inf by 0. Gradients are the same with
//! [`DynamicModel::unroll_padded`].

use serde_json::Value;

use crate::{Circuit, NodeId, Parameters};

use super::build::{forget_data, initialize_layers, resolve_layers};
use super::check::{Budget, CELL, CheckedLayer, check_layers, check_root, place};
use super::lowering::{Cell, Lowering, Step, Tensor};
use super::model::check_count;
use super::shape::{LIMIT, TensorShape};
use super::{BuildOptions, Layer, LayerError, LayerProblem, Part, temporal_dense_product};

/// The four stacks of a dynamic network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DynamicNetwork {
    /// A name for reports.
    pub name: Option<String>,
    /// The shape of one step's variables, as in [`Network`](super::Network).
    pub variables: Vec<usize>,
    /// From a step's variables upwards.
    pub template: Vec<Layer>,
    /// From the template's output to the step's interface.
    pub interface_t0: Vec<Layer>,
    /// From the combined interfaces to the next step's previous interface, which must have the
    /// shape that `interface_t0` gives.
    pub interface_t_minus_1: Vec<Layer>,
    /// From the combined interfaces to the root.
    pub top: Vec<Layer>,
    /// The file's `training` object, for whoever trains the network.
    pub training: Option<Value>,
}

/// A dynamic network whose structure is fixed, with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicModel {
    /// The network.
    pub network: DynamicNetwork,
    /// The parameters `<part>/<layer index>/<variable name>`, part by part in layer order.
    pub parameters: Parameters,
}

/// The circuit of a dynamic network for sequences of one length.
#[derive(Clone, Debug)]
pub struct Unrolled {
    /// The circuit; its root is `top` at the last step, its parameters are the model's.
    pub circuit: Circuit,
    /// `top` of every step: the log-likelihood of the sequence up to there.
    pub steps: Vec<NodeId>,
}

/// The checked layers of the four parts.
pub(crate) struct Checked {
    template: Vec<CheckedLayer>,
    interface_t0: Vec<CheckedLayer>,
    interface_t_minus_1: Vec<CheckedLayer>,
    top: Vec<CheckedLayer>,
}

impl Checked {
    pub(crate) fn part(&self, part: Part) -> &[CheckedLayer] {
        match part {
            Part::Template => &self.template,
            Part::InterfaceT0 => &self.interface_t0,
            Part::InterfaceTMinus1 => &self.interface_t_minus_1,
            Part::Top => &self.top,
        }
    }
}

impl DynamicNetwork {
    /// The parts with their layers, in the order of their parameters.
    #[must_use]
    pub fn parts(&self) -> [(Part, &[Layer]); 4] {
        [Part::Template, Part::InterfaceT0, Part::InterfaceTMinus1, Part::Top]
            .map(|part| (part, self.part(part)))
    }

    /// The layers of one part.
    #[must_use]
    pub fn part(&self, part: Part) -> &[Layer] {
        match part {
            Part::Template => &self.template,
            Part::InterfaceT0 => &self.interface_t0,
            Part::InterfaceTMinus1 => &self.interface_t_minus_1,
            Part::Top => &self.top,
        }
    }

    /// How many variables one step has.
    ///
    /// # Errors
    /// If [`variables`](Self::variables) is not the shape of a step.
    pub fn variable_count(&self) -> Result<usize, LayerError> {
        Ok(TensorShape::of_variables(&self.variables)?.to_vec().into_iter().product())
    }

    /// Builds the network: draws what is random, checks every shape and initialises the
    /// parameters. Training rows may be whole sequences: every step counts as a row.
    ///
    /// # Errors
    /// As [`Network::build`](super::Network::build), and if the parts do not fit each other.
    pub fn build(&self, options: &BuildOptions<'_>) -> Result<DynamicModel, LayerError> {
        let mut network = self.resolved(options.seed)?;
        let checked = network.checked()?;
        let variables = self.variable_count()?;
        let mut parameters = Parameters::default();
        for (part, layers) in network.parts() {
            let context = (variables, options);
            initialize_layers(Some(part), layers, checked.part(part), context, &mut parameters)?;
        }
        forget_data(&mut network.template);
        Ok(DynamicModel { network, parameters })
    }

    /// The network with its random structure drawn.
    fn resolved(&self, seed: u64) -> Result<Self, LayerError> {
        let resolve = |part: Part, input| resolve_layers(Some(part), self.part(part), input, seed);
        let start = TensorShape::of_variables(&self.variables)?;
        let (template, output) = resolve(Part::Template, start)?;
        let (interface_t0, interface) = resolve(Part::InterfaceT0, output)?;
        let combined = combine(interface)?;
        let (interface_t_minus_1, _) = resolve(Part::InterfaceTMinus1, combined)?;
        let (top, _) = resolve(Part::Top, combined)?;
        Ok(Self { template, interface_t0, interface_t_minus_1, top, ..self.clone() })
    }

    /// Checks the parts and that they fit each other.
    fn checked(&self) -> Result<Checked, LayerError> {
        let start = TensorShape::of_variables(&self.variables)?;
        let mut budget = Budget::new(self.variable_count()?);
        let mut check =
            |part: Part, input| check_layers(Some(part), self.part(part), input, &mut budget);
        let template = check(Part::Template, start)?;
        let interface_t0 = check(Part::InterfaceT0, output(&template, start))?;
        let interface = output(&interface_t0, start);
        let combined = combine(interface)?;
        let interface_t_minus_1 = check(Part::InterfaceTMinus1, combined)?;
        let next = output(&interface_t_minus_1, start);
        if next != interface {
            let reason = format!(
                "interface_t_minus_1 gives {next}, interface_t0 {interface}; both are combined in \
                 the same way, so give them the same shape"
            );
            return Err(LayerError::Parts { reason });
        }
        let top = check(Part::Top, combined)?;
        check_root(Some(Part::Top), &self.top, &top)?;
        Ok(Checked { template, interface_t0, interface_t_minus_1, top })
    }
}

/// The shape of two combined interfaces.
fn combine(interface: TensorShape) -> Result<TensorShape, LayerError> {
    temporal_dense_product::output(interface, interface)
        .map_err(|problem| LayerError::Parts { reason: format!("interface_t0: {problem}") })
}

/// A tensor of constants log 1.
fn ones(shape: (usize, usize, usize)) -> Tensor {
    let cells = vec![Cell::padding(shape.2 as u32); shape.0 * shape.1];
    Tensor::of_units(shape, cells)
}

fn output(checked: &[CheckedLayer], otherwise: TensorShape) -> TensorShape {
    checked.last().map_or(otherwise, |layer| layer.output)
}

impl DynamicModel {
    /// A model of a saved network and its saved parameters.
    ///
    /// # Errors
    /// If the network's structure is not fixed, its parts do not fit, or the number of parameters
    /// is not the network's.
    pub fn new(network: DynamicNetwork, parameters: Parameters) -> Result<Self, LayerError> {
        let model = Self { network, parameters };
        model.checked()?;
        Ok(model)
    }

    pub(crate) fn checked(&self) -> Result<Checked, LayerError> {
        let checked = self.network.checked()?;
        let parts = self.network.parts().map(|(part, _)| checked.part(part));
        check_count(&parts.concat(), &self.parameters)?;
        Ok(checked)
    }

    /// Makes the circuit for sequences of `length` steps.
    ///
    /// # Errors
    /// If the length is 0, the circuit would be too large, or the network or the parameters were
    /// changed since they were checked and no longer fit.
    pub fn unroll(&self, length: usize) -> Result<Unrolled, LayerError> {
        self.unroll_behind(None, length)
    }

    /// Makes the circuit for sequences of `length` steps behind padding, as the reference computes
    /// them: the first step's previous interface is not the constant log 1, but what
    /// `interface_t_minus_1` makes of constants. With normalised weights that is log 1 all the
    /// same; only its derivatives with respect to these weights are not 0. Use it to reproduce the
    /// reference's training on sequences of different lengths.
    ///
    /// # Errors
    /// As [`unroll`](Self::unroll).
    pub fn unroll_padded(&self, length: usize) -> Result<Unrolled, LayerError> {
        let checked = self.checked()?;
        let start = TensorShape::of_variables(&self.network.variables)?;
        let combined = combine(output(&checked.interface_t0, start))?;
        let shape = combined.units().map_err(|problem| self.at_top(problem))?;
        self.unroll_behind(Some(ones(shape)), length)
    }

    /// The circuit whose first step follows on a step with these combined interfaces.
    fn unroll_behind(&self, before: Option<Tensor>, length: usize) -> Result<Unrolled, LayerError> {
        let checked = self.checked()?;
        let variables = self.network.variable_count()?;
        self.check_length(length, variables, &checked)?;
        let names = self.network.parts().into_iter().flat_map(|(part, layers)| {
            let name = move |(index, layer): (usize, &Layer)| {
                format!("{} {part}/{index}", layer.type_name())
            };
            layers.iter().enumerate().map(name)
        });
        let step = Step { index: 0, count: length, dynamic: true };
        let mut lowering = Lowering::new(variables, step, &self.parameters, names.collect());
        let interface = Part::InterfaceTMinus1;
        let mut previous = match before {
            Some(before) => Some(self.lower_part(interface, &checked, &before, &mut lowering)?),
            None => None,
        };
        let mut steps = Vec::with_capacity(length);
        for index in 0..length {
            lowering.step.index = index;
            let combined = self.lower_step(previous.as_ref(), &checked, &mut lowering)?;
            let top = self.lower_part(Part::Top, &checked, &combined, &mut lowering)?;
            steps.push(self.root(&top)?);
            if index + 1 < length {
                previous = Some(self.lower_part(interface, &checked, &combined, &mut lowering)?);
            }
        }
        let root = steps.last().copied().unwrap_or_default();
        let circuit = lowering.builder.finish(root).map_err(|error| self.at_top(error.into()))?;
        Ok(Unrolled { circuit, steps })
    }

    /// Lowers template, interface and their combination with the previous step's interface.
    fn lower_step(
        &self,
        previous: Option<&Tensor>,
        checked: &Checked,
        lowering: &mut Lowering<'_>,
    ) -> Result<Tensor, LayerError> {
        let start = TensorShape::of_variables(&self.network.variables)?;
        let start = Tensor::without_nodes(start);
        let template = self.lower_part(Part::Template, checked, &start, lowering)?;
        let current = self.lower_part(Part::InterfaceT0, checked, &template, lowering)?;
        let parts = |problem: LayerProblem| LayerError::Parts { reason: problem.to_string() };
        let constant = match previous {
            Some(_) => None,
            None => Some(ones(current.shape.units().map_err(parts)?)),
        };
        match previous.or(constant.as_ref()) {
            Some(before) => {
                temporal_dense_product::lower(before, &current, lowering).map_err(parts)
            }
            None => Ok(current),
        }
    }

    fn lower_part(
        &self,
        part: Part,
        checked: &Checked,
        input: &Tensor,
        lowering: &mut Lowering<'_>,
    ) -> Result<Tensor, LayerError> {
        let before = self.network.parts().into_iter().take_while(|(other, _)| *other != part);
        let first = before.map(|(_, layers)| layers.len()).sum();
        let layers = (self.network.part(part), checked.part(part));
        let outputs = lowering.stack(Some(part), first, layers, input)?;
        outputs.into_iter().last().ok_or(LayerError::Empty { what: part.name() })
    }

    fn root(&self, top: &Tensor) -> Result<NodeId, LayerError> {
        let root = top.cells.first().and_then(|cell| cell.nodes.first());
        let found = "a padding cell".to_owned();
        root.copied().ok_or_else(|| self.at_top(LayerProblem::NoRoot { found }))
    }

    fn at_top(&self, problem: LayerProblem) -> LayerError {
        let top = &self.network.top;
        let last = top.last().map_or("?", Layer::type_name);
        problem.at(place(Some(Part::Top), top.len().saturating_sub(1), last))
    }

    /// Checks that the unrolled circuit stays within bounds.
    fn check_length(
        &self,
        length: usize,
        variables: usize,
        checked: &Checked,
    ) -> Result<(), LayerError> {
        let parts = |reason: String| Err(LayerError::Parts { reason });
        if length == 0 {
            return parts("a sequence needs at least one step".to_owned());
        }
        let words = variables.saturating_mul(length).div_ceil(64);
        let cells = self.network.parts().into_iter().flat_map(|(part, _)| checked.part(part));
        let values = cells.map(|layer| match layer.output {
            TensorShape::Units { rows, columns, units } => {
                words.saturating_add(units + CELL).saturating_mul(rows * columns)
            }
            _ => words.saturating_add(CELL),
        });
        let per_step = values.fold(0_usize, usize::saturating_add);
        if per_step.saturating_mul(length) <= LIMIT {
            return Ok(());
        }
        parts(format!(
            "a circuit of {length} steps would need more than {LIMIT} values; use shorter sequences"
        ))
    }
}
