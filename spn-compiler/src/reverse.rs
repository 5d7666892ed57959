//! The reverse pass: the forward steps in opposite order, each with what it must produce.
//!
//! Flows (derivatives of the log-likelihood with respect to log values) go from the root to the
//! leaves. A step whose parameters are all frozen need not accumulate their derivatives; one below
//! which nothing can be trained need not pass flows on.

use spn_ir::plan::{LeafStep, ReverseStep, Step};
use spn_ir::{Parameters, Quantity, Slice};

use crate::schedule::Schedule;

/// The reverse steps in the order in which they run.
#[must_use]
pub fn run(
    schedule: &Schedule,
    quantities: &[Quantity],
    parameters: &Parameters,
) -> Vec<ReverseStep> {
    let Schedule { steps, slots, .. } = schedule;
    let trainable: Vec<bool> = quantities.iter().map(|q| q.is_trainable(parameters)).collect();
    let is_trainable = |slice: &Slice| trainable[slice.quantity.index()];
    // Whether something trainable lies at or below the slot.
    let mut below = vec![false; slots.len()];
    let mut reverse = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        let parameters = match step {
            Step::Leaf(step) => leaf_slices(step).any(|slice| is_trainable(&slice)),
            Step::SumProduct(step) => step.instances.iter().any(|i| is_trainable(&i.weights)),
            Step::Product(_) | Step::Dropout(_) => false,
        };
        let children = step.inputs().any(|slot| below[slot.index()]);
        for slot in step.outputs() {
            below[slot.index()] = parameters || children;
        }
        reverse.push(ReverseStep { step: index as u32, parameters, children });
    }
    reverse.reverse();
    reverse
}

fn leaf_slices(step: &LeafStep) -> impl Iterator<Item = Slice> {
    step.instances.iter().flat_map(|instance| instance.first.into_iter().chain(instance.second))
}
