//! Buffers of one thread, sized once for a plan and a tile, used again for every tile.

use spn_ir::plan::{Plan, Step};

use crate::engine::scaled::most_terms;
use crate::kernels::scaled::SCALE_ROWS;
use crate::scalar::Buffers;
use crate::simd::Element;

/// The widest tile: how many samples run through the plan together.
pub(crate) const MAX_TILE: usize = 64;

/// Tiles are multiples of this, which every instruction set's registers divide.
pub(crate) const TILE_STEP: usize = 16;

/// The buffers of one thread. Rows are `tile` samples long.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workspace<E> {
    /// Buffers of scalar programs.
    pub(crate) scalar: Buffers<E>,
    /// Normalised inputs, one row for each variable; NaN is missing.
    pub(crate) inputs: Vec<E>,
    /// Mean of each sample, for inputs that are normalised sample-wise.
    pub(crate) mean: Vec<f64>,
    /// Deviation plus epsilon of each sample.
    pub(crate) deviation: Vec<f64>,
    /// Values of the slots, then what sums keep for the reverse pass.
    pub(crate) arena: Vec<E>,
    /// Flows of the slots, at the training offsets.
    pub(crate) flows: Vec<E>,
    /// Derivatives with respect to the normalised inputs.
    pub(crate) input_flows: Vec<E>,
    /// Rows of products, then linear values.
    pub(crate) products: Vec<E>,
    /// Linear inputs of one block, for its reverse step in scaled arithmetic.
    pub(crate) linear: Vec<E>,
    /// Rows of ratios flow / value.
    pub(crate) ratios: Vec<E>,
    /// Units of a sum block that have a flow.
    pub(crate) active: Vec<u32>,
    /// Largest log value of each sample.
    pub(crate) maximum: Vec<E>,
    /// 1 for each sample all of whose inputs are log 1, else 0.
    pub(crate) nothing_observed: Vec<E>,
    /// Scales of the slots in scaled arithmetic, [`SCALE_ROWS`] for each.
    pub(crate) scales: Vec<E>,
    /// Common exponents of the inputs of a block.
    pub(crate) exponents: Vec<E>,
    /// Bounds of the inputs of a block.
    pub(crate) bounds: Vec<E>,
    /// Largest values of a product while it is multiplied.
    pub(crate) largest: Vec<E>,
    /// Exponents and bounds of the terms of a block.
    pub(crate) each_term: Vec<E>,
    /// 1 for each sample whose results are certain.
    pub(crate) certain: Vec<E>,
    /// Joints and log-likelihoods while a tile runs again.
    pub(crate) kept_results: Vec<E>,
    /// Whether the tile ran in scaled arithmetic.
    pub(crate) is_scaled: bool,
    /// Root: weighted children, log.
    pub(crate) joints: Vec<E>,
    /// Root: derivative of the objective with respect to each joint.
    pub(crate) seeds: Vec<E>,
    /// Root: log-likelihoods.
    pub(crate) total: Vec<E>,
}

/// What the buffers are needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Values only.
    Inference,
    /// Values and flows.
    Flows,
}

impl<E: Element> Workspace<E> {
    /// Makes every buffer large enough; does nothing if they are.
    pub(crate) fn fit(&mut self, plan: &Plan, tile: usize, purpose: Purpose) {
        let inputs = plan.variables as usize;
        let (widest_inputs, widest) = widest(plan);
        let joints = plan.root.inputs as usize;
        let rows = match purpose {
            Purpose::Inference => plan.inference.rows,
            Purpose::Flows => slot_rows(plan) as u32,
        };
        grow(&mut self.inputs, inputs * tile);
        grow(&mut self.mean, tile);
        grow(&mut self.deviation, tile);
        grow(&mut self.arena, rows as usize * tile);
        grow(&mut self.products, widest_inputs * tile);
        grow(&mut self.ratios, widest * tile);
        grow(&mut self.maximum, tile);
        grow(&mut self.nothing_observed, tile);
        grow(&mut self.scales, SCALE_ROWS * plan.slots.len() * tile);
        grow(&mut self.exponents, tile);
        grow(&mut self.bounds, tile);
        grow(&mut self.largest, tile);
        grow(&mut self.each_term, 2 * most_terms(plan) * tile);
        grow(&mut self.certain, tile);
        grow(&mut self.joints, joints * tile);
        grow(&mut self.total, tile);
        if purpose == Purpose::Flows {
            grow(&mut self.linear, widest_inputs * tile);
            grow(&mut self.flows, slot_rows(plan) * tile);
            grow(&mut self.input_flows, inputs * tile);
            grow(&mut self.seeds, joints * tile);
        }
    }

    /// Makes room for what sums keep for the reverse pass in log space.
    pub(crate) fn fit_kept(&mut self, plan: &Plan, tile: usize, purpose: Purpose) {
        if purpose == Purpose::Flows {
            grow(&mut self.arena, plan.training.rows as usize * tile);
        }
    }
}

/// Rows of all buffers that are as wide as a tile, apart from a few.
pub(crate) fn workspace_rows(plan: &Plan, purpose: Purpose) -> usize {
    let (inputs, width) = widest(plan);
    let shared = plan.variables as usize + plan.root.inputs as usize + inputs + width;
    // Exponents and bounds.
    let shared = shared + SCALE_ROWS * plan.slots.len() + 2 * most_terms(plan);
    shared
        + match purpose {
            Purpose::Inference => plan.inference.rows as usize,
            // Values and what sums keep, flows of slots, derivatives of inputs.
            Purpose::Flows => {
                plan.training.rows as usize + slot_rows(plan) + plan.variables as usize
            }
        }
}

/// How many rows the slots have in the training arena; what sums keep begins behind them.
pub(crate) fn slot_rows(plan: &Plan) -> usize {
    plan.slots.iter().map(|rows| *rows as usize).sum()
}

/// The most rows that a step multiplies, and the most outputs of any sum.
fn widest(plan: &Plan) -> (usize, usize) {
    plan.steps.iter().fold((0, 0), |(inputs, width), step| match step {
        Step::SumProduct(step) => {
            (inputs.max(step.inputs as usize), width.max(step.width as usize))
        }
        Step::Product(step) => (inputs.max(step.term.rows as usize), width),
        _ => (inputs, width),
    })
}

fn grow<T: Copy + Default>(buffer: &mut Vec<T>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, T::default());
    }
}
