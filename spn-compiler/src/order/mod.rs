//! The order of execution: depth first, so that a tile's working set stays in cache.
//!
//! In: steps, which could run one after the other. Out: the same steps, cut into runs. Run as
//! wholes, steps keep a level of the network alive at a time; a walk that computes what a block
//! reads just before the block keeps little more than a path.
//!
//! * Of what a block reads, that which needs the most rows beyond its result comes first (Sethi and
//!   Ullman, *The generation of optimal code for arithmetic expressions*, 1970; with results of
//!   different sizes Liu, *An application of generalized tree pebbling to sparse matrix
//!   factorization*, 1987). On trees this is optimal. A block that is read several times is
//!   computed where the walk first comes by.
//! * Where blocks share what they read, that which needs the fewest rows beyond those that are
//!   there comes first: of dilated windows those whose centres are a dilation apart, not those that
//!   lie next to each other.
//! * A part of the network that fits into [`SMALL`] rows is run step by step: it stays in cache
//!   anyway, and runs are longer.
//!
//! The rules contradict each other; the order with the fewest rows alive is taken. Should a network
//! be so entangled that step after step needs fewer still, then it is step after step.

mod permute;
mod walk;

use spn_ir::NodeId;
use spn_ir::plan::{Run, SlotId, Step};

use crate::schedule::Schedule;
use walk::Choice;

/// Rows of a part of the network that is run step by step: with 64 samples in single precision a
/// quarter of the second-level cache of current processors.
pub const SMALL: u64 = 1024;

/// Cuts steps into runs; parts of at most `small` rows are run step by step. `last` are the nodes
/// that are read after the last step. Instances and slots change places, so that every step runs
/// its instances, and writes its slots, in order.
pub fn run(schedule: &mut Schedule, last: &[NodeId], small: u64) -> Vec<Run> {
    let last = schedule.slots_of(last);
    let graph = Graph::new(&schedule.steps, &schedule.slots);
    let order = best_order(&graph, &last, small);
    let runs = graph.runs(&order);
    permute::run(schedule, &order);
    runs
}

/// The order with the fewest rows alive; of equally good ones the walk that looks for shared rows.
fn best_order(graph: &Graph<'_>, last: &[SlotId], small: u64) -> Vec<SlotId> {
    let step_by_step = graph.step_by_step();
    if graph.rows.iter().map(|rows| u64::from(*rows)).sum::<u64>() <= small {
        return step_by_step;
    }
    let needs = graph.needs();
    let mut orders = vec![walk::depth_first(graph, &needs, last, small, Choice::ByNeed)];
    if needs.iter().any(|need| need.shares) {
        orders.push(walk::depth_first(graph, &needs, last, small, Choice::ByShared));
    }
    orders.push(step_by_step);
    let most = |order: &Vec<SlotId>| graph.most_rows(order, last);
    orders.into_iter().min_by_key(most).unwrap_or_default()
}

/// What the slots of a schedule are computed from.
struct Graph<'a> {
    steps: &'a [Step],
    rows: &'a [u32],
    /// Step and instance that write each slot.
    writers: Vec<(u32, u32)>,
}

/// What computing a slot takes if nothing of it is there yet, in rows.
#[derive(Clone, Copy, Default)]
struct Need {
    /// The most rows that are alive at a time.
    most: u64,
    /// All rows.
    total: u64,
    /// Whether some of them are read several times.
    shares: bool,
}

impl<'a> Graph<'a> {
    fn new(steps: &'a [Step], rows: &'a [u32]) -> Self {
        let mut writers = vec![(0, 0); rows.len()];
        for (index, step) in steps.iter().enumerate() {
            for instance in 0..step.len() {
                writers[step.writes(instance).index()] = (index as u32, instance as u32);
            }
        }
        Self { steps, rows, writers }
    }

    fn reads(&self, slot: SlotId) -> &'a [SlotId] {
        let (step, instance) = self.writers[slot.index()];
        self.steps[step as usize].reads(instance as usize)
    }

    /// Slots in the order in which steps write them.
    fn step_by_step(&self) -> Vec<SlotId> {
        (0..self.rows.len() as u32).map(SlotId).collect()
    }

    /// The needs of every slot. Slots are numbered after what they read.
    fn needs(&self) -> Vec<Need> {
        let mut needs = vec![Need::default(); self.rows.len()];
        let readers = self.readers();
        let mut sorted = Vec::new();
        for slot in self.step_by_step() {
            sorted.clear();
            sorted.extend_from_slice(self.reads(slot));
            self.sort(&mut sorted, &needs);
            let own = u64::from(self.rows[slot.index()]);
            let (mut most, mut total, mut results) = (0, own, 0);
            let mut shares = readers[slot.index()] > 1;
            for read in &sorted {
                let need = needs[read.index()];
                most = need.most.saturating_add(results).max(most);
                total = need.total.saturating_add(total);
                shares |= need.shares;
                results += u64::from(self.rows[read.index()]);
            }
            needs[slot.index()] = Need { most: most.max(results + own), total, shares };
        }
        needs
    }

    /// How often each slot is read.
    fn readers(&self) -> Vec<u32> {
        let mut readers = vec![0; self.rows.len()];
        for slot in self.step_by_step() {
            self.reads(slot).iter().for_each(|read| readers[read.index()] += 1);
        }
        readers
    }

    /// Puts first what needs the most rows beyond its result.
    fn sort(&self, slots: &mut [SlotId], needs: &[Need]) {
        let beyond = |slot: &SlotId| needs[slot.index()].most - u64::from(self.rows[slot.index()]);
        slots.sort_by_key(|slot| std::cmp::Reverse(beyond(slot)));
    }

    /// The most rows that are alive at a time if slots are computed in this order.
    fn most_rows(&self, order: &[SlotId], last: &[SlotId]) -> u64 {
        let mut left = self.readers();
        last.iter().for_each(|slot| left[slot.index()] += 1);
        let (mut alive, mut most) = (0_u64, 0);
        for slot in order {
            alive += u64::from(self.rows[slot.index()]);
            most = alive.max(most);
            for read in self.reads(*slot) {
                left[read.index()] -= 1;
                if left[read.index()] == 0 {
                    alive -= u64::from(self.rows[read.index()]);
                }
            }
        }
        most
    }

    /// The runs of an order, when the instances of each step have been brought into it.
    fn runs(&self, order: &[SlotId]) -> Vec<Run> {
        let mut done = vec![0_u32; self.steps.len()];
        let mut runs: Vec<Run> = Vec::new();
        for slot in order {
            let (step, _) = self.writers[slot.index()];
            match runs.last_mut() {
                Some(run) if run.step == step => run.count += 1,
                _ => runs.push(Run { step, first: done[step as usize], count: 1 }),
            }
            done[step as usize] += 1;
        }
        runs
    }
}
