//! Where flows begin: which step of the reverse pass is the first to give a slot a flow.
//!
//! In: a plan. Out: for every sum block, product and dropout the slots whose flows it begins. They
//! are set to zero just before, while the same values are about to be used, instead of all at once
//! before the pass.

use spn_ir::plan::{Plan, SlotId, Step};

/// The slots whose flows begin at each place of the reverse pass.
#[derive(Clone, Debug)]
pub(crate) struct FirstFlows {
    /// At the root, or nowhere.
    root: Vec<SlotId>,
    /// At the steps, one list after the other.
    slots: Vec<SlotId>,
    /// Where the list of each instance of each step begins in `slots`, with one end more. Products
    /// and dropout have one list for the whole step.
    starts: Vec<Vec<u32>>,
}

impl FirstFlows {
    /// Of a plan's reverse pass as it is written: flows that parameters need.
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut waiting = vec![true; plan.slots.len()];
        let (mut root, mut slots) = (Vec::new(), Vec::new());
        take(&plan.root.factors, &mut waiting, &mut root);
        let mut starts = vec![Vec::new(); plan.steps.len()];
        for reverse in plan.reverse.iter().filter(|reverse| reverse.children) {
            let index = reverse.step as usize;
            starts[index] = match &plan.steps[index] {
                Step::SumProduct(step) => {
                    // Instances run from the last to the first.
                    let each = step.factors_each();
                    let mut starts = vec![0; step.instances.len() + 1];
                    starts[step.instances.len()] = slots.len() as u32;
                    for instance in (0..step.instances.len()).rev() {
                        let factors = &step.factors[instance * each..(instance + 1) * each];
                        take(factors, &mut waiting, &mut slots);
                        starts[instance] = slots.len() as u32;
                    }
                    starts
                }
                Step::Product(step) => {
                    let first = slots.len() as u32;
                    take(&step.factors, &mut waiting, &mut slots);
                    vec![slots.len() as u32, first]
                }
                Step::Dropout(step) => {
                    let first = slots.len() as u32;
                    let inputs: Vec<SlotId> = step.instances.iter().map(|(i, ..)| *i).collect();
                    take(&inputs, &mut waiting, &mut slots);
                    vec![slots.len() as u32, first]
                }
                Step::Leaf(_) => Vec::new(),
            };
        }
        let never = (0..plan.slots.len()).filter(|slot| waiting[*slot]);
        root.extend(never.map(|slot| SlotId(slot as u32)));
        Self { root, slots, starts }
    }

    /// The slots to clear before the pass.
    pub(crate) fn at_root(&self) -> &[SlotId] {
        &self.root
    }

    /// The slots to clear before an instance of a step runs in reverse.
    #[inline(always)]
    pub(crate) fn at(&self, step: usize, instance: usize) -> &[SlotId] {
        match self.starts[step].get(instance..instance + 2) {
            Some(&[end, start]) => &self.slots[start as usize..end as usize],
            _ => &[],
        }
    }
}

/// Moves the slots that still wait for their first flow to `first`.
fn take(slots: &[SlotId], waiting: &mut [bool], first: &mut Vec<SlotId>) {
    for &slot in slots {
        if std::mem::take(&mut waiting[slot.index()]) {
            first.push(slot);
        }
    }
}
