//! Leaves: log-densities of components, the way back to parameters and inputs, and what expectation
//! maximisation counts.
//!
//! One file for each family; adding one means adding a file and a line in each `match` below.

mod categorical;
mod indicator;
mod location_scale;

pub(crate) use categorical::{State, state};
pub(crate) use location_scale::{Cauchy, Density, Laplace, Normal};
use std::ops::Range;

use spn_ir::plan::{LeafInstance, LeafKernel, LeafStep};
use spn_ir::{Formula, Quantity, Slice};

use super::Place;
use crate::constants::LeafConstants;
use crate::simd::{Element, Isa};

/// One leaf block with what its kernels read.
#[derive(Clone, Copy)]
pub(crate) struct LeafBlock<'a, E> {
    pub(crate) width: usize,
    /// First value of the input row of each variable.
    pub(crate) inputs: &'a [E],
    /// Variables of the block.
    pub(crate) variables: &'a [spn_ir::VariableId],
    pub(crate) constants: &'a LeafConstants<E>,
    /// Index of the block's first constant.
    pub(crate) first: usize,
    pub(crate) tile: usize,
}

impl<E> LeafBlock<'_, E> {
    /// The input row of the block's variable number `dimension`.
    #[inline(always)]
    fn input(&self, dimension: usize) -> &[E] {
        &self.inputs[self.variables[dimension].index() * self.tile..][..self.tile]
    }
}

/// Where the derivatives of one leaf block go.
pub(crate) struct LeafDerivatives<'a, E> {
    /// With respect to each quantity of the plan; `None` if no parameter is wanted.
    pub(crate) quantities: Option<&'a mut [Vec<E>]>,
    /// With respect to the inputs, one row for each variable; `None` if not wanted.
    pub(crate) inputs: Option<&'a mut [E]>,
}

/// Some blocks of a step with their instances. An iterator, not a function that takes a closure:
/// closures are not inlined into the instruction set's entrance.
#[inline(always)]
fn blocks<'a, E: Element>(
    (step, run): (&'a LeafStep, Range<usize>),
    tile: usize,
    constants: &'a LeafConstants<E>,
    inputs: &'a [E],
) -> impl Iterator<Item = (LeafBlock<'a, E>, &'a LeafInstance)> {
    let (width, dimensions) = (step.width as usize, step.dimensions as usize);
    let constants_each = match step.kernel {
        LeafKernel::Categorical { states } => width * dimensions * states as usize,
        LeafKernel::LocationScale(_) => width * dimensions,
        LeafKernel::Indicator => 0,
    };
    run.map(move |index| {
        let variables = &step.variables[index * dimensions..(index + 1) * dimensions];
        let first = index * constants_each;
        (LeafBlock { width, inputs, variables, constants, first, tile }, &step.instances[index])
    })
}

/// Runs instances of a leaf step.
#[inline(always)]
pub(crate) fn forward<I: Isa, E: Element>(
    isa: I,
    place: Place<'_>,
    (step, run): (&LeafStep, Range<usize>),
    constants: &LeafConstants<E>,
    inputs: &[E],
    values: &mut [E],
) {
    let tile = place.tile;
    for (block, instance) in blocks((step, run), tile, constants, inputs) {
        let out = &mut values[place.at(instance.output, 0)..][..block.width * tile];
        match step.kernel {
            LeafKernel::LocationScale(density) => {
                location_scale::forward(isa, density, block, out);
            }
            LeafKernel::Indicator => indicator::forward(isa, block, out),
            LeafKernel::Categorical { states } => categorical::forward(block, states, out),
        }
    }
}

/// Runs the reverse of a leaf step; `flows` are those of the slots.
#[inline(always)]
pub(crate) fn reverse<I: Isa, E: Element>(
    isa: I,
    place: Place<'_>,
    step: &LeafStep,
    constants: &LeafConstants<E>,
    inputs: &[E],
    flows: &[E],
    mut derivatives: LeafDerivatives<'_, E>,
) {
    let tile = place.tile;
    for (block, instance) in blocks((step, 0..step.instances.len()), tile, constants, inputs) {
        let flows = &flows[place.at(instance.output, 0)..][..block.width * tile];
        match step.kernel {
            LeafKernel::LocationScale(density) => {
                location_scale::reverse(isa, density, block, instance, flows, &mut derivatives);
            }
            LeafKernel::Categorical { states } => {
                categorical::reverse(block, states, instance, flows, &mut derivatives);
            }
            // Indicators have neither parameters nor a derivative.
            LeafKernel::Indicator => {}
        }
    }
}

/// How many numbers leaf statistics have for each value of a location quantity.
pub(crate) const LOCATION_STATISTICS: usize = 2;

/// How many numbers leaf statistics have for each value of a scale quantity.
pub(crate) const SCALE_STATISTICS: usize = 4;

/// Adds what expectation maximisation counts at leaves. `flows` are those of the slots, `quantities`
/// the plan's; `counts` has, one after the other for each quantity, that many planes of its length:
///
/// | quantity | planes |
/// |---|---|
/// | location | [`LOCATION_STATISTICS`], see [`location_scale::count`] |
/// | scale | [`SCALE_STATISTICS`] |
/// | probabilities | 1: the flow of each observed state |
#[inline(always)]
pub(crate) fn count<I: Isa, E: Element>(
    isa: I,
    place: Place<'_>,
    (step, quantities): (&LeafStep, &[Quantity]),
    constants: &LeafConstants<E>,
    inputs: &[E],
    flows: &[E],
    counts: &mut [Vec<E>],
) {
    let tile = place.tile;
    for (block, instance) in blocks((step, 0..step.instances.len()), tile, constants, inputs) {
        let flows = &flows[place.at(instance.output, 0)..][..block.width * tile];
        match (step.kernel, instance.first, instance.second) {
            (LeafKernel::LocationScale(density), Some(location), Some(scale)) => {
                let moments = keep_moments(quantities, location, scale);
                let reads = (location, scale);
                location_scale::count(isa, density, block, (reads, moments), flows, counts);
            }
            (LeafKernel::Categorical { states }, Some(probabilities), _) => {
                categorical::count(block, states, probabilities, flows, counts);
            }
            _ => {}
        }
    }
}

/// Whether location or scale are kept as moment accumulators: then raw moments are counted.
fn keep_moments(quantities: &[Quantity], location: Slice, scale: Slice) -> bool {
    let formulas = [location, scale].map(|slice| quantities[slice.quantity.index()].formula);
    formulas.iter().any(|f| matches!(f, Formula::Ratio { .. } | Formula::MomentScale { .. }))
}
