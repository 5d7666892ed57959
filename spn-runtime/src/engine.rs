//! The engine: one tile through the whole plan, forward and in reverse.
//!
//! In: a plan, its constants and a tile of rows. Out: joints and log-likelihoods of the tile in
//! its workspace; after the reverse pass flows, and derivatives added to the caller's buffers.

pub(crate) mod max_product;
pub(crate) mod scaled;

use std::ops::Range;

use spn_ir::Slice;
use spn_ir::plan::{Plan, ScalarProgram, SlotId, Step};

use crate::constants::Constants;
use crate::counting::{Rule, Selecting};
use crate::first_flows::FirstFlows;
use crate::first_writers::FirstWriters;
use crate::kernels::dropout::{self, Dropping};
use crate::kernels::input::{self, SampleStatistics, TileRows};
use crate::kernels::leaf::{self, LeafDerivatives};
use crate::kernels::root::{self, RootDerivatives, RootWeights};
use crate::kernels::scaled::SlotValues;
use crate::kernels::scaled::root::Needed;
use crate::kernels::selection::{self, Selection};
use crate::kernels::sum_product::{self, Block, Reverse, Scratch, WeightDerivatives};
use crate::kernels::{Place, product};
use crate::reruns::{RerunCounter, Reruns};
use crate::scalar::{self, Code, Form, RowBuffers, Source, Tile};
use crate::simd::{Element, Isa, Level, dispatch};
use crate::workspace::{Purpose, Workspace, slot_rows};
use crate::{Rows, Statistics};

/// What a tile is run with.
#[derive(Clone, Copy)]
pub(crate) struct Engine<'a, E> {
    pub(crate) plan: &'a Plan,
    pub(crate) constants: &'a Constants<E>,
    pub(crate) statistics: Statistics,
    pub(crate) dropping: Dropping<'a>,
    pub(crate) purpose: Purpose,
    /// What a tile in scaled arithmetic must be certain of; `None` keeps to log space.
    pub(crate) scaled: Option<Needed>,
    /// Where rows that run again are counted.
    pub(crate) reruns: &'a RerunCounter,
    /// Where flows begin.
    pub(crate) first_flows: &'a FirstFlows,
}

/// What is collected for each quantity.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// Derivatives.
    Gradient,
    /// What expectation maximisation counts: for weights the flow through each (where it goes to one
    /// input) or the flow divided by the weight (soft), for leaves their statistics, see
    /// [`leaf::count`].
    Counts(Rule),
}

impl Signal {
    /// How sums select one input, if they do.
    fn selecting(self) -> Option<Selecting> {
        match self {
            Self::Counts(Rule::Selection(selecting)) => Some(selecting),
            _ => None,
        }
    }
}

/// What the reverse pass computes.
pub(crate) struct Wanted<'a, E> {
    /// What is collected.
    pub(crate) signal: Signal,
    /// Where it is added, for each quantity.
    pub(crate) quantities: Option<&'a mut [Vec<E>]>,
    /// Those that clear what they are the first to add to.
    pub(crate) first_writers: Option<&'a FirstWriters>,
    /// With respect to the normalised inputs, in the workspace.
    pub(crate) inputs: bool,
    /// Flows of every slot, even where nothing can be trained.
    pub(crate) all_flows: bool,
}

/// What one step of sums passes on in reverse.
#[derive(Clone, Copy)]
struct Passed<'a> {
    /// Number of the tile's first row in the batch.
    first_row: usize,
    signal: Signal,
    /// Whether flows go to what the sums read.
    children: bool,
    first_writers: Option<&'a FirstWriters>,
    begins: Option<&'a FirstFlows>,
}

/// The engine's entrances for one precision. Implemented for `f32` and `f64` as plain functions, so
/// that the kernels are compiled once, with this crate, and not again with every program that
/// uses it.
pub(crate) trait Entrances: Element {
    /// [`Engine::forward`] with the instructions of `level`.
    fn forward(
        engine: &Engine<'_, Self>,
        level: Level,
        rows: TileRows<'_, Self>,
        workspace: &mut Workspace<Self>,
    );
    /// [`Engine::reverse`] with the instructions of `level`.
    fn reverse(
        engine: &Engine<'_, Self>,
        level: Level,
        rows: TileRows<'_, Self>,
        workspace: &mut Workspace<Self>,
        wanted: Wanted<'_, Self>,
    );
    /// Rows of this type among those of all types.
    fn source(rows: Rows<'_, Self>) -> Source<'_>;
    /// [`scalar::evaluate_tile`] with the instructions of `level`.
    fn scalar(
        level: Level,
        code: (&ScalarProgram, &Code<Self>),
        rows: (Source<'_>, &[u32]),
        form: Form,
        tile: &mut Tile<Self>,
    );
    /// [`scalar::evaluate_row`] with the instructions of `level`.
    fn scalar_row(
        level: Level,
        code: (&ScalarProgram, &Code<Self>),
        rows: Source<'_>,
        buffers: &mut RowBuffers<Self>,
    ) -> Self;
    /// [`root::posteriors`] with the instructions of `level`.
    fn posteriors(level: Level, uses: &[Self], joints: &[Self], total: &[Self], seeds: &mut [Self]);
}

macro_rules! entrances {
    ($real:ty as $source:ident) => {
        impl Entrances for $real {
            fn forward(
                engine: &Engine<'_, Self>,
                level: Level,
                rows: TileRows<'_, Self>,
                workspace: &mut Workspace<Self>,
            ) {
                dispatch!(level, isa => engine.forward(isa, rows, workspace));
            }

            fn reverse(
                engine: &Engine<'_, Self>,
                level: Level,
                rows: TileRows<'_, Self>,
                workspace: &mut Workspace<Self>,
                wanted: Wanted<'_, Self>,
            ) {
                dispatch!(level, isa => engine.reverse(isa, rows, workspace, wanted));
            }

            fn source(rows: Rows<'_, Self>) -> Source<'_> {
                Source::$source(rows)
            }

            fn scalar(
                level: Level,
                code: (&ScalarProgram, &Code<Self>),
                rows: (Source<'_>, &[u32]),
                form: Form,
                tile: &mut Tile<Self>,
            ) {
                dispatch!(level, isa => scalar::evaluate_tile(isa, code, rows, form, tile));
            }

            fn scalar_row(
                level: Level,
                code: (&ScalarProgram, &Code<Self>),
                rows: Source<'_>,
                buffers: &mut RowBuffers<Self>,
            ) -> Self {
                dispatch!(level, isa => scalar::evaluate_row(isa, code, rows, buffers))
            }

            fn posteriors(
                level: Level,
                uses: &[Self],
                joints: &[Self],
                total: &[Self],
                seeds: &mut [Self],
            ) {
                dispatch!(level, isa => root::posteriors(isa, uses, joints, total, seeds));
            }
        }
    };
}

entrances!(f32 as Single);
entrances!(f64 as Double);

impl<'a, E: Element> Engine<'a, E> {
    pub(crate) fn place(&self, tile: usize) -> Place<'a> {
        let memory = match self.purpose {
            Purpose::Inference => &self.plan.inference,
            Purpose::Flows => &self.plan.training,
        };
        Place { tables: &self.plan.tables, offsets: &memory.offsets, tile }
    }

    fn root_weights(&self) -> RootWeights<'_, E> {
        RootWeights {
            linear: &self.constants.root_weights,
            log: &self.constants.root_log_weights,
            normalised: self.constants.root_is_normalised,
        }
    }

    /// Loads the rows and runs the steps in the plan's order, then the root.
    #[inline(always)]
    fn forward<I: Isa>(&self, isa: I, rows: TileRows<'_, E>, workspace: &mut Workspace<E>) {
        let plan = self.plan;
        workspace.fit(plan, rows.tile, self.purpose);
        let Workspace { inputs, mean, deviation, .. } = workspace;
        let mut samples = SampleStatistics { mean, deviation };
        input::load(rows, plan.normalisation.as_ref(), self.statistics, &mut samples, inputs);
        let scaled = self.can_scale();
        // No closure: it would not be compiled for the instruction set.
        workspace.is_scaled = match scaled {
            Some(needed) => self.forward_scaled(isa, rows, needed, workspace),
            None => false,
        };
        if workspace.is_scaled {
            return;
        }
        if scaled.is_some() {
            workspace.keep_results();
            let logarithmic = rows.count as u64;
            self.reruns.add(Reruns { logarithmic, ..Reruns::default() });
        }
        self.forward_log(isa, rows, workspace);
        if scaled.is_some() {
            workspace.restore_certain(rows);
        }
    }

    /// Runs every step and the root in log space.
    #[inline(always)]
    fn forward_log<I: Isa>(&self, isa: I, rows: TileRows<'_, E>, workspace: &mut Workspace<E>) {
        let plan = self.plan;
        let place = self.place(rows.tile);
        workspace.fit_kept(plan, rows.tile, self.purpose);
        for (index, instances) in plan.forward_order() {
            self.forward_run(isa, place, rows, (index, instances), workspace);
        }
        let Workspace { arena, joints, total, .. } = workspace;
        let joints = &mut joints[..plan.root.inputs as usize * rows.tile];
        root::forward(isa, place, &plan.root, self.root_weights(), arena, joints, total);
    }

    #[inline(always)]
    fn forward_run<I: Isa>(
        &self,
        isa: I,
        place: Place<'_>,
        rows: TileRows<'_, E>,
        (index, instances): (usize, Range<usize>),
        workspace: &mut Workspace<E>,
    ) {
        let Workspace { inputs, arena, products, .. } = workspace;
        match &self.plan.steps[index] {
            Step::Leaf(step) => {
                let constants = &self.constants.leaves[index];
                leaf::forward(isa, place, (step, instances), constants, inputs, arena);
            }
            Step::Product(step) => {
                product::forward(isa, place, (step, instances), arena, products);
            }
            Step::Dropout(step) => {
                let (slots, part) = (&self.plan.slots, (rows.first, rows.count));
                dropout::forward(place, (step, instances), slots, part, self.dropping, arena);
            }
            Step::SumProduct(_) => self.forward_sums(isa, place, (index, instances), workspace),
        }
    }

    #[inline(always)]
    fn forward_sums<I: Isa>(
        &self,
        isa: I,
        place: Place<'_>,
        (index, instances): (usize, Range<usize>),
        workspace: &mut Workspace<E>,
    ) {
        let Step::SumProduct(step) = &self.plan.steps[index] else { return };
        let Workspace { arena, products, maximum, nothing_observed, .. } = workspace;
        let linear_length = step.inputs as usize * place.tile;
        let each = (step.inputs + step.width) as usize * place.tile;
        let kept_at = self.plan.training.kept[index] as usize * place.tile;
        for instance in instances {
            let block = self.block(place, index, instance);
            match self.purpose {
                Purpose::Inference => {
                    let linear = &mut products[..linear_length];
                    let scratch = Scratch { linear, maximum, nothing_observed };
                    sum_product::forward(isa, &block, arena, scratch, None);
                }
                Purpose::Flows => {
                    let (values, kept) = arena.split_at_mut(kept_at + instance * each);
                    let (linear, sums) = kept[..each].split_at_mut(linear_length);
                    let scratch = Scratch { linear, maximum, nothing_observed };
                    sum_product::forward(isa, &block, values, scratch, Some(sums));
                }
            }
        }
    }

    /// One sum block with its weights.
    #[inline(always)]
    pub(crate) fn block<'b>(&self, place: Place<'b>, index: usize, instance: usize) -> Block<'b, E>
    where
        'a: 'b,
    {
        let Step::SumProduct(step) = &self.plan.steps[index] else {
            unreachable!("only called for sum-product steps")
        };
        let length = step.inputs as usize * step.width as usize;
        let each = step.factors_each();
        Block {
            place,
            step,
            factors: &step.factors[instance * each..(instance + 1) * each],
            output: step.instances[instance].output,
            packed: self.constants.block(index, instance),
            weights: self.constants.weights(step.instances[instance].weights, length),
        }
    }

    /// Runs the reverse pass from the seeds in the workspace. The forward pass must have run on
    /// the same workspace with [`Purpose::Flows`].
    #[inline(always)]
    fn reverse<I: Isa>(
        &self,
        isa: I,
        rows: TileRows<'_, E>,
        workspace: &mut Workspace<E>,
        mut wanted: Wanted<'_, E>,
    ) {
        let plan = self.plan;
        let place = self.place(rows.tile);
        let inputs = plan.root.inputs as usize;
        let all_children = wanted.inputs || wanted.all_flows;
        let begins = if all_children { None } else { Some(self.first_flows) };
        match begins {
            None => workspace.flows[..slot_rows(plan) * rows.tile].fill(E::ZERO),
            Some(flows) => self.clear_flows(place, flows.at_root(), &mut workspace.flows),
        }
        if wanted.inputs {
            workspace.input_flows[..plan.variables as usize * rows.tile].fill(E::ZERO);
        }
        let seeds = &workspace.seeds[..inputs * rows.tile];
        let counts = wanted.signal.selecting().is_some();
        let weights = plan.root.weights.zip(wanted.quantities.as_deref_mut());
        let weights = weights.map(|(slice, quantities)| {
            let derivatives = &mut quantities[slice.quantity.index()][slice.offset as usize..];
            let derivatives = &mut derivatives[..inputs];
            RootDerivatives { weights: self.constants.weights(slice, inputs), derivatives, counts }
        });
        root::reverse(isa, place, &plan.root, seeds, weights, &mut workspace.flows);
        for reverse in &plan.reverse {
            let children = reverse.children || all_children;
            let parameters = reverse.parameters && wanted.quantities.is_some();
            let index = reverse.step as usize;
            self.reverse_step(
                isa,
                place,
                rows,
                index,
                workspace,
                &mut wanted,
                (parameters, children, begins),
            );
        }
    }

    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "one call site; a struct would only rename them")]
    fn reverse_step<I: Isa>(
        &self,
        isa: I,
        place: Place<'_>,
        rows: TileRows<'_, E>,
        index: usize,
        workspace: &mut Workspace<E>,
        wanted: &mut Wanted<'_, E>,
        (parameters, children, begins): (bool, bool, Option<&FirstFlows>),
    ) {
        match &self.plan.steps[index] {
            Step::Leaf(step) if matches!(wanted.signal, Signal::Counts(_)) => {
                let constants = &self.constants.leaves[index];
                let Some(counts) = wanted.quantities.as_deref_mut().filter(|_| parameters) else {
                    return;
                };
                let Workspace { inputs, flows, .. } = workspace;
                let read = &self.plan.quantities;
                leaf::count(isa, place, (step, read), constants, inputs, flows, counts);
            }
            Step::Leaf(step) => {
                let constants = &self.constants.leaves[index];
                let quantities = wanted.quantities.as_deref_mut().filter(|_| parameters);
                let inputs = wanted.inputs.then_some(workspace.input_flows.as_mut_slice());
                if quantities.is_none() && inputs.is_none() {
                    return;
                }
                let derivatives = LeafDerivatives { quantities, inputs };
                let Workspace { inputs, flows, .. } = workspace;
                leaf::reverse(isa, place, step, constants, inputs, flows, derivatives);
            }
            Step::Product(step) if children => {
                let Workspace { flows, products, .. } = workspace;
                self.begin_flows(place, begins, (index, 0), flows);
                product::reverse(isa, place, step, flows, products);
            }
            Step::Dropout(step) if children => {
                let (slots, part) = (&self.plan.slots, (rows.first, rows.count));
                self.begin_flows(place, begins, (index, 0), &mut workspace.flows);
                dropout::reverse(place, step, slots, part, self.dropping, &mut workspace.flows);
            }
            Step::SumProduct(_) if parameters || children => {
                let quantities = wanted.quantities.as_deref_mut().filter(|_| parameters);
                let Wanted { signal, first_writers, .. } = *wanted;
                #[rustfmt::skip]
                let passed = Passed {
                    first_row: rows.first, signal, children, first_writers, begins,
                };
                self.reverse_sums(isa, place, index, workspace, quantities, passed);
            }
            _ => {}
        }
    }

    /// Clears the flows that begin at an instance of a step.
    #[inline(always)]
    fn begin_flows(
        &self,
        place: Place<'_>,
        begins: Option<&FirstFlows>,
        (step, instance): (usize, usize),
        flows: &mut [E],
    ) {
        if let Some(begins) = begins {
            self.clear_flows(place, begins.at(step, instance), flows);
        }
    }

    #[inline(always)]
    fn clear_flows(&self, place: Place<'_>, slots: &[SlotId], flows: &mut [E]) {
        for &slot in slots {
            let length = self.plan.slots[slot.index()] as usize * place.tile;
            flows[place.at(slot, 0)..][..length].fill(E::ZERO);
        }
    }

    #[inline(always)]
    fn reverse_sums<I: Isa>(
        &self,
        isa: I,
        place: Place<'_>,
        index: usize,
        workspace: &mut Workspace<E>,
        mut quantities: Option<&mut [Vec<E>]>,
        passed: Passed<'_>,
    ) {
        let Step::SumProduct(step) = &self.plan.steps[index] else { return };
        if workspace.is_scaled {
            self.reverse_scaled_sums(isa, place, index, workspace, quantities, passed);
            return;
        }
        let Passed { first_row, signal, children, first_writers, begins } = passed;
        let Workspace { arena, flows, products, ratios, active, .. } = workspace;
        let linear_length = step.inputs as usize * place.tile;
        let sums_length = step.width as usize * place.tile;
        let each = linear_length + sums_length;
        let kept_at = self.plan.training.kept[index] as usize * place.tile;
        for instance in (0..step.instances.len()).rev() {
            let block = self.block(place, index, instance);
            let begins = match begins {
                Some(begins) => begins.at(index, instance),
                None => &[],
            };
            let (values, kept) = arena.split_at(kept_at + instance * each);
            let (linear, sums) = kept[..each].split_at(linear_length);
            let slice = step.instances[instance].weights;
            let length = step.inputs as usize * step.width as usize;
            let fresh = matches!(first_writers, Some(first) if first.is_first(index, instance));
            let weights = derivatives(quantities.as_deref_mut(), slice, length, fresh);
            let products = &mut products[..linear_length];
            if let Some(rule) = signal.selecting() {
                let counts = weights.map(|weights| weights.values);
                self.clear_flows(place, begins, flows);
                #[rustfmt::skip]
                let work = Selection {
                    rule, values, linear, sums, counts, children, active, products, first_row,
                };
                selection::reverse(isa, &block, work, flows);
                continue;
            }
            let ratios = &mut ratios[..sums_length];
            let values = SlotValues { values, scales: None };
            let factors = None;
            #[rustfmt::skip]
            let work = Reverse {
                values, linear, sums, factors, weights, children, begins, ratios, products,
            };
            let slots = &self.plan.slots;
            sum_product::reverse(isa, &block, slots, work, flows);
        }
    }
}

/// Where the derivatives of a slice go.
#[inline(always)]
fn derivatives<E: Element>(
    quantities: Option<&mut [Vec<E>]>,
    slice: Slice,
    length: usize,
    fresh: bool,
) -> Option<WeightDerivatives<'_, E>> {
    let all = &mut quantities?[slice.quantity.index()];
    Some(WeightDerivatives { values: &mut all[slice.offset as usize..][..length], fresh })
}
