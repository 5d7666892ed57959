//! The state of one random circuit in the making: the builder, the random numbers, and decisions
//! that hold for the whole circuit.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spn_ir::{
    Circuit, CircuitBuilder, CircuitError, Combine, Constraint, Dropout, DropoutKind, Formula,
    NodeId, NodeOptions, Normalisation, Origin, Parameter, ParameterId, Quantity, QuantityId,
    Slice,
};

use super::{CircuitOptions, Shape, VariableKind};

/// Everything that is needed while one circuit grows.
pub(super) struct Maker<'a> {
    pub(super) builder: CircuitBuilder,
    pub(super) rng: ChaCha8Rng,
    pub(super) options: &'a CircuitOptions,
    pub(super) shape: Shape,
    /// What each variable is.
    pub(super) kinds: Vec<VariableKind>,
    pub(super) sparse: bool,
    pub(super) extreme: bool,
    /// The widest block of this circuit.
    pub(super) widest: u32,
    /// Finished nodes by scope, to be shared.
    pub(super) regions: BTreeMap<Vec<u32>, Vec<NodeId>>,
    /// Weights in use by `(inputs, outputs)`, to be tied.
    pub(super) used: BTreeMap<(usize, usize), Vec<Slice>>,
    /// Weights made but not in use yet, by `(inputs, outputs)`.
    pub(super) spare: BTreeMap<(usize, usize), Vec<Slice>>,
}

impl<'a> Maker<'a> {
    pub(super) fn new(seed: u64, options: &'a CircuitOptions) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let variables = rng.random_range(1..=options.maximum_variables.max(1));
        let shape = options.shape.unwrap_or_else(|| match rng.random_range(0..5) {
            0 | 1 => Shape::Tree,
            2 | 3 => Shape::Graph,
            _ => Shape::Convolution,
        });
        let normalised = options.normalisation && !options.discrete_only && rng.random_bool(0.25);
        let all_continuous = normalised || !options.discrete_only && rng.random_bool(0.2);
        let kinds = (0..variables)
            .map(|_| match options.discrete_only || !all_continuous && rng.random_bool(0.5) {
                true => VariableKind::Discrete { states: rng.random_range(1..=4) },
                false => VariableKind::Continuous,
            })
            .collect();
        let mut builder = CircuitBuilder::new(variables);
        if normalised {
            builder.set_normalisation(Some(normalisation(&mut rng, variables)));
        }
        let widest = match rng.random_range(0..4) {
            0 => 1,
            1 => options.maximum_width.min(4),
            _ => options.maximum_width.max(1),
        };
        Self {
            builder,
            options,
            shape,
            kinds,
            sparse: options.sparse && rng.random_bool(0.3),
            extreme: options.extreme && rng.random_bool(0.2),
            widest,
            regions: BTreeMap::new(),
            used: BTreeMap::new(),
            spare: BTreeMap::new(),
            rng,
        }
    }

    pub(super) fn finish(self, root: NodeId) -> Result<Circuit, CircuitError> {
        self.builder.finish(root)
    }

    /// Whether something of this probability happens.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    /// A number around 0, hardly further away than `spread`.
    pub(super) fn around_zero(&mut self, spread: f64) -> f64 {
        (self.rng.random::<f64>() + self.rng.random::<f64>() - 1.0) * spread
    }

    /// One of a list, or `None` if it is empty.
    pub(super) fn choose<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        (!list.is_empty()).then(|| list[self.rng.random_range(0..list.len())])
    }

    /// A width of at most `limit`: often 1, mostly small, sometimes the widest.
    pub(super) fn width(&mut self, limit: u32) -> u32 {
        let limit = limit.min(self.widest).max(1);
        match self.rng.random_range(0..10) {
            0..3 => 1,
            3..7 => self.rng.random_range(1..=limit.min(5)),
            7..9 => self.rng.random_range(1..=limit),
            _ => limit,
        }
    }

    /// Whether about as many nodes were made as wanted.
    pub(super) fn is_big_enough(&self) -> bool {
        self.builder.circuit().nodes.len() >= self.options.size
    }

    /// Sometimes wraps a node in a product of one child with dropout.
    pub(super) fn maybe_drop(&mut self, node: NodeId) -> Result<NodeId, CircuitError> {
        if !self.options.dropout || !self.chance(0.08) {
            return Ok(node);
        }
        let options = NodeOptions { origin: Origin::Unknown, dropout: Some(self.dropout()) };
        self.builder.product(&[node], Combine::ElementWise, options)
    }

    fn dropout(&mut self) -> Dropout {
        let flag = self.chance(0.5);
        let kind = match self.chance(0.5) {
            true => DropoutKind::Sum { keep_one: flag },
            false => DropoutKind::Input { rescale: flag },
        };
        Dropout {
            kind,
            rate: self.rng.random_range(0.0..0.9),
            stream: self.rng.random_range(0..3),
            first: self.rng.random_range(0..100),
            stride: self.rng.random_range(0..3),
        }
    }

    /// Adds a parameter with a running name, sometimes frozen, and the quantity made of it.
    pub(super) fn quantity(
        &mut self,
        shape: &[usize],
        values: Vec<f64>,
        formula: impl Fn(ParameterId) -> Formula,
        constraint: Option<Constraint>,
        bounds: Option<(f64, f64)>,
    ) -> QuantityId {
        let name = format!("p{}", self.builder.circuit().parameters.len());
        let mut parameter = Parameter::new(name, shape.to_vec(), values);
        parameter.trainable = self.chance(0.85);
        parameter.constraint = constraint;
        let id = self.builder.parameter(parameter);
        self.builder.quantity(Quantity { shape: shape.to_vec(), formula: formula(id), bounds })
    }
}

fn normalisation(rng: &mut ChaCha8Rng, variables: u32) -> Normalisation {
    let epsilon = [1e-8, 1e-3][rng.random_range(0..2)];
    if rng.random_bool(0.5) {
        return Normalisation::SampleWise { epsilon };
    }
    let mut list = |from: f64, to: f64| -> Vec<f64> {
        (0..variables).map(|_| single(rng.random_range(from..to))).collect()
    };
    Normalisation::Fixed { mean: list(-2.0, 2.0), deviation: list(0.5, 3.0), epsilon }
}

/// The nearest number that single precision can hold, so that f32 code reads the same number.
pub(super) fn single(value: f64) -> f64 {
    f64::from(value as f32)
}
