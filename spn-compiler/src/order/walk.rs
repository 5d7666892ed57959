//! Walks from the last slots down to what they are computed from.

use spn_ir::plan::SlotId;

use super::{Graph, Need};

/// How many of a block's inputs are compared before one is chosen to be next.
const COMPARED: usize = 64;

/// Inputs that need this many rows are all alike.
const FAR: u64 = 1024;

/// How many slots are looked at to compare inputs, in all: a fraction of a second.
const LOOKS: usize = 1 << 23;

/// Which of a block's inputs comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The one that needs the most rows beyond its result.
    ByNeed,
    /// The one that needs the fewest rows beyond those that are there.
    ByShared,
}

/// All slots in the order of a walk from the last ones, each after what it reads.
pub(super) fn depth_first(
    graph: &Graph<'_>,
    needs: &[Need],
    last: &[SlotId],
    small: u64,
    choice: Choice,
) -> Vec<SlotId> {
    let slots = graph.rows.len();
    let mut walk = Walk {
        graph,
        needs,
        small,
        choice,
        seen: vec![false; slots],
        order: Vec::with_capacity(slots),
        tasks: Vec::new(),
        inputs: Vec::new(),
        looked_at: vec![0; slots],
        looks: 0,
        looks_left: LOOKS,
    };
    walk.descend(last);
    walk.finish();
    // What nobody reads.
    for slot in graph.step_by_step() {
        walk.visit(slot);
        walk.finish();
    }
    walk.order
}

/// What is left to do in a walk.
#[derive(Clone, Copy)]
enum Task {
    /// Visit the inputs from this place of the list on, the last ones first.
    VisitInputs(usize),
    /// Compute the slot; what it reads is there.
    Compute(SlotId),
}

/// A walk over the slots that were not seen yet.
struct Walk<'a> {
    graph: &'a Graph<'a>,
    needs: &'a [Need],
    small: u64,
    choice: Choice,
    seen: Vec<bool>,
    order: Vec<SlotId>,
    tasks: Vec<Task>,
    /// Inputs still to be visited, those of the current block last.
    inputs: Vec<SlotId>,
    /// The number of the last look at each slot.
    looked_at: Vec<u32>,
    looks: u32,
    looks_left: usize,
}

impl Walk<'_> {
    fn finish(&mut self) {
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Compute(slot) => self.order.push(slot),
                Task::VisitInputs(first) if first < self.inputs.len() => {
                    let next = self.choose(first);
                    self.tasks.push(task);
                    self.visit(next);
                }
                Task::VisitInputs(_) => {}
            }
        }
    }

    fn visit(&mut self, slot: SlotId) {
        if std::mem::replace(&mut self.seen[slot.index()], true) {
            return;
        }
        if self.needs[slot.index()].total <= self.small {
            self.compute_step_by_step(slot);
        } else {
            self.tasks.push(Task::Compute(slot));
            self.descend(self.graph.reads(slot));
        }
    }

    /// Has these slots visited next.
    fn descend(&mut self, slots: &[SlotId]) {
        let first = self.inputs.len();
        self.inputs.extend_from_slice(slots);
        self.graph.sort(&mut self.inputs[first..], self.needs);
        self.inputs[first..].reverse();
        self.tasks.push(Task::VisitInputs(first));
    }

    /// Takes the input to be visited next from the list; there is one.
    fn choose(&mut self, first: usize) -> SlotId {
        let from = first.max(self.inputs.len().saturating_sub(COMPARED));
        let mut best = (self.inputs.len() - 1, FAR);
        let shares = |slot: &SlotId| self.needs[slot.index()].shares;
        if self.choice == Choice::ByShared && self.inputs[from..].iter().any(shares) {
            for index in (from..self.inputs.len()).rev() {
                let rows = self.rows_not_there(self.inputs[index], best.1);
                if rows < best.1 {
                    best = (index, rows);
                }
            }
        }
        self.inputs.remove(best.0)
    }

    /// Rows of the slot and of all it depends on that were not seen yet; no more are counted when
    /// there are `enough`.
    fn rows_not_there(&mut self, slot: SlotId, enough: u64) -> u64 {
        if self.seen[slot.index()] || self.looks_left == 0 {
            return 0;
        }
        self.looks += 1;
        let (mut rows, first) = (0, self.inputs.len());
        self.inputs.push(slot);
        while rows < enough
            && self.inputs.len() > first
            && let Some(slot) = self.inputs.pop()
        {
            if self.seen[slot.index()]
                || std::mem::replace(&mut self.looked_at[slot.index()], self.looks) == self.looks
            {
                continue;
            }
            self.looks_left = self.looks_left.saturating_sub(1);
            rows += u64::from(self.graph.rows[slot.index()]);
            self.inputs.extend_from_slice(self.graph.reads(slot));
        }
        self.inputs.truncate(first);
        rows
    }

    /// Computes a slot and everything not seen yet that it depends on, in the order of their
    /// numbers, which is that of the steps.
    fn compute_step_by_step(&mut self, slot: SlotId) {
        let first = self.order.len();
        self.order.push(slot);
        let mut next = first;
        while let Some(&slot) = self.order.get(next) {
            for &read in self.graph.reads(slot) {
                if !std::mem::replace(&mut self.seen[read.index()], true) {
                    self.order.push(read);
                }
            }
            next += 1;
        }
        self.order[first..].sort_unstable();
    }
}
