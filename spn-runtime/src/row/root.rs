//! The root of one row: weighted children (*joints*) and their log-sum-exp.

use super::gather::gather_terms;
use super::sum_product::{examine, exponentiate, padded};
use super::{RowEngine, RowWorkspace, log_sum_exp};
use crate::simd::matvec::matrix_vector;
use crate::simd::{Element, Isa};

/// `joints[n] = x_n + ln w_n` and `total = ln Σ_n w_n exp(x_n)` of row number `row`, by the rules of
/// every sum.
#[inline(always)]
pub(super) fn forward<I: Isa, E: Element>(
    isa: I,
    engine: &RowEngine<'_, E>,
    row: usize,
    workspace: &mut RowWorkspace<E>,
) {
    let RowWorkspace { arena, linear, joints, total, .. } = workspace;
    let (root, constants) = (&engine.plan.root, engine.constants);
    let (slots, inputs) = (engine.slots, root.inputs as usize);
    let values = &arena[row * slots..][..slots];
    let joints = &mut joints[row * inputs..][..inputs];
    gather_terms(isa, engine, &root.terms, &root.factors, values, joints);
    linear[..padded(inputs)].fill(E::ZERO);
    linear[..inputs].copy_from_slice(joints);
    let known = examine(isa, inputs, linear);
    exponentiate(isa, known, &mut linear[..padded(inputs)]);
    for (joint, &weight) in joints.iter_mut().zip(&constants.root_log_weights) {
        *joint += weight;
    }
    let mut sum = [E::ZERO];
    matrix_vector(isa, &constants.root_weights, [&linear[..inputs]], [&mut sum]);
    total[row] = if constants.root_is_normalised && known.nothing_observed {
        E::ZERO
    } else if known.is_impossible() {
        E::NEG_INFINITY
    } else if sum[0] < E::MIN_CERTAIN {
        E::from_f64(log_sum_exp(joints.iter().map(|joint| joint.to_f64())))
    } else {
        sum[0].ln() + known.largest
    };
}
