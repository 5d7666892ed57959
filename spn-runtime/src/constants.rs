//! What kernels read: the quantities of a plan, computed from the parameters once, in the order
//! in which the kernels read them.
//!
//! In: a plan and current parameter values. Out: weights packed for the forward and the reverse
//! matrix product, locations, reciprocal scales and log-normalisers of leaves, log-probabilities.
//! Recomputed whenever parameters change.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::f64::consts::PI;

use rayon::prelude::*;
use spn_ir::plan::{LeafKernel, LeafStep, Plan, Step};
use spn_ir::{Formula, LocationScale, ParameterId, Quantity, Slice};

use crate::Number;
use crate::simd::gemm::{pack, packed_len};
use crate::simd::math::exp;
use crate::simd::{Element, Isa, Lanes, LanesOf, Level, Real, dispatch};

/// Everything computed from the parameters.
#[derive(Clone, Debug)]
pub(crate) struct Constants<E> {
    /// Values of each quantity.
    pub(crate) quantities: Vec<Vec<E>>,
    /// Constants of each step; empty unless it is a leaf step.
    pub(crate) leaves: Vec<LeafConstants<E>>,
    /// Where the packed weights of each instance of each step begin.
    pub(crate) packed_at: Vec<Vec<usize>>,
    /// Weights packed for `out[o] = Σ_i w[i, o] v[i]`.
    pub(crate) packed: Vec<E>,
    /// Weights packed for `out[i] = Σ_o w[i, o] g[o]`.
    pub(crate) packed_reverse: Vec<E>,
    /// The root's weights, one for each joint, and their logarithms.
    pub(crate) root_weights: Vec<E>,
    pub(crate) root_log_weights: Vec<E>,
    /// The different matrices behind the packed weights.
    matrices: Vec<Matrix>,
}

/// Constants of a leaf step, one entry for each instance, component and dimension (or state).
#[derive(Clone, Debug, Default)]
pub(crate) struct LeafConstants<E> {
    /// Locations.
    pub(crate) location: Vec<E>,
    /// Reciprocal scales.
    pub(crate) inverse_scale: Vec<E>,
    /// The part of the log-density that does not depend on the value, or log-probabilities.
    pub(crate) log_constant: Vec<E>,
}

/// Whether weights are made to sum to exactly 1 (see [`crate::settle`]). Training does without
/// between its steps: it costs time and no step depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settle {
    Yes,
    No,
}

/// One weight matrix; tied sums share it.
#[derive(Clone, Copy, Debug)]
struct Matrix {
    slice: Slice,
    inputs: usize,
    outputs: usize,
}

impl<E: Number> Constants<E> {
    /// Lays everything out and computes it.
    pub(crate) fn new(plan: &Plan, parameters: &[Vec<E>], level: Level) -> Self {
        let (matrices, packed_at, length) = lay_out(plan);
        let mut constants = Self {
            quantities: vec![Vec::new(); plan.quantities.len()],
            leaves: Vec::new(),
            packed_at,
            packed: vec![E::ZERO; length],
            packed_reverse: vec![E::ZERO; length],
            root_weights: Vec::new(),
            root_log_weights: Vec::new(),
            matrices,
        };
        constants.refresh(plan, parameters, level, Settle::Yes);
        constants
    }

    /// Computes everything again from changed parameters.
    pub(crate) fn refresh(
        &mut self,
        plan: &Plan,
        parameters: &[Vec<E>],
        level: Level,
        settle: Settle,
    ) {
        let jobs = plan.quantities.par_iter().zip(&mut self.quantities);
        jobs.for_each(|(quantity, values)| evaluate(quantity, parameters, level, values));
        self.leaves = plan
            .steps
            .iter()
            .map(|step| match step {
                Step::Leaf(step) => leaf_constants(step, &self.quantities),
                _ => LeafConstants::default(),
            })
            .collect();
        let joints = plan.root.inputs as usize;
        self.root_weights = match plan.root.weights {
            None => vec![E::ONE; joints],
            Some(slice) => part(&self.quantities, slice, joints).to_vec(),
        };
        if plan.root.weights.is_some() && settle == Settle::Yes {
            crate::settle::settle(&mut self.root_weights, 1);
        }
        self.root_log_weights = self.root_weights.iter().map(|w| Real::ln(*w)).collect();
        self.pack(settle);
    }

    fn pack(&mut self, settle: Settle) {
        let quantities = &self.quantities;
        let forward = split(&mut self.packed, &self.matrices);
        let reverse = split(&mut self.packed_reverse, &self.matrices);
        let jobs: Vec<_> = self.matrices.iter().zip(forward).zip(reverse).collect();
        jobs.into_par_iter().with_min_len(8).for_each(|((matrix, forward), reverse)| {
            let Matrix { slice, inputs, outputs } = *matrix;
            let mut weights = Cow::Borrowed(part(quantities, slice, inputs * outputs));
            if settle == Settle::Yes {
                crate::settle::settle(weights.to_mut(), outputs);
            }
            pack(inputs, outputs, |i, o| weights[i * outputs + o], forward);
            pack(outputs, inputs, |o, i| weights[i * outputs + o], reverse);
        });
    }
}

impl<E> Constants<E> {
    /// The weights of a slice as `[inputs, outputs]`, row-major.
    pub(crate) fn weights(&self, slice: Slice, length: usize) -> &[E] {
        part(&self.quantities, slice, length)
    }
}

/// The different weight matrices, where each instance's packed weights begin, and their length.
fn lay_out(plan: &Plan) -> (Vec<Matrix>, Vec<Vec<usize>>, usize) {
    let mut known: BTreeMap<(Slice, u32, u32), usize> = BTreeMap::new();
    let mut matrices = Vec::new();
    let mut length = 0;
    let mut packed_at = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let Step::SumProduct(step) = step else {
            packed_at.push(Vec::new());
            continue;
        };
        let (inputs, outputs) = (step.inputs as usize, step.width as usize);
        let starts = step.instances.iter().map(|instance| {
            *known.entry((instance.weights, step.inputs, step.width)).or_insert_with(|| {
                matrices.push(Matrix { slice: instance.weights, inputs, outputs });
                let start = length;
                length += packed_len(inputs, outputs);
                start
            })
        });
        packed_at.push(starts.collect());
    }
    (matrices, packed_at, length)
}

/// Cuts the packed weights into the parts of the matrices.
fn split<'a, E>(mut packed: &'a mut [E], matrices: &[Matrix]) -> Vec<&'a mut [E]> {
    let mut parts = Vec::with_capacity(matrices.len());
    for matrix in matrices {
        let (part, rest) = packed.split_at_mut(packed_len(matrix.inputs, matrix.outputs));
        parts.push(part);
        packed = rest;
    }
    parts
}

/// Computes one quantity. Log weights are what large networks consist of, so their exponentials
/// are vectorised; every other formula is the generic one.
fn evaluate<E: Number>(
    quantity: &Quantity,
    parameters: &[Vec<E>],
    level: Level,
    values: &mut Vec<E>,
) {
    /// Values of one parallel job.
    const CHUNK: usize = 1 << 14;
    let read = |id: ParameterId| parameters[id.index()].as_slice();
    match (quantity.formula, quantity.bounds) {
        (Formula::Exp(id), None) => {
            let logs = read(id);
            values.resize(logs.len(), E::ZERO);
            let jobs = values.par_chunks_mut(CHUNK).zip(logs.par_chunks(CHUNK));
            jobs.for_each(|(values, logs)| {
                dispatch!(level, isa => exponentiate(isa, logs, values));
            });
        }
        _ => *values = quantity.evaluate_with(&read),
    }
}

#[inline(always)]
fn exponentiate<I: Isa, E: Element>(isa: I, logs: &[E], values: &mut [E]) {
    let lanes = LanesOf::<I, E>::N;
    for (logs, values) in logs.chunks(lanes).zip(values.chunks_mut(lanes)) {
        exp(isa, LanesOf::<I, E>::load_partial(isa, logs)).store_partial(values);
    }
}

fn part<E>(quantities: &[Vec<E>], slice: Slice, length: usize) -> &[E] {
    &quantities[slice.quantity.index()][slice.offset as usize..][..length]
}

fn leaf_constants<E: Number>(step: &LeafStep, quantities: &[Vec<E>]) -> LeafConstants<E> {
    let width = step.width as usize;
    let mut constants = LeafConstants::default();
    for instance in &step.instances {
        match (step.kernel, instance.first, instance.second) {
            (LeafKernel::LocationScale(density), Some(location), Some(scale)) => {
                let length = width * step.dimensions as usize;
                let base = log_normaliser(density);
                constants.location.extend_from_slice(part(quantities, location, length));
                for &scale in part(quantities, scale, length) {
                    constants.inverse_scale.push(E::ONE / scale);
                    let log_constant = base - Real::to_f64(scale).ln();
                    constants.log_constant.push(Real::from_f64(log_constant));
                }
            }
            (LeafKernel::Categorical { states }, Some(probabilities), _) => {
                let length = width * step.dimensions as usize * states as usize;
                let table = part(quantities, probabilities, length);
                constants.log_constant.extend(table.iter().map(|p| Real::ln(*p)));
            }
            _ => {}
        }
    }
    constants
}

/// The log-density's constant for scale 1.
fn log_normaliser(density: LocationScale) -> f64 {
    match density {
        LocationScale::Normal => -0.5 * (2.0 * PI).ln(),
        LocationScale::Cauchy => -PI.ln(),
        LocationScale::Laplace => -(2.0_f64).ln(),
    }
}
