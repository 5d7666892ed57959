//! Gradients of an objective with respect to parameters and inputs, by the reverse pass.
//!
//! The batch is cut into tiles, tiles into at most [`GROUPS`] groups; each group adds up its
//! derivatives, then the groups are added in order. The cut depends on the batch alone, so the
//! result does not depend on the number of threads.

use std::borrow::Cow;

use rayon::prelude::*;
use spn_ir::{Formula, ParameterId};

use crate::engine::Wanted;
use crate::error::check_length;
use crate::executable::{Number, tile_rows, tile_width};
use crate::kernels::dropout::Dropping;
use crate::kernels::input;
use crate::learn::objective::TileLoss;
use crate::learn::{Objective, Regularization};
use crate::workspace::Purpose;
use crate::{Executable, Rows, RunError, Statistics};

/// The most buffers of derivatives that exist at a time, and with that the most threads that
/// gradients use.
const GROUPS: usize = 8;

/// Values of one parallel job: enough to be worth it.
const CHUNK: usize = 1 << 14;

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

/// A loss and derivatives with respect to quantities, of a part of a batch or all of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Derivatives<E> {
    pub(crate) loss: f64,
    pub(crate) quantities: Vec<Vec<E>>,
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
        let mut groups = Vec::new();
        let mut inputs = Vec::new();
        self.derivatives(rows, options, &mut groups, &mut inputs)?;
        let lengths = self.parameters().iter().map(Vec::len);
        let gradients = self.parameter_gradients(&mut groups[0].quantities);
        let parameters = gradients.into_iter().zip(lengths);
        let parameters = parameters.map(|(g, length)| match g {
            Some(gradient) => gradient.into_owned(),
            None => vec![E::ZERO; length],
        });
        let parameters = parameters.collect();
        Ok(Gradient { loss: groups[0].loss, parameters, inputs })
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

    /// Leaves loss and derivatives with respect to quantities in `groups[0]`; the buffers can be
    /// given again.
    pub(crate) fn derivatives(
        &self,
        rows: Rows<'_, E>,
        options: &GradientOptions<'_, E>,
        groups: &mut Vec<Derivatives<E>>,
        inputs: &mut Vec<E>,
    ) -> Result<(), RunError> {
        rows.check_columns(self.plan().variables as usize)?;
        options.objective.check(options.labels, rows.len(), self.classes())?;
        options.regularization.check()?;
        if let Some(weights) = options.row_weights {
            check_length("the list of row weights", weights.len(), rows.len())?;
        }
        let tile = tile_width(rows.len());
        let tiles = rows.len().div_ceil(tile);
        let tiles_each = tiles.div_ceil(GROUPS).max(1);
        let count = tiles.div_ceil(tiles_each).max(1);
        let columns = if options.inputs { self.plan().variables as usize } else { 0 };
        groups.resize_with(count, Derivatives::default);
        inputs.clear();
        inputs.resize(rows.len() * columns, E::ZERO);
        let rows_each = tiles_each * tile;
        self.install(|| {
            let mut parts: Vec<&mut [E]> =
                inputs.chunks_mut((rows_each * columns).max(1)).collect();
            parts.resize_with(count, Default::default);
            let jobs = groups.par_iter_mut().zip(parts).enumerate();
            jobs.for_each(|(index, (group, inputs))| {
                group.clear(self.quantities());
                let first = index * tiles_each;
                for number in first..tiles.min(first + tiles_each) {
                    let at = ((number - first) * tile * columns).min(inputs.len());
                    self.tile_derivatives(rows, options, (tile, number), group, &mut inputs[at..]);
                }
            });
            reduce(groups);
            options.regularization.add(self, &mut groups[0]);
        });
        Ok(())
    }

    /// Adds one tile's loss and derivatives to those of its group.
    fn tile_derivatives(
        &self,
        rows: Rows<'_, E>,
        options: &GradientOptions<'_, E>,
        (tile, number): (usize, usize),
        group: &mut Derivatives<E>,
        inputs: &mut [E],
    ) {
        let engine = self.engine(Purpose::Flows, options.statistics, options.dropping);
        let part = tile_rows(rows, tile, number);
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
                quantities: Some(&mut group.quantities),
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

impl<E: Number> Derivatives<E> {
    /// Makes the buffers fit the quantities and sets them to zero.
    fn clear(&mut self, quantities: &[Vec<E>]) {
        self.loss = 0.0;
        self.quantities.resize_with(quantities.len(), Vec::new);
        for (buffer, quantity) in self.quantities.iter_mut().zip(quantities) {
            buffer.clear();
            buffer.resize(quantity.len(), E::ZERO);
        }
    }
}

/// `target ← target · factor`
fn scale_by<E: Number>(target: &mut [E], factor: &[E]) {
    let jobs = target.par_chunks_mut(CHUNK).zip(factor.par_chunks(CHUNK));
    jobs.for_each(|(target, factor)| {
        target.iter_mut().zip(factor).for_each(|(t, f)| *t *= *f);
    });
}

/// Adds all groups to the first one, in order.
fn reduce<E: Number>(groups: &mut [Derivatives<E>]) {
    let Some((first, others)) = groups.split_first_mut() else { return };
    first.loss += others.iter().map(|group| group.loss).sum::<f64>();
    for (index, total) in first.quantities.iter_mut().enumerate() {
        total.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, total)| {
            for other in &*others {
                let part = &other.quantities[index][chunk * CHUNK..][..total.len()];
                total.iter_mut().zip(part).for_each(|(sum, value)| *sum += *value);
            }
        });
    }
}
