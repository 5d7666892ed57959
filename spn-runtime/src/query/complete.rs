//! Completion: missing values filled in from the posterior over leaf components.
//!
//! As in the reference library: with flows `F_k` of the components of a leaf (their posteriors
//! given the evidence), a missing value becomes `Σ_k F_k mode_k / Σ_k F_k`, or the mode of the
//! component with the largest flow. Where a variable has several leaves (decompositions, shared
//! structure), all their components take part with their flows. Values are given back in the
//! units of the input: normalisation is undone.
//!
//! By default a row's normalisation looks at its observed values only. The reference library
//! takes the statistics of the whole row, hidden values included, so that they leak into the
//! answer; [`Statistics::WholeRow`] does the same.

use std::collections::BTreeMap;

use spn_ir::plan::{LeafStep, SlotId, Step};

use super::units::{InputUnits, restore_observed};
use crate::distribution::Component;
use crate::executable::Number;
use crate::workspace::Workspace;
use crate::{Executable, FlowOptions, Rows, RunError, Statistics};

/// What a missing value becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompletionRule {
    /// The modes of the components, weighted with their posteriors.
    #[default]
    WeightedMode,
    /// The mode of the most probable component; the first one of several equal ones.
    MostProbable,
}

/// How to complete rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct CompletionOptions {
    /// What a missing value becomes.
    pub rule: CompletionRule,
    /// What sample-wise normalisation looks at.
    pub statistics: Statistics,
}

/// Completed rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion<E> {
    /// `[rows, variables]`: observed values as they were given, missing ones filled in. A value
    /// whose evidence is impossible, or on which the network does not depend, stays NaN.
    pub values: Vec<E>,
}

/// Numerator and denominator, or best flow and its mode, of one variable.
#[derive(Clone, Copy, Default)]
struct Gathered {
    flow: f64,
    value: f64,
}

impl<E: Number> Executable<E> {
    /// Fills in the missing values of each row.
    ///
    /// # Errors
    /// If the rows have another number of columns than the network has variables.
    pub fn complete(
        &self,
        rows: Rows<'_, E>,
        options: CompletionOptions,
    ) -> Result<Completion<E>, RunError> {
        rows.check_columns(self.plan().variables as usize)?;
        let variables = self.plan().variables as usize;
        let mut values = vec![E::ZERO; rows.len() * variables];
        let CompletionOptions { rule, statistics } = options;
        let flows = FlowOptions { statistics, ..FlowOptions::default() };
        self.for_each_flow_tile(rows, flows, &mut values, variables, |tile, ws, out| {
            for (sample, out) in out.chunks_exact_mut(variables).enumerate() {
                let gathered = self.gather_modes(rule, tile, sample, ws);
                for (variable, (out, gathered)) in out.iter_mut().zip(gathered).enumerate() {
                    *out = self.undo_normalisation(gathered, rule, variable, sample, ws);
                }
            }
        })?;
        for (row, values) in values.chunks_exact_mut(variables).enumerate() {
            restore_observed(rows, row, values.iter_mut().zip(0..));
        }
        Ok(Completion { values })
    }

    /// Completes the variables of each of the plan's outputs, which must be leaves, from the
    /// components of that leaf alone: `[rows, variables of all outputs]`, the leaves one after the
    /// other. Observed values come back as they were given. Where a variable has one leaf this is
    /// what [`complete`](Self::complete) gives for it; with several decompositions it is the answer
    /// of each of them, as the reference library has it.
    ///
    /// # Errors
    /// If the plan has no outputs, one of them is no leaf, or the columns do not fit.
    pub fn complete_leaves(
        &self,
        rows: Rows<'_, E>,
        options: CompletionOptions,
    ) -> Result<Vec<E>, RunError> {
        rows.check_columns(self.plan().variables as usize)?;
        let leaves = self.output_leaves()?;
        let CompletionOptions { rule, statistics } = options;
        let flows = FlowOptions { statistics, ..FlowOptions::default() };
        let each = leaves.iter().map(|(step, _)| step.dimensions as usize).sum();
        let mut values = vec![E::ZERO; rows.len() * each];
        self.for_each_flow_tile(rows, flows, &mut values, each, |tile, ws, out| {
            for (sample, out) in out.chunks_exact_mut(each).enumerate() {
                let mut out = out.iter_mut();
                for &(step, index) in &leaves {
                    let dimensions = step.dimensions as usize;
                    let mut gathered = vec![Gathered::default(); dimensions];
                    self.for_each_mode((step, index), tile, sample, ws, |at, flow, mode| {
                        gathered[at].take(rule, flow, mode);
                    });
                    for (at, gathered) in gathered.into_iter().enumerate() {
                        let variable = step.variables[index * dimensions + at].index();
                        let Some(out) = out.next() else { return };
                        *out = self.undo_normalisation(gathered, rule, variable, sample, ws);
                    }
                }
            }
        })?;
        let variables = leaves.iter().flat_map(|(step, index)| {
            let dimensions = step.dimensions as usize;
            &step.variables[index * dimensions..(index + 1) * dimensions]
        });
        let variables: Vec<usize> = variables.map(|variable| variable.index()).collect();
        for (row, values) in values.chunks_exact_mut(each).enumerate() {
            restore_observed(rows, row, values.iter_mut().zip(variables.iter().copied()));
        }
        Ok(values)
    }

    /// The steps of the outputs, which must be leaves, with their places in them.
    fn output_leaves(&self) -> Result<Vec<(&LeafStep, usize)>, RunError> {
        let plan = self.plan();
        if plan.outputs.is_empty() {
            return Err(RunError::NoOutputs);
        }
        let mut places = BTreeMap::new();
        for step in &plan.steps {
            let Step::Leaf(step) = step else { continue };
            for (index, instance) in step.instances.iter().enumerate() {
                places.insert(instance.output.index(), (step, index));
            }
        }
        let place = |(output, slot): (usize, &SlotId)| {
            places.get(&slot.index()).copied().ok_or(RunError::OutputIsNoLeaf { output })
        };
        plan.outputs.iter().enumerate().map(place).collect()
    }

    /// Flows and modes of all leaf components, gathered by variable, for one sample.
    fn gather_modes(
        &self,
        rule: CompletionRule,
        tile: usize,
        sample: usize,
        workspace: &Workspace<E>,
    ) -> Vec<Gathered> {
        let plan = self.plan();
        let mut gathered = vec![Gathered::default(); plan.variables as usize];
        for step in &plan.steps {
            let Step::Leaf(step) = step else { continue };
            let dimensions = step.dimensions as usize;
            for index in 0..step.instances.len() {
                let variables = &step.variables[index * dimensions..(index + 1) * dimensions];
                self.for_each_mode((step, index), tile, sample, workspace, |at, flow, mode| {
                    gathered[variables[at].index()].take(rule, flow, mode);
                });
            }
        }
        gathered
    }

    /// Calls `take` with dimension, flow and mode of each component of a leaf.
    fn for_each_mode(
        &self,
        (step, index): (&LeafStep, usize),
        tile: usize,
        sample: usize,
        workspace: &Workspace<E>,
        mut take: impl FnMut(usize, f64, f64),
    ) {
        let instance = &step.instances[index];
        let first = self.plan().training.offsets[instance.output.index()] as usize;
        for component in 0..step.width as usize {
            let flow = workspace.flows[(first + component) * tile + sample].to_f64();
            for dimension in 0..step.dimensions as usize {
                let place = (component, dimension);
                let mode = Component::new((step, index), place, self.quantities()).mode();
                take(dimension, flow, mode);
            }
        }
    }

    fn undo_normalisation(
        &self,
        gathered: Gathered,
        rule: CompletionRule,
        variable: usize,
        sample: usize,
        workspace: &Workspace<E>,
    ) -> E {
        if gathered.flow <= 0.0 {
            return E::NAN;
        }
        let score = match rule {
            CompletionRule::WeightedMode => gathered.value / gathered.flow,
            CompletionRule::MostProbable => gathered.value,
        };
        E::from_f64(InputUnits::new(self, workspace).value(score, variable, sample))
    }
}

impl Gathered {
    fn take(&mut self, rule: CompletionRule, flow: f64, mode: f64) {
        match rule {
            CompletionRule::WeightedMode => {
                self.flow += flow;
                self.value += flow * mode;
            }
            CompletionRule::MostProbable if flow > self.flow => {
                (self.flow, self.value) = (flow, mode);
            }
            CompletionRule::MostProbable => {}
        }
    }
}
