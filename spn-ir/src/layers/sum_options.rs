//! What all sum layers share: their options, their weights' parameter and their nodes.
//!
//! `sum_weights` holds weights or, in log space (the default), their logarithms. With the default
//! constraint (`LogNormalized`, `GreaterEqualEpsilonNormalized`) the stored weights are trusted to
//! be normalised; with any other they are normalised whenever they are read. The constraint is
//! applied once when the network is built. This is the rule of the reference; there is one
//! difference: in log space, first weights below [`LEAST_WEIGHT`] are raised to it, so that a
//! negative or zero draw is a small weight instead of NaN or a dead one.

use serde::{Deserialize, Serialize};

use crate::initializers::Initializer;
use crate::{Constraint, Formula, QuantityId};

use super::build::Initialization;
use super::lowering::{Cell, Lowering, Tensor};
use super::shape::product;
use super::{ConstraintChoice, LayerProblem, ParameterSpec};

const WEIGHTS: &str = "sum_weights";

/// The least first weight in log space.
pub(crate) const LEAST_WEIGHT: f64 = 1e-10;

/// The options of a sum layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SumOptions {
    /// Sums per cell.
    pub num_sums: usize,
    /// Whether logarithms of weights are stored; `None` (the default) is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logspace_accumulators: Option<bool>,
    /// First weights (not their logarithms); default `Dirichlet` with alpha 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accumulator_initializer: Option<Initializer>,
    /// Constraint of weights that are not logarithms; default `GreaterEqualEpsilonNormalized`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear_accumulator_constraint: Option<ConstraintChoice>,
    /// Constraint of weights' logarithms; default `LogNormalized`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logspace_accumulator_constraint: Option<ConstraintChoice>,
    /// Whether training changes the weights; default true.
    #[serde(default = "yes")]
    pub trainable: bool,
}

fn yes() -> bool {
    true
}

impl SumOptions {
    /// The defaults with this many sums.
    #[must_use]
    pub fn new(num_sums: usize) -> Self {
        Self {
            num_sums,
            logspace_accumulators: None,
            accumulator_initializer: None,
            linear_accumulator_constraint: None,
            logspace_accumulator_constraint: None,
            trainable: true,
        }
    }

    fn in_log_space(&self) -> bool {
        self.logspace_accumulators.unwrap_or(true)
    }

    /// The constraint in use.
    fn constraint(&self) -> Option<Constraint> {
        let (choice, default) = if self.in_log_space() {
            (self.logspace_accumulator_constraint, Constraint::LogNormalized { axis: -2 })
        } else {
            let default = Constraint::GreaterEqualEpsilonNormalized { epsilon: 1e-10, axis: -2 };
            (self.linear_accumulator_constraint, default)
        };
        choice.unwrap_or(ConstraintChoice::Constraint(default)).constraint()
    }

    /// Checks the options for weights of this shape.
    pub(crate) fn check(&self, shape: &[usize]) -> Result<(), LayerProblem> {
        LayerProblem::at_least_one("num_sums", self.num_sums)?;
        product("the sums' weights", shape)?;
        let (log, linear) = ("logspace_accumulator_constraint", "linear_accumulator_constraint");
        let bad = |option, reason: &str| {
            Err(LayerProblem::BadOption { option, reason: reason.to_owned() })
        };
        match (self.in_log_space(), self.constraint()) {
            (true, Some(Constraint::GreaterEqualEpsilonNormalized { .. })) => {
                bad(log, "is for weights, not for their logarithms; use LogNormalized")
            }
            (false, Some(Constraint::LogNormalized { .. })) => {
                bad(linear, "is for logarithms of weights; use GreaterEqualEpsilonNormalized")
            }
            (in_log_space, Some(constraint)) if !constraint.fits(shape) => {
                let reason = format!("has an axis outside the weights' shape {shape:?}");
                bad(if in_log_space { log } else { linear }, &reason)
            }
            _ => Ok(()),
        }
    }

    /// The weights' parameter, of the given shape.
    pub(crate) fn parameters(&self, shape: &[usize]) -> Vec<ParameterSpec> {
        let mut spec = ParameterSpec::new(WEIGHTS, shape, self.trainable);
        spec.constraint = self.constraint();
        vec![spec]
    }

    /// The first weights or their logarithms, with the constraint applied.
    pub(crate) fn initialize(
        &self,
        shape: &[usize],
        initialization: &Initialization<'_>,
    ) -> Result<Vec<Vec<f64>>, LayerProblem> {
        let default = Initializer::Dirichlet { axis: -2, alpha: 1.0 };
        let initializer = self.accumulator_initializer.as_ref().unwrap_or(&default);
        let mut values = initialization.draw(initializer, WEIGHTS, shape, 0)?;
        if self.in_log_space() {
            for value in &mut values {
                *value = value.max(LEAST_WEIGHT).ln();
            }
        }
        if let Some(constraint) = self.constraint() {
            constraint.apply(shape, &mut values);
        }
        Ok(vec![values])
    }

    /// The quantity that holds the linear weights.
    fn weights(
        &self,
        shape: &[usize],
        lowering: &mut Lowering<'_>,
    ) -> Result<QuantityId, LayerProblem> {
        let parameter = lowering.parameter(WEIGHTS)?;
        let formula = match (self.in_log_space(), self.constraint()) {
            (true, Some(Constraint::LogNormalized { .. })) => Formula::Exp(parameter),
            (true, _) => Formula::Softmax(parameter),
            (false, Some(Constraint::GreaterEqualEpsilonNormalized { .. })) => {
                Formula::Direct(parameter)
            }
            (false, _) => Formula::Normalized(parameter),
        };
        Ok(lowering.quantity(WEIGHTS, shape, formula, None))
    }

    /// Adds one sum node for each cell. Its weights `[units, num_sums]` begin at the cell's place
    /// in a parameter `[rows, columns, units, num_sums]`, or at 0 where `shared`.
    pub(crate) fn lower_cells(
        &self,
        shape: &[usize],
        shared: bool,
        input: &Tensor,
        lowering: &mut Lowering<'_>,
    ) -> Result<Tensor, LayerProblem> {
        let (rows, columns, units) = input.shape.units()?;
        let weights = self.weights(shape, lowering)?;
        let width = self.num_sums as u32;
        let matrix = if shared { 0 } else { units * self.num_sums };
        let mut cells = Vec::with_capacity(input.cells.len());
        for (index, cell) in input.cells.iter().enumerate() {
            let origin = lowering.origin(index / columns, index % columns);
            let children = lowering.nodes(cell)?;
            let slice = weights.at((index * matrix) as u32);
            let node = lowering.builder.sum(&children, width, slice, origin)?;
            cells.push(Cell::of(node, width));
        }
        Ok(Tensor::of_units((rows, columns, self.num_sums), cells))
    }

    /// Adds one sum node over all cells.
    pub(crate) fn lower_joined(
        &self,
        shape: &[usize],
        input: &Tensor,
        lowering: &mut Lowering<'_>,
    ) -> Result<Cell, LayerProblem> {
        let weights = self.weights(shape, lowering)?;
        let mut children = Vec::with_capacity(input.cells.len());
        for cell in &input.cells {
            children.extend(lowering.nodes(cell)?);
        }
        let (width, origin) = (self.num_sums as u32, lowering.origin(0, 0));
        let node = lowering.builder.sum(&children, width, weights.at(0), origin)?;
        Ok(Cell::of(node, width))
    }
}

/// Makes a sum layer's type with its builder methods.
macro_rules! sum_layer {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $crate::layers::SumOptions);

        impl $name {
            /// This many sums per cell, with the defaults of the reference.
            #[must_use]
            pub fn new(num_sums: usize) -> Self {
                Self($crate::layers::SumOptions::new(num_sums))
            }

            /// Sets the first weights.
            #[must_use]
            pub fn accumulator_initializer(
                mut self,
                initializer: $crate::initializers::Initializer,
            ) -> Self {
                self.0.accumulator_initializer = Some(initializer);
                self
            }

            /// Sets whether logarithms of weights are stored.
            #[must_use]
            pub fn logspace_accumulators(mut self, logspace: bool) -> Self {
                self.0.logspace_accumulators = Some(logspace);
                self
            }
        }
    };
}
pub(crate) use sum_layer;
