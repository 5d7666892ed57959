//! The memory plans: slots lie inside the arena, and nothing is overwritten while it is needed.

use std::collections::BTreeMap;

use super::{Place, PlanError};
use crate::plan::{Memory, Plan, SlotId, Step};

/// Checks the memory plan for inference by following what lies where from run to run. Slots of the
/// plan exist and are written before they are read; that was checked before.
pub(super) fn verify_inference(plan: &Plan) -> Result<(), PlanError> {
    let (memory, place) = (&plan.inference, Place::Inference);
    verify_extent(plan, memory, place, &[])?;
    let mut arena = Arena { plan, memory, place, owners: BTreeMap::new() };
    for (index, &run) in plan.order.iter().enumerate() {
        let step = &plan.steps[run.step as usize];
        let outputs = || run.instances().map(|instance| step.writes(instance));
        let inputs = || run.instances().flat_map(|instance| step.reads(instance)).copied();
        arena.expect(inputs(), index)?;
        outputs().for_each(|slot| arena.write_slot(slot));
        // A kernel writes while it reads: its outputs overlap neither its inputs nor each other.
        arena.expect(inputs().chain(outputs()), index)?;
    }
    let last = plan.root.factors.iter().chain(&plan.outputs);
    arena.expect(last.copied(), plan.order.len())
}

/// Checks the memory plan for training: nothing overlaps anything, so every order will do.
pub(super) fn verify_training(plan: &Plan) -> Result<(), PlanError> {
    let (memory, place) = (&plan.training, Place::Training);
    verify_extent(plan, memory, place, &plan.steps)?;
    let mut arena = Arena { plan, memory, place, owners: BTreeMap::new() };
    let slots = || plan.steps.iter().flat_map(Step::outputs);
    slots().for_each(|slot| arena.write_slot(slot));
    for (step, &offset) in plan.steps.iter().zip(&memory.kept) {
        arena.write(offset, kept_rows(step), KEPT);
    }
    arena.expect(slots(), plan.order.len())?;
    arena.expect_kept()
}

/// Everything lies inside the arena, and the arena is no larger than all of it together.
fn verify_extent(
    plan: &Plan,
    memory: &Memory,
    place: Place,
    kept: &[Step],
) -> Result<(), PlanError> {
    place.equal("number of slots", memory.offsets.len(), plan.slots.len() as u64)?;
    place.equal("number of places of kept rows", memory.kept.len(), kept.len() as u64)?;
    let slots = memory.offsets.iter().zip(plan.slots.iter().map(|&rows| u64::from(rows)));
    let kept = memory.kept.iter().zip(kept.iter().map(kept_rows));
    let mut together = 0_u64;
    for (&offset, rows) in slots.chain(kept) {
        together = together.saturating_add(rows);
        if rows.saturating_add(u64::from(offset)) > u64::from(memory.rows) {
            return Err(place.wrong("a slot or kept rows lie outside"));
        }
    }
    if u64::from(memory.rows) > together {
        return Err(place.wrong("it has more rows than all slots and kept rows together"));
    }
    Ok(())
}

/// Rows that a step keeps for its reverse step; saturates beyond every arena.
fn kept_rows(step: &Step) -> u64 {
    match step {
        Step::SumProduct(sum) => {
            let each = u64::from(sum.inputs) + u64::from(sum.width);
            each.saturating_mul(step.len() as u64)
        }
        Step::Leaf(_) | Step::Product(_) | Step::Dropout(_) => 0,
    }
}

/// Owner of rows that a sum keeps; no slot has this number, there are fewer.
const KEPT: u32 = u32::MAX;

/// Who wrote which rows last: ranges by their first row, disjoint.
struct Arena<'a> {
    plan: &'a Plan,
    memory: &'a Memory,
    place: Place,
    /// End and owner of the range.
    owners: BTreeMap<u64, (u64, u32)>,
}

impl Arena<'_> {
    fn write_slot(&mut self, slot: SlotId) {
        let rows = self.plan.slots[slot.index()].into();
        self.write(self.memory.offsets[slot.index()], rows, slot.0);
    }

    /// Gives the rows to `owner`; whoever had any of them loses all of his.
    fn write(&mut self, offset: u32, rows: u64, owner: u32) {
        let (start, end) = (u64::from(offset), u64::from(offset) + rows);
        if rows == 0 {
            return;
        }
        while let Some((&other, &(other_end, _))) = self.owners.range(..end).next_back()
            && other_end > start
        {
            self.owners.remove(&other);
        }
        self.owners.insert(start, (end, owner));
    }

    /// The slots must still have their rows.
    fn expect(&self, mut slots: impl Iterator<Item = SlotId>, run: usize) -> Result<(), PlanError> {
        let lost = slots.find(|slot| {
            let start = u64::from(self.memory.offsets[slot.index()]);
            let end = start + u64::from(self.plan.slots[slot.index()]);
            self.owners.get(&start) != Some(&(end, slot.0))
        });
        match lost {
            Some(SlotId(slot)) => Err(PlanError::Overwritten { place: self.place, slot, run }),
            None => Ok(()),
        }
    }

    /// The rows that sums keep must not overlap: there are as many ranges as were written.
    fn expect_kept(&self) -> Result<(), PlanError> {
        let there = self.owners.values().filter(|(_, owner)| *owner == KEPT).count();
        let written = self.plan.steps.iter().filter(|step| kept_rows(step) > 0).count();
        self.place.equal("number of separate ranges of kept rows", there, written as u64)
    }
}
