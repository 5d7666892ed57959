//! Marginals and moments: the distribution of every single variable given each row's evidence, from one
//! reverse pass.
//!
//! The flow of a leaf component is its posterior given the evidence, so a missing variable is a mixture of
//! the components of the leaves that read it, with their flows as weights (Darwiche 2003). Its states'
//! probabilities, mean and variance are those of this mixture. An observed variable is certain of its value.

use spn_ir::plan::{LeafStep, Step};

use super::units::InputUnits;
use crate::distribution::{Component, states};
use crate::executable::Number;
use crate::kernels::LOG_ZERO;
use crate::simd::Real;
use crate::workspace::Workspace;
use crate::{Executable, FlowOptions, Rows, RunError, Statistics};

/// Means and variances of every variable given each row's evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments<E> {
    /// `[rows, variables]`, in the units of the input; of a discrete variable of its state's number. NaN
    /// where the evidence is impossible, where no leaf reads the variable, and where a Cauchy leaf has any
    /// part in it, whose mean does not exist.
    pub mean: Vec<E>,
    /// `[rows, variables]`, in squared units of the input; NaN as the mean.
    pub variance: Vec<E>,
}

/// Probabilities of the states of every discrete variable given each row's evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Marginals<E> {
    /// How many states each variable has; 0 for a variable that a continuous leaf reads, or none.
    pub states: Vec<usize>,
    /// The most states of any variable.
    pub most_states: usize,
    /// `[rows, variables, most_states]`: 0 for states that a variable does not have, NaN for continuous
    /// variables and where the evidence is impossible.
    pub probabilities: Vec<E>,
}

impl<E: Number> Executable<E> {
    /// The mean and variance of every variable given each row's evidence.
    ///
    /// # Errors
    /// If the columns do not fit, the plan is no valid network, or it standardises each row by itself and a
    /// row has nothing observed.
    pub fn moments(
        &self,
        rows: Rows<'_, E>,
        statistics: Statistics,
    ) -> Result<Moments<E>, RunError> {
        let query = "moments";
        self.induced_trees(query)?;
        self.check_units(query, rows)?;
        let variables = self.plan().variables as usize;
        let of_leaves: Vec<Vec<(f64, f64)>> =
            self.plan().steps.iter().map(|step| self.leaf_moments(step)).collect();
        let flows = FlowOptions { statistics, ..FlowOptions::default() };
        rows.check_columns(variables)?;
        let mut out = vec![(<E as Real>::NAN, <E as Real>::NAN); rows.len() * variables];
        self.for_each_flow_tile(rows, flows, &mut out, variables.max(1), |tile, ws, out| {
            let mut mixtures = vec![Mixture::default(); variables];
            let units = InputUnits::new(self, ws);
            for (sample, out) in out.chunks_exact_mut(variables).enumerate() {
                if ws.total[sample].to_f64() < LOG_ZERO {
                    continue;
                }
                self.mix(&of_leaves, (tile, sample), ws, &mut mixtures);
                for (variable, (mixture, out)) in mixtures.iter().zip(out).enumerate() {
                    let seen = ws.inputs[variable * tile + sample].to_f64();
                    let (mean, variance) =
                        if seen.is_nan() { mixture.moments() } else { (seen, 0.0) };
                    let mean = E::from_f64(units.value(mean, variable, sample));
                    *out = (mean, E::from_f64(variance * units.width(variable, sample).powi(2)));
                }
            }
        })?;
        let (mut mean, variance): (Vec<E>, Vec<E>) = out.into_iter().unzip();
        for (row, mean) in mean.chunks_exact_mut(variables.max(1)).enumerate() {
            // Exactly as given, unless the row is impossible.
            let possible = mean.iter_mut().zip(0..).filter(|(mean, _)| !Real::is_nan(**mean));
            super::units::restore_observed(rows, row, possible);
        }
        Ok(Moments { mean, variance })
    }

    /// The probabilities of the states of every discrete variable given each row's evidence. Those of an
    /// observed variable are 1 for its state and 0 for others.
    ///
    /// # Errors
    /// As [`moments`](Self::moments).
    pub fn marginals(
        &self,
        rows: Rows<'_, E>,
        statistics: Statistics,
    ) -> Result<Marginals<E>, RunError> {
        let query = "marginals";
        self.induced_trees(query)?;
        let states = self.variable_states();
        rows.check_columns(states.len())?;
        let most_states = states.iter().copied().max().unwrap_or(0);
        let each = states.len() * most_states;
        let flows = FlowOptions { statistics, ..FlowOptions::default() };
        let mut probabilities = vec![<E as Real>::NAN; rows.len() * each];
        if each == 0 {
            return Ok(Marginals { states, most_states, probabilities });
        }
        self.for_each_flow_tile(rows, flows, &mut probabilities, each, |tile, ws, out| {
            let mut sums = vec![0.0; each];
            for (sample, out) in out.chunks_exact_mut(each).enumerate() {
                if ws.total[sample].to_f64() < LOG_ZERO {
                    continue;
                }
                self.add_up_states(most_states, (tile, sample), ws, &mut sums);
                let variables =
                    sums.chunks_exact(most_states).zip(out.chunks_exact_mut(most_states));
                for (variable, (sums, out)) in variables.enumerate() {
                    if states[variable] == 0 {
                        continue;
                    }
                    let seen = ws.inputs[variable * tile + sample].to_f64();
                    let total: f64 = sums.iter().sum();
                    for (state, (sum, out)) in sums.iter().zip(out).enumerate() {
                        *out = E::from_f64(match seen.is_nan() {
                            true => sum / total,
                            false => f64::from(seen.trunc() == state as f64),
                        });
                    }
                }
            }
        })?;
        Ok(Marginals { states, most_states, probabilities })
    }

    /// How many states each variable has; 0 for continuous ones and those that no leaf reads.
    fn variable_states(&self) -> Vec<usize> {
        let mut known: Vec<Option<usize>> = vec![None; self.plan().variables as usize];
        for step in &self.plan().steps {
            let Step::Leaf(step) = step else { continue };
            let states = states(step).unwrap_or(0);
            for variable in &step.variables {
                let known = &mut known[variable.index()];
                *known = Some(match *known {
                    Some(0) => 0,
                    Some(more) if states > 0 => more.max(states),
                    _ => states,
                });
            }
        }
        known.into_iter().map(Option::unwrap_or_default).collect()
    }

    /// Mean and variance of each instance, component and dimension of a leaf step.
    fn leaf_moments(&self, step: &Step) -> Vec<(f64, f64)> {
        let Step::Leaf(step) = step else { return Vec::new() };
        let places = places(step).map(|(index, place, _)| {
            let component = Component::new((step, index), place, self.quantities());
            (component.mean(), component.variance())
        });
        places.collect()
    }

    /// The mixture of leaf components that each variable is.
    fn mix(
        &self,
        moments: &[Vec<(f64, f64)>],
        (tile, sample): (usize, usize),
        workspace: &Workspace<E>,
        mixtures: &mut [Mixture],
    ) {
        mixtures.fill(Mixture::default());
        // First means, then variances around them: nothing cancels.
        for pass in [Mixture::add_mean, Mixture::add_variance] {
            for (step, moments) in self.plan().steps.iter().zip(moments) {
                let Step::Leaf(step) = step else { continue };
                for ((index, place, variable), moments) in places(step).zip(moments) {
                    let flow = self.leaf_flow(step, (index, place.0), (tile, sample), workspace);
                    if flow > 0.0 {
                        pass(&mut mixtures[variable], flow, *moments);
                    }
                }
            }
        }
    }

    /// Adds up the flows of the components of each variable times their states' probabilities.
    fn add_up_states(
        &self,
        most_states: usize,
        (tile, sample): (usize, usize),
        workspace: &Workspace<E>,
        sums: &mut [f64],
    ) {
        sums.fill(0.0);
        for step in &self.plan().steps {
            let Step::Leaf(step) = step else { continue };
            for (index, place, variable) in places(step) {
                let flow = self.leaf_flow(step, (index, place.0), (tile, sample), workspace);
                if flow > 0.0 {
                    let sums = &mut sums[variable * most_states..][..most_states];
                    let component = Component::new((step, index), place, self.quantities());
                    component.for_each_state(|state, p| sums[state] += flow * p);
                }
            }
        }
    }

    fn leaf_flow(
        &self,
        step: &LeafStep,
        (index, component): (usize, usize),
        (tile, sample): (usize, usize),
        workspace: &Workspace<E>,
    ) -> f64 {
        let slot = step.instances[index].output;
        let row = self.plan().training.offsets[slot.index()] as usize + component;
        workspace.flows[row * tile + sample].to_f64()
    }
}

/// Each instance of a step with each `(component, dimension)` of it and the variable.
fn places(step: &LeafStep) -> impl Iterator<Item = (usize, (usize, usize), usize)> {
    let dimensions = step.dimensions as usize;
    (0..step.instances.len()).flat_map(move |index| {
        let variables = &step.variables[index * dimensions..][..dimensions];
        (0..step.width as usize).flat_map(move |component| {
            let places = variables.iter().enumerate();
            places.map(move |(dimension, v)| (index, (component, dimension), v.index()))
        })
    })
}

/// What is added up of a mixture.
#[derive(Clone, Copy, Debug, Default)]
struct Mixture {
    weight: f64,
    mean: f64,
    variance: f64,
}

impl Mixture {
    fn add_mean(&mut self, weight: f64, (mean, _): (f64, f64)) {
        self.weight += weight;
        self.mean += weight * mean;
    }

    fn add_variance(&mut self, weight: f64, (mean, variance): (f64, f64)) {
        self.variance += weight * (variance + (mean - self.mean / self.weight).powi(2));
    }

    /// Mean and variance; NaN without any component.
    fn moments(&self) -> (f64, f64) {
        (self.mean / self.weight, self.variance / self.weight)
    }
}
