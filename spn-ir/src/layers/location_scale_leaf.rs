//! `NormalLeaf`, `CauchyLeaf`, `LaplaceLeaf`: location-scale densities, several variables of a
//! cell independent given the component.
//!
//! Parameters have the shape `[1, rows, columns, num_components, dimensions]`. Two modes, as in
//! the reference:
//!
//! * **Variables**: `location` and `scale`. A trainable scale is stored as its inverse softplus,
//!   kept at -2 or above by a constraint after updates; a fixed scale is stored as it is.
//! * **Accumulators** (`use_accumulators`, for expectation maximisation): location and scale are
//!   moments `n1 / d1` and `sqrt(n2 / d2 - location²)` of four accumulators; where the scale is
//!   not trainable it stays the fixed variable `scale`.
//!
//! Difference: the reference's Laplace leaf cannot have a trainable scale; this one can.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::initializers::Initializer;
use crate::quantity::inverse_softplus;
use crate::{Constraint, Formula, Leaf, LeafFamily, LocationScale, VariableId};

use super::build::Initialization;
use super::lowering::{Cell, Lowering, Tensor};
use super::shape::{TensorShape, product};
use super::{ConstraintChoice, LayerProblem, LayerRules, ParameterSpec};

const LOCATION: &str = "location";
const SCALE: &str = "scale";
const FIRST_DENOMINATOR: &str = "first_order_moment_denom_accum";
const FIRST_NUMERATOR: &str = "first_order_moment_num_accum";
const SECOND_DENOMINATOR: &str = "second_order_moment_denom_accum";
const SECOND_NUMERATOR: &str = "second_order_moment_num_accum";

/// The least stored value of a trainable scale; its softplus is about 0.127.
const LEAST_STORED_SCALE: f64 = -2.0;

/// The options of a location-scale leaf.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationScaleOptions {
    /// Components of each variable.
    pub num_components: usize,
    /// First locations; default `TruncatedNormal` with deviation 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location_initializer: Option<Initializer>,
    /// Whether training changes locations; default true.
    #[serde(default = "yes")]
    pub location_trainable: bool,
    /// First scales (not their stored form); default ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_initializer: Option<Initializer>,
    /// Whether training changes scales; default false.
    #[serde(default)]
    pub scale_trainable: bool,
    /// Bounds of the scale as it is read: `Clip` or `GreaterEqualEpsilon`; default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_constraint: Option<ConstraintChoice>,
    /// Whether location and scale are moments of accumulators; default false.
    #[serde(default)]
    pub use_accumulators: bool,
    /// First denominators of the moments; default ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accumulator_initializer: Option<Initializer>,
}

fn yes() -> bool {
    true
}

impl LocationScaleOptions {
    /// The defaults with this many components.
    #[must_use]
    pub fn new(num_components: usize) -> Self {
        Self {
            num_components,
            location_initializer: None,
            location_trainable: true,
            scale_initializer: None,
            scale_trainable: false,
            scale_constraint: None,
            use_accumulators: false,
            accumulator_initializer: None,
        }
    }

    /// The bounds of the scale.
    fn scale_bounds(&self) -> Result<Option<(f64, f64)>, LayerProblem> {
        let (minimum, maximum) = match self.scale_constraint.and_then(ConstraintChoice::constraint)
        {
            None => return Ok(None),
            Some(Constraint::Clip { minimum, maximum }) => (minimum, maximum),
            Some(Constraint::GreaterEqualEpsilon { epsilon }) => (epsilon, f64::INFINITY),
            Some(_) => {
                let reason = "normalises; it must be Clip or GreaterEqualEpsilon".to_owned();
                return Err(LayerProblem::BadOption { option: "scale_constraint", reason });
            }
        };
        if minimum <= maximum {
            return Ok(Some((minimum, maximum)));
        }
        let reason = format!("keeps no value: {minimum} is not below {maximum}");
        Err(LayerProblem::BadOption { option: "scale_constraint", reason })
    }

    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        self.scale_bounds()?;
        let output = leaf_output(input, self.num_components)?;
        product("the leaves' parameters", &parameter_shape(input, self.num_components))?;
        Ok(output)
    }

    fn parameters(&self, input: TensorShape) -> Vec<ParameterSpec> {
        let shape = parameter_shape(input, self.num_components);
        let spec = |name, trainable| ParameterSpec::new(name, &shape, trainable);
        let first = self.location_trainable;
        if !self.use_accumulators {
            let mut scale = spec(SCALE, self.scale_trainable);
            scale.constraint = self.scale_trainable.then_some(Constraint::Clip {
                minimum: LEAST_STORED_SCALE,
                maximum: f64::INFINITY,
            });
            return vec![spec(LOCATION, first), scale];
        }
        let mut specs = vec![spec(FIRST_DENOMINATOR, first), spec(FIRST_NUMERATOR, first)];
        if self.scale_trainable {
            specs.extend([spec(SECOND_DENOMINATOR, true), spec(SECOND_NUMERATOR, true)]);
        } else {
            specs.push(spec(SCALE, false));
        }
        specs
    }

    fn initialize(
        &self,
        input: TensorShape,
        initialization: &Initialization<'_>,
    ) -> Result<Vec<Vec<f64>>, LayerProblem> {
        let shape = parameter_shape(input, self.num_components);
        let draw = |initializer: &Option<Initializer>, default, name, slot| {
            let initializer = initializer.as_ref().unwrap_or(default);
            initialization.draw_for_leaf(initializer, name, &shape, slot, input)
        };
        let normal = Initializer::TruncatedNormal { mean: 0.0, stddev: 1.0 };
        let locations = draw(&self.location_initializer, &normal, LOCATION, 0)?;
        let scales = draw(&self.scale_initializer, &Initializer::Ones, SCALE, 1)?;
        // A scale of 0 is fine where a bound lifts it when it is read.
        let least = self.scale_bounds()?.map_or(0.0, |(minimum, _)| minimum);
        if let Some(scale) = scales.iter().find(|scale| scale.is_nan() || scale.max(least) <= 0.0) {
            let reason = format!(
                "gives the scale {scale}; scales must be positive: mend it or set `scale_constraint`"
            );
            return Err(LayerProblem::BadOption { option: "scale_initializer", reason });
        }
        if !self.use_accumulators {
            let stored = |scale: f64| {
                if self.scale_trainable { inverse_softplus(scale) } else { scale }
            };
            return Ok(vec![locations, scales.into_iter().map(stored).collect()]);
        }
        let masses =
            |slot| draw(&self.accumulator_initializer, &Initializer::Ones, "accumulators", slot);
        let first = masses(2)?;
        let means: Vec<f64> = locations.iter().zip(&first).map(|(l, d)| l * d).collect();
        if !self.scale_trainable {
            return Ok(vec![first, means, scales]);
        }
        let second = masses(3)?;
        let squares = locations
            .iter()
            .zip(&scales)
            .map(|(location, scale)| scale * scale + location * location);
        let squares = squares.zip(&second).map(|(square, mass)| square * mass).collect();
        Ok(vec![first, means, second, squares])
    }

    /// The formulas of location and scale.
    fn formulas(&self, lowering: &Lowering<'_>) -> Result<(Formula, Formula), LayerProblem> {
        if !self.use_accumulators {
            let scale = lowering.parameter(SCALE)?;
            let scale = if self.scale_trainable {
                Formula::Softplus(scale)
            } else {
                Formula::Direct(scale)
            };
            return Ok((Formula::Direct(lowering.parameter(LOCATION)?), scale));
        }
        let numerator = lowering.parameter(FIRST_NUMERATOR)?;
        let denominator = lowering.parameter(FIRST_DENOMINATOR)?;
        let scale = if self.scale_trainable {
            Formula::MomentScale {
                first_numerator: numerator,
                first_denominator: denominator,
                second_numerator: lowering.parameter(SECOND_NUMERATOR)?,
                second_denominator: lowering.parameter(SECOND_DENOMINATOR)?,
            }
        } else {
            Formula::Direct(lowering.parameter(SCALE)?)
        };
        Ok((Formula::Ratio { numerator, denominator }, scale))
    }

    fn lower(
        &self,
        density: LocationScale,
        input: &Tensor,
        lowering: &mut Lowering<'_>,
    ) -> Result<Tensor, LayerProblem> {
        let shape = parameter_shape(input.shape, self.num_components);
        let (location, scale) = self.formulas(lowering)?;
        let location = lowering.quantity(LOCATION, &shape, location, None);
        let scale = lowering.quantity(SCALE, &shape, scale, self.scale_bounds()?);
        let components = self.num_components;
        lower_leaves(input.shape, components, lowering, |cell, variables| {
            let offset = (cell * components * variables.len()) as u32;
            let (location, scale) = (location.at(offset), scale.at(offset));
            Leaf { family: LeafFamily::LocationScale { density, location, scale }, variables }
        })
    }
}

/// `[1, rows, columns, components, dimensions]`.
fn parameter_shape(input: TensorShape, components: usize) -> Vec<usize> {
    let mut shape = vec![1];
    shape.extend(input.to_vec());
    shape.insert(3.min(shape.len()), components);
    shape
}

/// The output shape of a leaf layer.
pub(crate) fn leaf_output(
    input: TensorShape,
    components: usize,
) -> Result<TensorShape, LayerProblem> {
    LayerProblem::at_least_one("num_components", components)?;
    let expected = "variables [rows, columns, dimensions]";
    let found = input.to_string();
    match input {
        TensorShape::Variables { rows, columns, .. } => {
            TensorShape::of_units(rows, columns, components)
        }
        TensorShape::Rows { .. } => {
            let mend = "put FlatToRegions below the leaf";
            Err(LayerProblem::WrongInput { expected, found, mend })
        }
        TensorShape::Units { .. } | TensorShape::Root { .. } => {
            let mend = "a network has one leaf layer, above the layers that prepare the input";
            Err(LayerProblem::WrongInput { expected, found, mend })
        }
    }
}

/// Adds one leaf node for each cell; `leaf` makes it from the cell's index and variables.
pub(crate) fn lower_leaves(
    input: TensorShape,
    components: usize,
    lowering: &mut Lowering<'_>,
    leaf: impl Fn(usize, SmallVec<[VariableId; 1]>) -> Leaf,
) -> Result<Tensor, LayerProblem> {
    let TensorShape::Variables { rows, columns, dimensions, tiled } = input else {
        return leaf_output(input, components).map(Tensor::without_nodes);
    };
    let units = components as u32;
    let mut cells = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let cell = row * columns + column;
            let source = if tiled { row } else { cell };
            let first = lowering.first_variable() + source * dimensions;
            let variables = (first..first + dimensions).map(|v| VariableId(v as u32)).collect();
            let origin = lowering.origin(row, column);
            let node = lowering.builder.leaf(leaf(cell, variables), units, origin)?;
            cells.push(Cell::of(node, units));
        }
    }
    Ok(Tensor::of_units((rows, columns, components), cells))
}

/// Makes a leaf layer of a density: the type, its builder methods and its rules.
macro_rules! location_scale_leaf {
    ($(#[$doc:meta])* $name:ident, $density:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub LocationScaleOptions);

        impl $name {
            /// A leaf with this many components and the defaults of the reference.
            #[must_use]
            pub fn new(num_components: usize) -> Self {
                Self(LocationScaleOptions::new(num_components))
            }

            /// Sets how locations begin.
            #[must_use]
            pub fn location_initializer(mut self, initializer: Initializer) -> Self {
                self.0.location_initializer = Some(initializer);
                self
            }

            /// Sets how scales begin.
            #[must_use]
            pub fn scale_initializer(mut self, initializer: Initializer) -> Self {
                self.0.scale_initializer = Some(initializer);
                self
            }

            /// Sets whether training changes scales.
            #[must_use]
            pub fn scale_trainable(mut self, trainable: bool) -> Self {
                self.0.scale_trainable = trainable;
                self
            }

            /// Sets whether location and scale are moments of accumulators.
            #[must_use]
            pub fn use_accumulators(mut self, use_accumulators: bool) -> Self {
                self.0.use_accumulators = use_accumulators;
                self
            }
        }

        impl LayerRules for $name {
            fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
                self.0.output(input)
            }

            fn parameters(&self, input: TensorShape) -> Result<Vec<ParameterSpec>, LayerProblem> {
                Ok(self.0.parameters(input))
            }

            fn initialize(
                &self,
                input: TensorShape,
                initialization: &Initialization<'_>,
            ) -> Result<Vec<Vec<f64>>, LayerProblem> {
                self.0.initialize(input, initialization)
            }

            fn lower(
                &self,
                input: &Tensor,
                lowering: &mut Lowering<'_>,
            ) -> Result<Tensor, LayerProblem> {
                self.0.lower($density, input, lowering)
            }
        }
    };
}

location_scale_leaf! {
    /// Normal components: `-z²/2 - ln scale - ln(2π)/2`.
    NormalLeaf, LocationScale::Normal
}
location_scale_leaf! {
    /// Cauchy components: `-ln(1 + z²) - ln scale - ln π`.
    CauchyLeaf, LocationScale::Cauchy
}
location_scale_leaf! {
    /// Laplace components: `-|z| - ln scale - ln 2`.
    LaplaceLeaf, LocationScale::Laplace
}
