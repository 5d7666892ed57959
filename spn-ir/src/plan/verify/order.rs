//! The order of execution: every instance runs once, and what it reads was written before, whether
//! steps run as wholes or in the plan's runs.

use super::{Place, PlanError};
use crate::plan::{Plan, Run, SlotId};

/// Checks both orders. That each step is consistent in itself was checked before.
pub(super) fn verify(plan: &Plan) -> Result<(), PlanError> {
    for slot in &plan.outputs {
        Place::Outputs.exists("slot", slot.0, plan.slots.len())?;
    }
    let mut written = Written(vec![false; plan.slots.len()]);
    for (index, step) in plan.steps.iter().enumerate() {
        let place = Place::Step(index);
        let whole = Run { step: index as u32, first: 0, count: step.len() as u32 };
        written.run(plan, place, whole)?;
    }
    written.check(Place::Root, &plan.root.factors)?;
    written.check(Place::Outputs, &plan.outputs)?;
    verify_runs(plan)
}

/// The runs of each step are its instances in order, and read only what earlier runs write.
fn verify_runs(plan: &Plan) -> Result<(), PlanError> {
    let mut done = vec![0_u32; plan.steps.len()];
    let mut written = Written(vec![false; plan.slots.len()]);
    for (index, &run) in plan.order.iter().enumerate() {
        let place = Place::Run(index);
        place.exists("step", run.step, plan.steps.len())?;
        let (step, done) = (&plan.steps[run.step as usize], &mut done[run.step as usize]);
        place.equal("number of its first instance", run.first as usize, *done)?;
        let left = step.len() - *done as usize;
        if run.count == 0 || run.count as usize > left {
            return Err(place.wrong("it has no instances or more than its step has left"));
        }
        *done += run.count;
        written.run(plan, place, run)?;
    }
    for (index, (step, done)) in plan.steps.iter().zip(done).enumerate() {
        let place = Place::Step(index);
        place.equal(
            "number of instances in the order of execution",
            done as usize,
            step.len() as u64,
        )?;
    }
    Ok(())
}

/// Which slots have their values.
struct Written(Vec<bool>);

impl Written {
    /// Runs some instances. They may not read each other's results.
    fn run(&mut self, plan: &Plan, place: Place, run: Run) -> Result<(), PlanError> {
        let step = &plan.steps[run.step as usize];
        for instance in run.instances() {
            self.check(place, step.reads(instance))?;
        }
        for instance in run.instances() {
            let slot = step.writes(instance);
            if std::mem::replace(&mut self.0[slot.index()], true) {
                return Err(PlanError::WrittenTwice { place, slot: slot.0 });
            }
        }
        Ok(())
    }

    fn check(&self, place: Place, slots: &[SlotId]) -> Result<(), PlanError> {
        match slots.iter().find(|slot| !self.0[slot.index()]) {
            Some(slot) => Err(PlanError::NotWritten { place, slot: slot.0 }),
            None => Ok(()),
        }
    }
}
