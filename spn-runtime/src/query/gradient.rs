//! Gradients of an objective with respect to parameters and inputs, by the reverse pass.
//!
//! Derivatives are added up over the batch as [`groups`](super::groups) says, so the result does
//! not depend on the number of threads.

use std::borrow::Cow;

use spn_ir::{Formula, ParameterId};

use crate::engine::{Signal, Wanted};
use crate::error::check_length;
use crate::executable::Number;
use crate::kernels::dropout::Dropping;
use crate::kernels::input;
use crate::learn::objective::TileLoss;
use crate::learn::{Objective, Regularization};
use crate::tiles::tile_rows;
use crate::workspace::Purpose;
use crate::{Executable, Rows, RunError, Statistics};

use super::groups::{Groups, Sums, TileNumber, scale_by};

/// What the gradient is taken of.
#[derive(Clone, Copy, Debug)]
pub struct GradientOptions<'a, E> {
    /// The objective.
    pub objective: Objective,
    /// What is added to the loss, a function of the parameters alone.
    pub regularization: Regularization,
    /// A class for each row, where the objective needs them.
    pub labels: Option<&'a [u32]>,
    /// A weight for each row. The loss is `Σ weight · loss / rows`, as in Keras, plus the penalty
    /// of the regularisation.
    pub row_weights: Option<&'a [E]>,
    /// What sample-wise normalisation looks at.
    pub statistics: Statistics,
    /// Dropout.
    pub dropping: Dropping<'a>,
    /// Whether the gradient with respect to the inputs is wanted too.
    pub inputs: bool,
}

impl<E> Default for GradientOptions<'_, E> {
    fn default() -> Self {
        Self {
            objective: Objective::Generative,
            regularization: Regularization::default(),
            labels: None,
            row_weights: None,
            statistics: Statistics::Observed,
            dropping: Dropping::Off,
            inputs: false,
        }
    }
}

/// A loss and its gradient.
#[derive(Clone, Debug)]
pub struct Gradient<E> {
    /// The mean loss of the rows, plus the penalty of the regularisation.
    pub loss: f64,
    /// With respect to each parameter of the plan, in its order.
    pub parameters: Vec<Vec<E>>,
    /// With respect to the given (not normalised) rows, `[rows, variables]`; empty unless wanted.
    pub inputs: Vec<E>,
}

impl<E: Number> Executable<E> {
    /// The loss and its gradient.
    ///
    /// # Errors
    /// If columns, labels or weights do not fit, or an option is out of its range.
    pub fn gradient(
        &self,
        rows: Rows<'_, E>,
        options: &GradientOptions<'_, E>,
    ) -> Result<Gradient<E>, RunError> {
        let mut groups = Groups::default();
        let mut inputs = Vec::new();
        self.derivatives(rows, options, &mut groups, &mut inputs)?;
        let total = groups.total();
        let lengths = self.parameters().iter().map(Vec::len);
        let gradients = self.parameter_gradients(&mut total.quantities);
        let parameters = gradients.into_iter().zip(lengths);
        let parameters = parameters.map(|(g, length)| match g {
            Some(gradient) => gradient.into_owned(),
            None => vec![E::ZERO; length],
        });
        let parameters = parameters.collect();
        Ok(Gradient { loss: total.loss, parameters, inputs })
    }

    /// Takes derivatives with respect to quantities to gradients of the parameters; `None` for a
    /// parameter that no quantity reads. The derivatives are used up: where a parameter is a
    /// quantity's own values or their logarithms, its gradient takes their place.
    pub(crate) fn parameter_gradients<'b>(
        &self,
        derivatives: &'b mut [Vec<E>],
    ) -> Vec<Option<Cow<'b, [E]>>> {
        let read = |id: ParameterId| self.parameters()[id.index()].as_slice();
        let mut gradients: Vec<Option<Cow<'b, [E]>>> = vec![None; self.parameters().len()];
        let quantities = self.plan().quantities.iter().zip(self.quantities());
        for ((quantity, values), derivative) in quantities.zip(derivatives) {
            let parts = match (quantity.formula, quantity.bounds) {
                (Formula::Direct(_), None) => vec![Cow::Borrowed(derivative.as_slice())],
                (Formula::Exp(_), None) => {
                    self.install(|| scale_by(derivative, values));
                    vec![Cow::Borrowed(derivative.as_slice())]
                }
                _ => {
                    let parts = quantity.pull_back(values, derivative, &read);
                    parts.into_iter().map(Cow::Owned).collect()
                }
            };
            for (id, part) in quantity.formula.parameters().into_iter().zip(parts) {
                match &mut gradients[id.index()] {
                    Some(sum) => {
                        sum.to_mut().iter_mut().zip(part.iter()).for_each(|(s, g)| *s += *g);
                    }
                    empty => *empty = Some(part),
                }
            }
        }
        gradients
    }

    /// Leaves loss and derivatives with respect to quantities in the total of `groups`.
    pub(crate) fn derivatives(
        &self,
        rows: Rows<'_, E>,
        options: &GradientOptions<'_, E>,
        groups: &mut Groups<E>,
        inputs: &mut Vec<E>,
    ) -> Result<(), RunError> {
        rows.check_columns(self.plan().variables as usize)?;
        options.objective.check(options.labels, rows.len(), self.classes())?;
        options.regularization.check()?;
        if let Some(weights) = options.row_weights {
            check_length("the list of row weights", weights.len(), rows.len())?;
        }
        let columns = if options.inputs { self.plan().variables as usize } else { 0 };
        inputs.clear();
        inputs.resize(rows.len() * columns, E::ZERO);
        let lengths: Vec<usize> = self.quantities().iter().map(Vec::len).collect();
        let cut = (rows.len(), self.tiles().width(rows.len(), Purpose::Flows));
        self.install(|| {
            let buffers = (lengths.as_slice(), Some(self.first_writers()));
            groups.run(cut, buffers, (inputs, columns), |tile, group, inputs| {
                self.tile_derivatives(rows, options, tile, group, inputs);
            });
            options.regularization.add(self, groups.total());
        });
        Ok(())
    }

    /// Adds one tile's loss and derivatives to those of its group.
    fn tile_derivatives(
        &self,
        rows: Rows<'_, E>,
        options: &GradientOptions<'_, E>,
        tile: TileNumber,
        group: &mut Sums<E>,
        inputs: &mut [E],
    ) {
        let needed = options.objective.needed();
        let engine =
            self.engine(Purpose::Flows, options.statistics, options.dropping, Some(needed));
        let part = tile_rows(rows, tile.tile, tile.number);
        let share = 1.0 / rows.len() as f64;
        let weight = |sample: usize| {
            share * options.row_weights.map_or(1.0, |weights| weights[part.first + sample].to_f64())
        };
        // An objective without labels has not checked them.
        let labels = options.labels.filter(|_| options.objective.needs_labels());
        let labels = labels.map(|labels| &labels[part.first..part.first + part.count]);
        self.with_workspace(|workspace| {
            E::forward(&engine, self.level(), part, workspace);
            let length = self.classes() * part.tile;
            let loss = TileLoss {
                objective: options.objective,
                tile: part.tile,
                labels,
                weight: &weight,
                joints: &workspace.joints[..length],
                total: &workspace.total,
            };
            group.loss += loss.seeds(part.count, &mut workspace.seeds[..length]);
            let wanted = Wanted {
                signal: Signal::Gradient,
                quantities: Some(&mut group.quantities),
                first_writers: tile.is_first.then_some(self.first_writers()),
                inputs: options.inputs,
                all_flows: false,
            };
            E::reverse(&engine, self.level(), part, workspace, wanted);
            if options.inputs {
                let normalisation = self.plan().normalisation.as_ref();
                let (values, flows) = (&workspace.inputs, &workspace.input_flows);
                input::reverse(part, normalisation, options.statistics, values, flows, inputs);
            }
        });
    }
}
