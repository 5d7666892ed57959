//! Text of the memory plans: which rows each slot has, and from which run to which.

use super::{Memory, Plan, SlotId, Step};

/// From the run that writes a slot to the last one that reads it.
#[derive(Clone, Copy)]
struct Lifetime {
    first: usize,
    last: Last,
}

#[derive(Clone, Copy)]
enum Last {
    Run(usize),
    /// The root or the caller reads the slot after the last run.
    End,
}

impl Plan {
    /// The order of execution and the two memory plans as text: a line for each run, then one for
    /// each slot with its rows and the runs during which its values are needed.
    #[must_use]
    pub fn memory_text(&self) -> String {
        let lifetimes = self.lifetimes();
        let mut text = String::from("order:\n");
        for (index, run) in self.order.iter().enumerate() {
            text.push_str(&format!("  {index}: {run}\n"));
        }
        text.push_str(&format!("inference: {} rows\n", self.inference.rows));
        for (slot, lifetime) in lifetimes.iter().enumerate() {
            let Lifetime { first, last } = lifetime;
            let last = match last {
                Last::Run(last) => format!("run {last}"),
                Last::End => "the end".to_owned(),
            };
            let rows = self.rows_text(&self.inference, slot);
            text.push_str(&format!("  s{slot}: {rows}, from run {first} to {last}\n"));
        }
        text.push_str(&format!("training: {} rows, all to the end\n", self.training.rows));
        for slot in 0..self.slots.len() {
            text.push_str(&format!("  s{slot}: {}\n", self.rows_text(&self.training, slot)));
        }
        for (index, (step, &start)) in self.steps.iter().zip(&self.training.kept).enumerate() {
            if let Step::SumProduct(step) = step {
                let rows = (step.inputs + step.width) as usize * step.instances.len();
                let end = start as usize + rows;
                text.push_str(&format!("  kept by step {index}: rows {start}..{end}\n"));
            }
        }
        text
    }

    fn rows_text(&self, memory: &Memory, slot: usize) -> String {
        let start = memory.offsets[slot];
        format!("rows {start}..{}", start + self.slots[slot])
    }

    fn lifetimes(&self) -> Vec<Lifetime> {
        let mut lifetimes = vec![Lifetime { first: 0, last: Last::End }; self.slots.len()];
        for (index, run) in self.order.iter().enumerate() {
            let step = &self.steps[run.step as usize];
            for instance in run.instances() {
                let slot = step.writes(instance);
                lifetimes[slot.index()] = Lifetime { first: index, last: Last::Run(index) };
                for slot in step.reads(instance) {
                    lifetimes[slot.index()].last = Last::Run(index);
                }
            }
        }
        for SlotId(slot) in self.root.factors.iter().chain(&self.outputs) {
            lifetimes[*slot as usize].last = Last::End;
        }
        lifetimes
    }
}
