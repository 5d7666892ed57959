//! Weights and probabilities: columns of counts, normalised and mixed with what was there.

use rayon::prelude::*;
use spn_ir::ParameterId;

use super::Step;
use crate::executable::Number;
use crate::matrices::WeightMatrix;
use crate::query::Role;
use crate::simd::math::ln;
use crate::simd::{Element, Isa, Lanes, LanesOf, dispatch};

/// Values of one parallel job.
const CHUNK: usize = 1 << 14;

impl<E: Number> Step<'_, E> {
    /// Divides each column of counts by its sum, where it has one.
    pub(super) fn normalize(&self, planes: &mut [Vec<E>]) {
        for (counts, layout) in planes.iter_mut().zip(&self.layout.quantities) {
            if matches!(layout.role, Role::Weights | Role::Probabilities) {
                for_matrices(&layout.matrices, counts, &[], |counts, _, outputs| {
                    divide_columns(counts, outputs);
                });
            }
        }
    }

    /// Gives each weight and each state its uses before any row. A weight that is 0 and stays so
    /// gets none.
    pub(super) fn add_pseudocounts(&self, planes: &mut [Vec<E>]) {
        let pseudocount = E::from_f64(self.options.prior.pseudocount * self.share);
        let quantities = self.layout.quantities.iter().zip(self.executable.quantities());
        for (counts, (layout, values)) in planes.iter_mut().zip(quantities) {
            if !matches!(layout.role, Role::Weights | Role::Probabilities) {
                continue;
            }
            for (count, value) in counts.iter_mut().zip(values) {
                if !(self.options.keep_zeros && *value == E::ZERO) {
                    *count += pseudocount;
                }
            }
        }
    }

    /// `(1 - rate) p + rate · signal`. What has a constraint is normalised by it or when it is read;
    /// the rest is normalised here.
    pub(super) fn new_linear(
        &self,
        (index, id): (usize, ParameterId),
        mut signal: Vec<E>,
        rate: f64,
    ) -> Vec<E> {
        let matrices = &self.layout.quantities[index].matrices;
        let old = &self.executable.parameters()[id.index()];
        let normalize = self.executable.plan().parameters.get(id).constraint.is_none();
        for_matrices(matrices, &mut signal, old, |signal, old, outputs| {
            mix(signal, old, outputs, rate);
            if normalize {
                divide_columns(signal, outputs);
            }
        });
        keep_unread(matrices, &mut signal, old);
        signal
    }

    /// The logarithms of new weights.
    pub(super) fn new_logs(&self, index: usize, mut signal: Vec<E>, rate: f64) -> Vec<E> {
        let matrices = &self.layout.quantities[index].matrices;
        let old = &self.executable.quantities()[index];
        for_matrices(matrices, &mut signal, old, |signal, old, outputs| {
            // Hard counts do not sum to 1; what is stored is normalised.
            mix(signal, old, outputs, rate);
            divide_columns(signal, outputs);
        });
        keep_unread(matrices, &mut signal, old);
        let level = self.executable.level();
        signal.par_chunks_mut(CHUNK).for_each(|chunk| {
            dispatch!(level, isa => logarithms(isa, chunk));
        });
        signal
    }
}

/// Runs `change` on each matrix of a quantity, with the same part of `other` (or nothing of it) and
/// its number of outputs.
fn for_matrices<E: Number>(
    matrices: &[WeightMatrix],
    mut values: &mut [E],
    other: &[E],
    change: impl Fn(&mut [E], &[E], usize) + Sync,
) {
    let mut jobs = Vec::with_capacity(matrices.len());
    let mut position = 0;
    for matrix in matrices {
        let start = matrix.slice.offset as usize;
        let (_, rest) = values.split_at_mut(start - position);
        let (part, rest) = rest.split_at_mut(matrix.end() - start);
        (values, position) = (rest, matrix.end());
        let other = if other.is_empty() { other } else { &other[start..matrix.end()] };
        jobs.push((part, other, matrix.outputs));
    }
    jobs.into_par_iter().with_min_len(8).for_each(|(values, other, outputs)| {
        change(values, other, outputs);
    });
}

/// Values that no node reads stay what they are.
fn keep_unread<E: Number>(matrices: &[WeightMatrix], new: &mut [E], old: &[E]) {
    let mut position = 0;
    for matrix in matrices {
        let start = matrix.slice.offset as usize;
        new[position..start].copy_from_slice(&old[position..start]);
        position = matrix.end();
    }
    new[position..].copy_from_slice(&old[position..]);
}

/// The sum of each column of a row-major matrix.
fn totals<E: Number>(matrix: &[E], outputs: usize) -> Vec<E> {
    let mut totals = vec![E::ZERO; outputs];
    for row in matrix.chunks_exact(outputs.max(1)) {
        totals.iter_mut().zip(row).for_each(|(total, value)| *total += *value);
    }
    totals
}

/// Divides each column by its sum; one without stays as it is.
fn divide_columns<E: Number>(matrix: &mut [E], outputs: usize) {
    let mut factors = totals(matrix, outputs);
    for factor in &mut factors {
        *factor = if *factor > E::ZERO { E::ONE / *factor } else { E::ONE };
    }
    for row in matrix.chunks_exact_mut(outputs.max(1)) {
        row.iter_mut().zip(&factors).for_each(|(value, factor)| *value *= *factor);
    }
}

/// `signal ← (1 - rate) old + rate · signal`. With rate 1 a column that nothing used would have
/// nothing left; it stays what it was.
fn mix<E: Number>(signal: &mut [E], old: &[E], outputs: usize, rate: f64) {
    let whole = rate == 1.0;
    let rates: Vec<E> = totals(signal, outputs)
        .into_iter()
        .map(|total| if whole && total == E::ZERO { E::ZERO } else { E::from_f64(rate) })
        .collect();
    let rows = signal.chunks_exact_mut(outputs.max(1)).zip(old.chunks_exact(outputs.max(1)));
    for (signal, old) in rows {
        for ((signal, &old), &rate) in signal.iter_mut().zip(old).zip(&rates) {
            *signal = (E::ONE - rate) * old + rate * *signal;
        }
    }
}

#[inline(always)]
fn logarithms<I: Isa, E: Element>(isa: I, values: &mut [E]) {
    let lanes = LanesOf::<I, E>::N;
    for values in values.chunks_mut(lanes) {
        ln(isa, LanesOf::<I, E>::load_partial(isa, values)).store_partial(values);
    }
}
