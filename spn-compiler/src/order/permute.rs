//! Brings the instances of every step into the order in which they run, and renumbers slots so
//! that steps write theirs one after the other.

use spn_ir::plan::{DropoutStep, LeafStep, ProductStep, SlotId, Step, SumProductStep};

use crate::schedule::Schedule;

/// `order` has every slot of the schedule once.
pub(super) fn run(schedule: &mut Schedule, order: &[SlotId]) {
    let mut ranks = vec![0_u32; order.len()];
    for (rank, slot) in order.iter().enumerate() {
        ranks[slot.index()] = rank as u32;
    }
    let mut renamed = vec![SlotId(0); order.len()];
    let mut slots = Vec::with_capacity(order.len());
    for step in &mut schedule.steps {
        // New position to old one.
        let mut positions: Vec<u32> = (0..step.len() as u32).collect();
        positions.sort_unstable_by_key(|&position| ranks[step.writes(position as usize).index()]);
        permute(step, &positions);
        rename_reads(step, &renamed);
        for slot in writes(step) {
            renamed[slot.index()] = SlotId(slots.len() as u32);
            slots.push(schedule.slots[slot.index()]);
            *slot = renamed[slot.index()];
        }
    }
    schedule.slots = slots;
    schedule.rename(&renamed);
}

fn permute(step: &mut Step, positions: &[u32]) {
    match step {
        Step::Leaf(LeafStep { dimensions, variables, instances, .. }) => {
            *variables = taken(variables, *dimensions as usize, positions);
            *instances = taken(instances, 1, positions);
        }
        Step::Product(ProductStep { term, factors, outputs }) => {
            *factors = taken(factors, term.factors as usize, positions);
            *outputs = taken(outputs, 1, positions);
        }
        Step::SumProduct(step) => {
            step.factors = taken(&step.factors, step.factors_each(), positions);
            step.instances = taken(&step.instances, 1, positions);
        }
        Step::Dropout(DropoutStep { instances }) => *instances = taken(instances, 1, positions),
    }
}

/// The parts of `each` values at these positions.
fn taken<T: Copy>(values: &[T], each: usize, positions: &[u32]) -> Vec<T> {
    let mut taken = Vec::with_capacity(values.len());
    for &position in positions {
        taken.extend_from_slice(&values[position as usize * each..][..each]);
    }
    taken
}

/// What a step reads was written, and so renamed, before.
fn rename_reads(step: &mut Step, renamed: &[SlotId]) {
    let rename = |slot: &mut SlotId| *slot = renamed[slot.index()];
    match step {
        Step::Leaf(_) => {}
        Step::Product(ProductStep { factors, .. })
        | Step::SumProduct(SumProductStep { factors, .. }) => factors.iter_mut().for_each(rename),
        Step::Dropout(step) => step.instances.iter_mut().for_each(|(input, _, _)| rename(input)),
    }
}

fn writes(step: &mut Step) -> Box<dyn Iterator<Item = &mut SlotId> + '_> {
    match step {
        Step::Leaf(step) => Box::new(step.instances.iter_mut().map(|i| &mut i.output)),
        Step::Product(step) => Box::new(step.outputs.iter_mut()),
        Step::SumProduct(step) => Box::new(step.instances.iter_mut().map(|i| &mut i.output)),
        Step::Dropout(step) => Box::new(step.instances.iter_mut().map(|i| &mut i.1)),
    }
}
