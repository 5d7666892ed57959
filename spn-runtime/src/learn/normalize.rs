//! Projections after a step. Normalising log weights over the inputs of sums is on the path of
//! every training step, so it is vectorised (outputs lie on the lanes) and parallel; every other
//! projection is the generic one of `spn-ir`.

use rayon::prelude::*;
use spn_ir::Constraint;

use crate::Number;
use crate::simd::math::{exp, ln};
use crate::simd::{Element, Isa, Lanes, LanesOf, Level, dispatch};

/// Applies a constraint to a parameter's values.
pub(super) fn project<E: Number>(
    level: Level,
    constraint: &Constraint,
    shape: &[usize],
    values: &mut [E],
) {
    match (constraint, shape) {
        (Constraint::LogNormalized { axis: -2 }, &[.., inputs, outputs]) if inputs > 0 => {
            values.par_chunks_mut(inputs * outputs).with_min_len(8).for_each(|matrix| {
                dispatch!(level, isa => log_normalize(isa, matrix, outputs));
            });
        }
        _ => constraint.apply(shape, values),
    }
}

/// Log-softmax of each column of a row-major matrix.
#[inline(always)]
fn log_normalize<I: Isa, E: Element>(isa: I, matrix: &mut [E], outputs: usize) {
    let lanes = LanesOf::<I, E>::N;
    let lowest = LanesOf::<I, E>::splat(isa, E::from_f64(crate::kernels::LOG_ZERO));
    let zero = LanesOf::<I, E>::splat(isa, E::ZERO);
    for first in (0..outputs).step_by(lanes) {
        let end = outputs.min(first + lanes);
        let mut largest = LanesOf::<I, E>::splat(isa, E::NEG_INFINITY);
        for row in matrix.chunks_exact(outputs) {
            largest = LanesOf::<I, E>::load_partial(isa, &row[first..end]).max(largest);
        }
        // A column of zero weights stays as it is.
        let shift = largest.select_lt(lowest, zero, largest);
        let mut total = zero;
        for row in matrix.chunks_exact(outputs) {
            let value = LanesOf::<I, E>::load_partial(isa, &row[first..end]);
            total = total.add(exp(isa, value.sub(shift)));
        }
        let norm = largest.select_lt(lowest, zero, ln(isa, total).add(shift));
        for row in matrix.chunks_exact_mut(outputs) {
            let value = LanesOf::<I, E>::load_partial(isa, &row[first..end]);
            value.sub(norm).store_partial(&mut row[first..end]);
        }
    }
}
