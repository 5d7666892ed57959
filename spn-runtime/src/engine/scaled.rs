//! The forward pass in scaled linear arithmetic; the engine runs a tile again in log space where
//! the certificate fails.

use std::ops::Range;

use spn_ir::plan::{Plan, Step};

use super::{Engine, Passed, derivatives};
use crate::kernels::input::TileRows;
use crate::kernels::scaled::root::{Needed, Results};
use crate::kernels::scaled::terms::Gathered;
use crate::kernels::scaled::{
    SCALE_ROWS, Scales, SlotValues, normalise, product, root, sum_product,
};
use crate::kernels::sum_product::Reverse;
use crate::kernels::{Place, leaf};
use crate::simd::{Element, Isa, Real};
use crate::workspace::Workspace;

/// Splits a workspace into what scaled kernels take.
macro_rules! parts {
    ($workspace:ident, $plan:expr, $tile:expr => $arena:pat, $scales:pat, $scratch:pat) => {
        let Workspace { arena, scales, products, exponents, .. } = $workspace;
        let Workspace { bounds, largest, each_term, .. } = $workspace;
        let $arena = arena;
        let $scales = Scales { rows: scales, numbers: &$plan.numbers, tile: $tile };
        let $scratch = Gathered {
            rows: products,
            exponents: &mut exponents[..$tile],
            bounds: &mut bounds[..$tile],
            largest: &mut largest[..$tile],
            each: each_term,
        };
    };
}

impl<E: Element> Engine<'_, E> {
    /// What must be certain, if the plan can run in scaled arithmetic.
    pub(super) fn can_scale(&self) -> Option<Needed> {
        let drops = || self.plan.steps.iter().any(|step| matches!(step, Step::Dropout(_)));
        let possible = self.constants.non_negative && (self.dropping.is_off() || !drops());
        self.scaled.filter(|_| possible)
    }

    /// Runs every step and the root; returns whether all results are certain. Which are is in the
    /// workspace.
    #[inline(always)]
    pub(super) fn forward_scaled<I: Isa>(
        &self,
        isa: I,
        rows: TileRows<'_, E>,
        needed: Needed,
        workspace: &mut Workspace<E>,
    ) -> bool {
        let plan = self.plan;
        let place = self.place(rows.tile);
        for (index, instances) in plan.forward_order() {
            self.forward_scaled_run(isa, place, (index, instances), workspace);
        }
        let Workspace { joints, total, certain, .. } = &mut *workspace;
        let (mut joints, mut total) = (std::mem::take(joints), std::mem::take(total));
        let mut certain = std::mem::take(certain);
        let weights = self.root_weights();
        let results = Results {
            joints: &mut joints[..plan.root.inputs as usize * rows.tile],
            total: &mut total,
            certain: &mut certain,
        };
        {
            parts!(workspace, plan, rows.tile => arena, scales, scratch);
            let slots = (arena.as_slice(), &scales);
            root::forward(isa, place, (&plan.root, weights), slots, scratch, needed, results);
        }
        for (sample, certain) in certain[..rows.count].iter_mut().enumerate() {
            if is_empty(rows, sample, plan.variables as usize, &workspace.inputs) {
                *certain = E::ZERO;
            }
        }
        let all = certain[..rows.count].iter().all(|certain| *certain == E::ONE);
        (workspace.joints, workspace.total, workspace.certain) = (joints, total, certain);
        all
    }

    #[inline(always)]
    fn forward_scaled_run<I: Isa>(
        &self,
        isa: I,
        place: Place<'_>,
        (index, instances): (usize, Range<usize>),
        workspace: &mut Workspace<E>,
    ) {
        let tile = place.tile;
        match &self.plan.steps[index] {
            Step::Leaf(step) => {
                let constants = &self.constants.leaves[index];
                let Workspace { inputs, arena, .. } = &mut *workspace;
                let run = (step, instances.clone());
                leaf::forward(isa, place, run, constants, inputs, arena);
                parts!(workspace, self.plan, tile => arena, mut scales, _);
                for instance in &step.instances[instances] {
                    if !scales.is_log(instance.output) {
                        let start = place.at(instance.output, 0);
                        let rows = &mut arena[start..][..step.width as usize * tile];
                        normalise::scale_logs(isa, tile, rows, scales.of(instance.output));
                    }
                }
            }
            Step::Product(step) => {
                let each = step.term.factors as usize;
                for index in instances {
                    parts!(workspace, self.plan, tile => arena, mut scales, scratch);
                    let factors = &step.factors[index * each..(index + 1) * each];
                    let ends = (factors, step.outputs[index]);
                    product::forward(isa, place, step, ends, arena, &mut scales, scratch);
                }
            }
            Step::Dropout(step) => {
                for &(input, output, _) in &step.instances[instances] {
                    parts!(workspace, self.plan, tile => arena, scales, _);
                    let rows = self.plan.slots[output.index()] as usize * tile;
                    let from = place.at(input, 0);
                    arena.copy_within(from..from + rows, place.at(output, 0));
                    let (each, from) = (SCALE_ROWS * tile, SCALE_ROWS * input.index() * tile);
                    scales.rows.copy_within(from..from + each, each * output.index());
                }
            }
            Step::SumProduct(_) => {
                for instance in instances {
                    let block = self.block(place, index, instance);
                    parts!(workspace, self.plan, tile => arena, mut scales, scratch);
                    sum_product::forward(isa, &block, arena, &mut scales, scratch);
                }
            }
        }
    }

    /// The reverse step of sums: inputs are gathered again, the rest is that of log space.
    #[inline(always)]
    pub(super) fn reverse_scaled_sums<I: Isa>(
        &self,
        isa: I,
        place: Place<'_>,
        index: usize,
        workspace: &mut Workspace<E>,
        mut quantities: Option<&mut [Vec<E>]>,
        Passed { children, first_writers, begins, .. }: Passed<'_>,
    ) {
        let Step::SumProduct(step) = &self.plan.steps[index] else { return };
        let tile = place.tile;
        let (inputs, width) = (step.inputs as usize, step.width as usize);
        let Workspace { arena, flows, scales, linear, products, ratios, .. } = workspace;
        let Workspace { exponents, bounds, largest, each_term, .. } = workspace;
        let numbers = self.plan.numbers.as_slice();
        for instance in (0..step.instances.len()).rev() {
            let block = self.block(place, index, instance);
            let scratch = Gathered {
                rows: &mut [],
                exponents: &mut exponents[..tile],
                bounds: &mut bounds[..tile],
                largest: &mut largest[..tile],
                each: each_term,
            };
            let scales = Scales { rows: &mut *scales, numbers, tile };
            let linear = sum_product::recompute(isa, &block, arena, &scales, linear, scratch);
            let sums = &arena[place.at(block.output, 0)..][..width * tile];
            let slice = step.instances[instance].weights;
            let fresh = matches!(first_writers, Some(first) if first.is_first(index, instance));
            let weights = derivatives(quantities.as_deref_mut(), slice, inputs * width, fresh);
            let begins = match begins {
                Some(begins) => begins.at(index, instance),
                None => &[],
            };
            let work = Reverse {
                values: SlotValues { values: arena, scales: Some((&*scales.rows, numbers)) },
                linear,
                sums,
                factors: Some(&exponents[..tile]),
                weights,
                children,
                begins,
                ratios: &mut ratios[..width * tile],
                products: &mut products[..inputs * tile],
            };
            let slots = &self.plan.slots;
            crate::kernels::sum_product::reverse(isa, &block, slots, work, flows);
        }
    }
}

/// Whether a row has no observed value: its log-likelihood is exactly 0 where weights are
/// normalised, and log space sees to that.
fn is_empty<E: Real>(rows: TileRows<'_, E>, sample: usize, variables: usize, inputs: &[E]) -> bool {
    let mut values = inputs.iter().skip(sample).step_by(rows.tile).take(variables);
    values.all(|value| value.is_nan())
}

impl<E: Element> Workspace<E> {
    /// Keeps the results of the root aside while the tile runs again.
    pub(super) fn keep_results(&mut self) {
        let Self { joints, total, kept_results, .. } = self;
        kept_results.clear();
        kept_results.extend_from_slice(joints);
        kept_results.extend_from_slice(total);
    }

    /// Puts the results that were certain back, so that they do not depend on the other rows of
    /// the tile.
    pub(super) fn restore_certain(&mut self, rows: TileRows<'_, E>) {
        let Self { joints, total, kept_results, certain, .. } = self;
        let (kept_joints, kept_total) = kept_results.split_at(joints.len());
        for sample in (0..rows.count).filter(|&sample| certain[sample] == E::ONE) {
            total[sample] = kept_total[sample];
            let pairs = joints.iter_mut().zip(kept_joints).skip(sample).step_by(rows.tile);
            pairs.for_each(|(joint, kept)| *joint = *kept);
        }
    }
}

/// The most terms of any sum or product of a plan.
pub(crate) fn most_terms(plan: &Plan) -> usize {
    let steps = plan.steps.iter().map(|step| match step {
        Step::SumProduct(step) => step.terms.len(),
        _ => 1,
    });
    steps.chain([plan.root.terms.len()]).max().unwrap_or(1)
}
