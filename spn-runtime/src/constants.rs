//! What kernels read: the quantities of a plan, computed from the parameters once, in the order
//! in which the kernels read them.
//!
//! In: a plan and current parameter values. Out: weights packed for matrix products, locations,
//! reciprocal scales and log-normalisers of leaves, log-probabilities. Recomputed whenever
//! parameters change.

use std::collections::BTreeMap;
use std::f64::consts::PI;

use rayon::prelude::*;
use spn_ir::plan::{LeafKernel, LeafStep, Plan, Step};
use spn_ir::{Formula, LocationScale, ParameterId, Quantity, Slice};

use crate::Number;
use crate::simd::gemm::{pack, packed_len};
use crate::simd::math::exp;
use crate::simd::{Element, Isa, Lanes, LanesOf, Level, Real, dispatch};

/// Values of one parallel job.
const CHUNK: usize = 1 << 14;

/// Everything computed from the parameters.
#[derive(Clone, Debug)]
pub(crate) struct Constants<E> {
    /// Values of each quantity.
    pub(crate) quantities: Vec<Vec<E>>,
    /// Constants of each step; empty unless it is a leaf step.
    pub(crate) leaves: Vec<LeafConstants<E>>,
    /// The weight matrix of each instance of each step.
    matrix_of: Vec<Vec<usize>>,
    /// Weights packed for matrix products.
    pub(crate) packed: Vec<E>,
    /// The root's weights, one for each joint, and their logarithms.
    pub(crate) root_weights: Vec<E>,
    pub(crate) root_log_weights: Vec<E>,
    /// Whether the root's weights sum to 1.
    pub(crate) root_is_normalised: bool,
    /// The different matrices behind the packed weights.
    matrices: Vec<Matrix>,
    /// What the weights of each matrix sum to.
    sums: Vec<WeightSums<E>>,
    /// Whether no weight is negative: then linear arithmetic can be certified.
    pub(crate) non_negative: bool,
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

/// One weight matrix; tied sums share it.
#[derive(Clone, Copy, Debug)]
struct Matrix {
    slice: Slice,
    inputs: usize,
    outputs: usize,
    /// Where its packed weights begin.
    start: usize,
}

/// The weights of one sum block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockWeights<'a, E> {
    /// Packed for matrix products.
    pub(crate) packed: &'a [E],
    /// Whether those of every unit sum to 1.
    pub(crate) normalised: bool,
    /// The largest sum of any unit's weights.
    pub(crate) largest: E,
}

impl<E: Number> Constants<E> {
    /// Lays everything out and computes it.
    pub(crate) fn new(plan: &Plan, parameters: &[Vec<E>], level: Level) -> Self {
        let (matrices, matrix_of, length) = lay_out(plan);
        let mut constants = Self {
            quantities: vec![Vec::new(); plan.quantities.len()],
            leaves: Vec::new(),
            matrix_of,
            packed: vec![E::ZERO; length],
            root_weights: Vec::new(),
            root_log_weights: Vec::new(),
            root_is_normalised: false,
            sums: Vec::new(),
            non_negative: false,
            matrices,
        };
        constants.refresh(plan, parameters, level);
        constants
    }

    /// Computes everything again from changed parameters.
    pub(crate) fn refresh(&mut self, plan: &Plan, parameters: &[Vec<E>], level: Level) {
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
        self.root_log_weights = self.root_weights.iter().map(|w| Real::ln(*w)).collect();
        self.pack();
    }

    fn pack(&mut self) {
        let quantities = &self.quantities;
        let packed = split(&mut self.packed, &self.matrices);
        let jobs: Vec<_> = self.matrices.iter().zip(packed).collect();
        let packed = jobs.into_par_iter().with_min_len(8).map(|(matrix, packed)| {
            let Matrix { slice, inputs, outputs, .. } = *matrix;
            let weights = part(quantities, slice, inputs * outputs);
            pack(inputs, outputs, weights, packed);
            WeightSums::new(weights, outputs)
        });
        packed.collect_into_vec(&mut self.sums);
        let root = WeightSums::new(&self.root_weights, 1);
        self.root_is_normalised = root.normalised;
        self.non_negative = root.non_negative && self.sums.iter().all(|sums| sums.non_negative);
    }
}

impl<E: Copy> Constants<E> {
    /// The packed weights of one instance of a sum-product step.
    #[inline(always)]
    pub(crate) fn block(&self, step: usize, instance: usize) -> BlockWeights<'_, E> {
        let index = self.matrix_of[step][instance];
        let matrix = &self.matrices[index];
        let place = matrix.start..matrix.start + matrix.inputs * matrix.outputs;
        BlockWeights {
            packed: &self.packed[place],
            normalised: self.sums[index].normalised,
            largest: self.sums[index].largest,
        }
    }

    /// The weights of a slice as `[inputs, outputs]`, row-major.
    pub(crate) fn weights(&self, slice: Slice, length: usize) -> &[E] {
        part(&self.quantities, slice, length)
    }
}

/// What the columns of a weight matrix sum to.
#[derive(Clone, Copy, Debug)]
struct WeightSums<E> {
    /// Whether all sum to 1 up to rounding: that of the sum and, since weights are often stored in
    /// single precision, theirs.
    normalised: bool,
    /// Whether no weight is negative (nor NaN).
    non_negative: bool,
    /// The largest sum.
    largest: E,
}

impl<E: Element> WeightSums<E> {
    /// Of a matrix `[inputs, outputs]`, row-major.
    fn new(weights: &[E], outputs: usize) -> Self {
        let mut totals = vec![E::ZERO; outputs];
        let mut non_negative = true;
        for row in weights.chunks_exact(outputs.max(1)) {
            for (total, &weight) in totals.iter_mut().zip(row) {
                *total += weight;
                non_negative &= weight >= E::ZERO;
            }
        }
        let additions = (weights.len() / outputs.max(1) + 4) as f64;
        let tolerance = 2.0 * (additions * E::EPSILON.to_f64()).max(f64::from(f32::EPSILON));
        let normalised = totals.iter().all(|total| (total.to_f64() - 1.0).abs() <= tolerance);
        let largest = totals.iter().fold(E::ZERO, |largest, total| total.max(largest));
        Self { normalised, non_negative, largest }
    }
}

/// The different weight matrices, which one each instance has, and their packed length.
fn lay_out(plan: &Plan) -> (Vec<Matrix>, Vec<Vec<usize>>, usize) {
    let mut known: BTreeMap<(Slice, u32, u32), usize> = BTreeMap::new();
    let mut matrices = Vec::new();
    let mut length = 0;
    let mut matrix_of = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let Step::SumProduct(step) = step else {
            matrix_of.push(Vec::new());
            continue;
        };
        let (inputs, outputs) = (step.inputs as usize, step.width as usize);
        let indices = step.instances.iter().map(|instance| {
            *known.entry((instance.weights, step.inputs, step.width)).or_insert_with(|| {
                let slice = instance.weights;
                matrices.push(Matrix { slice, inputs, outputs, start: length });
                length += packed_len(inputs, outputs);
                matrices.len() - 1
            })
        });
        matrix_of.push(indices.collect());
    }
    (matrices, matrix_of, length)
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

/// Computes one quantity. Log weights and linear weights are what large networks consist of, so
/// exponentials are vectorised and copies need no new memory; every other formula is the generic one.
fn evaluate<E: Number>(
    quantity: &Quantity,
    parameters: &[Vec<E>],
    level: Level,
    values: &mut Vec<E>,
) {
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
        (Formula::Direct(id), None) => {
            let stored = read(id);
            values.resize(stored.len(), E::ZERO);
            let jobs = values.par_chunks_mut(CHUNK).zip(stored.par_chunks(CHUNK));
            jobs.for_each(|(values, stored)| values.copy_from_slice(stored));
        }
        _ => *values = quantity.evaluate_with(&read),
    }
}

/// The kernel flushes subnormal results, here they are kept: a weight of zero is impossible.
#[inline(always)]
fn exponentiate<I: Isa, E: Element>(isa: I, logs: &[E], values: &mut [E]) {
    let lanes = LanesOf::<I, E>::N;
    let smallest = LanesOf::<I, E>::splat(isa, E::SMALLEST_NORMAL);
    for (logs, values) in logs.chunks(lanes).zip(values.chunks_mut(lanes)) {
        let weights = exp(isa, LanesOf::<I, E>::load_partial(isa, logs));
        weights.store_partial(values);
        if weights.any_lt(smallest) {
            for (log, value) in logs.iter().zip(values) {
                *value = E::from_f64(log.to_f64().exp());
            }
        }
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
            (LeafKernel::LocationScale(_), Some(location), Some(scale)) => {
                let length = width * step.dimensions as usize;
                constants.location.extend_from_slice(part(quantities, location, length));
                constants.inverse_scale.extend_from_slice(part(quantities, scale, length));
            }
            (LeafKernel::Categorical { states }, Some(probabilities), _) => {
                let length = width * step.dimensions as usize * states as usize;
                let table = part(quantities, probabilities, length);
                constants.log_constant.extend(table.iter().map(|p| Real::ln(*p)));
            }
            _ => {}
        }
    }
    if let LeafKernel::LocationScale(density) = step.kernel {
        let base = log_normaliser(density);
        let LeafConstants { inverse_scale, log_constant, .. } = &mut constants;
        log_constant.resize(inverse_scale.len(), E::ZERO);
        let jobs = inverse_scale.par_chunks_mut(CHUNK).zip(log_constant.par_chunks_mut(CHUNK));
        jobs.for_each(|(scales, logs)| invert_scales(base, scales, logs));
    }
    constants
}

/// `logs = base - ln scales`, in double precision, then the scales become their reciprocals.
fn invert_scales<E: Number>(base: f64, scales: &mut [E], logs: &mut [E]) {
    for (scale, log) in scales.iter_mut().zip(logs) {
        *log = Real::from_f64(base - Real::to_f64(*scale).ln());
        *scale = E::ONE / *scale;
    }
}

/// The log-density's constant for scale 1.
fn log_normaliser(density: LocationScale) -> f64 {
    match density {
        LocationScale::Normal => -0.5 * (2.0 * PI).ln(),
        LocationScale::Cauchy => -PI.ln(),
        LocationScale::Laplace => -(2.0_f64).ln(),
    }
}
