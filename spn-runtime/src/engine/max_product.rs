//! The forward pass of most probable explanations: sums take their largest input, leaves their mode where
//! a variable is missing.
//!
//! In: a tile of rows. Out: in the arena, at the offsets of the training memory, the log value of the best
//! induced tree below each unit; behind it, where sums keep their linear outputs in other passes, which
//! input won. Joints are those of the root, the total is the largest one.

use spn_ir::Slice;
use spn_ir::plan::{LeafStep, Plan, Step};

use super::Engine;
use crate::distribution::Component;
use crate::executable::Number;
use crate::kernels::input::{self, SampleStatistics, TileRows};
use crate::kernels::{Place, dropout, leaf, max_product, product, root};
use crate::simd::{Element, Isa, Lanes, LanesOf, Level, Real, dispatch};
use crate::workspace::Workspace;

/// What the pass reads beside the engine's constants.
#[derive(Clone, Debug)]
pub(crate) struct MaxConstants<E> {
    /// Logarithms of the values of each quantity that is read as weights.
    log_weights: Vec<Vec<E>>,
    /// Log-densities of the modes of each leaf step, for each instance, component and dimension.
    modes: Vec<Vec<E>>,
}

impl<E: Number> MaxConstants<E> {
    /// Of a plan whose quantities have these values.
    pub(crate) fn new(plan: &Plan, quantities: &[Vec<E>]) -> Self {
        let mut log_weights = vec![Vec::new(); quantities.len()];
        let mut modes = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            modes.push(match step {
                Step::Leaf(step) => modes_of(step, quantities),
                _ => Vec::new(),
            });
            let Step::SumProduct(step) = step else { continue };
            for instance in &step.instances {
                let index = instance.weights.quantity.index();
                if log_weights[index].is_empty() {
                    log_weights[index] = quantities[index].iter().map(|w| Real::ln(*w)).collect();
                }
            }
        }
        Self { log_weights, modes }
    }
}

impl<E> MaxConstants<E> {
    /// The logarithms of weights from where a slice begins.
    #[inline(always)]
    pub(crate) fn log_weights(&self, slice: Slice) -> &[E] {
        &self.log_weights[slice.quantity.index()][slice.offset as usize..]
    }
}

fn modes_of<E: Number>(step: &LeafStep, quantities: &[Vec<E>]) -> Vec<E> {
    let places = (0..step.instances.len()).flat_map(|index| {
        let components = 0..step.width as usize;
        let dimensions = step.dimensions as usize;
        components.flat_map(move |c| (0..dimensions).map(move |d| (index, (c, d))))
    });
    let mode = |(index, place)| {
        let log = Component::new((step, index), place, quantities).log_density_of_mode();
        E::from_f64(log)
    };
    places.map(mode).collect()
}

/// The pass for one precision, a plain function for the reason that
/// [`Entrances`](super::Entrances) gives.
pub(crate) trait MaxProductEntrance: Element {
    /// Runs a tile with the instructions of `level`.
    fn forward_max(
        engine: &Engine<'_, Self>,
        level: Level,
        rows: TileRows<'_, Self>,
        constants: &MaxConstants<Self>,
        workspace: &mut Workspace<Self>,
    );
}

macro_rules! entrance {
    ($($real:ty),+) => {
        $(
            impl MaxProductEntrance for $real {
                fn forward_max(
                    engine: &Engine<'_, Self>,
                    level: Level,
                    rows: TileRows<'_, Self>,
                    constants: &MaxConstants<Self>,
                    workspace: &mut Workspace<Self>,
                ) {
                    dispatch!(level, isa => engine.forward_max(isa, rows, constants, workspace));
                }
            }
        )+
    };
}

entrance!(f32, f64);

impl<E: Element> Engine<'_, E> {
    /// The engine's purpose must be flows: everything is kept.
    #[inline(always)]
    fn forward_max<I: Isa>(
        &self,
        isa: I,
        rows: TileRows<'_, E>,
        constants: &MaxConstants<E>,
        workspace: &mut Workspace<E>,
    ) {
        let (plan, place) = (self.plan, self.place(rows.tile));
        workspace.fit(plan, rows.tile, self.purpose);
        workspace.fit_kept(plan, rows.tile, self.purpose);
        let Workspace { inputs, mean, deviation, .. } = workspace;
        let mut samples = SampleStatistics { mean, deviation };
        input::load(rows, plan.normalisation.as_ref(), self.statistics, &mut samples, inputs);
        for (index, step) in plan.steps.iter().enumerate() {
            let Workspace { inputs, arena, products, .. } = workspace;
            let all = 0..step.len();
            match step {
                Step::Leaf(step) => {
                    let leaves = &self.constants.leaves[index];
                    leaf::forward(isa, place, (step, all), leaves, inputs, arena);
                    add_modes(isa, place, step, &constants.modes[index], inputs, arena);
                }
                Step::Product(step) => product::forward(isa, place, (step, all), arena, products),
                Step::Dropout(step) => {
                    let (slots, part) = (&plan.slots, (rows.first, rows.count));
                    dropout::forward(place, (step, all), slots, part, self.dropping, arena);
                }
                Step::SumProduct(_) => self.max_sums(isa, place, index, constants, workspace),
            }
        }
        let Workspace { arena, joints, total, .. } = workspace;
        let joints = &mut joints[..plan.root.inputs as usize * rows.tile];
        root::forward(isa, place, &plan.root, self.root_weights(), arena, joints, total);
        for (sample, total) in total[..rows.tile].iter_mut().enumerate() {
            let joints = joints.iter().skip(sample).step_by(rows.tile);
            *total = joints.fold(E::NEG_INFINITY, |largest, joint| largest.max(*joint));
        }
    }

    #[inline(always)]
    fn max_sums<I: Isa>(
        &self,
        isa: I,
        place: Place<'_>,
        index: usize,
        constants: &MaxConstants<E>,
        workspace: &mut Workspace<E>,
    ) {
        let Step::SumProduct(step) = &self.plan.steps[index] else { return };
        let linear_length = step.inputs as usize * place.tile;
        let each = (step.inputs + step.width) as usize * place.tile;
        let kept_at = self.plan.training.kept[index] as usize * place.tile;
        for (number, instance) in step.instances.iter().enumerate() {
            let (values, kept) = workspace.arena.split_at_mut(kept_at + number * each);
            let (inputs, winners) = kept[..each].split_at_mut(linear_length);
            let block = self.block(place, index, number);
            let weights = constants.log_weights(instance.weights);
            max_product::forward(isa, &block, weights, values, (inputs, winners));
        }
    }
}

/// Adds the log-density of the mode where a variable is missing.
#[inline(always)]
fn add_modes<I: Isa, E: Element>(
    isa: I,
    place: Place<'_>,
    step: &LeafStep,
    modes: &[E],
    inputs: &[E],
    values: &mut [E],
) {
    let (tile, lanes) = (place.tile, LanesOf::<I, E>::N);
    let (width, dimensions) = (step.width as usize, step.dimensions as usize);
    let zero = LanesOf::<I, E>::splat(isa, E::ZERO);
    for (index, instance) in step.instances.iter().enumerate() {
        for component in 0..width {
            let start = place.at(instance.output, component);
            let row = &mut values[start..start + tile];
            for dimension in 0..dimensions {
                let variable = step.variables[index * dimensions + dimension].index();
                let mode = modes[(index * width + component) * dimensions + dimension];
                let mode = LanesOf::<I, E>::splat(isa, mode);
                let input = &inputs[variable * tile..][..tile];
                for (x, out) in input.chunks_exact(lanes).zip(row.chunks_exact_mut(lanes)) {
                    let x = LanesOf::<I, E>::load(isa, x);
                    LanesOf::<I, E>::load(isa, out).add(x.select_nan(mode, zero)).store(out);
                }
            }
        }
    }
}
