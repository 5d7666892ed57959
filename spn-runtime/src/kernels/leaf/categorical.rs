//! Categorical leaves: a table of log-probabilities for each component.

use spn_ir::Slice;
use spn_ir::plan::LeafInstance;

use super::{LeafBlock, LeafDerivatives};
use crate::simd::Element;

/// What a value means for a discrete leaf.
pub(crate) enum State {
    Missing,
    Impossible,
    Number(usize),
}

/// Truncates towards zero; anything outside `0..states` is impossible.
pub(crate) fn state<E: Element>(value: E, states: u32) -> State {
    let value = value.to_f64();
    if value.is_nan() {
        State::Missing
    } else if value > -1.0 && value < f64::from(states) {
        State::Number(value as usize)
    } else {
        State::Impossible
    }
}

/// `out[k] = Σ_d ln p[k, d, x_d]`; a missing value gives log 1.
pub(super) fn forward<E: Element>(block: LeafBlock<'_, E>, states: u32, out: &mut [E]) {
    let table = &block.constants.log_constant[block.first..];
    let dimensions = block.variables.len();
    out.fill(E::ZERO);
    for dimension in 0..dimensions {
        for (sample, &value) in block.input(dimension).iter().enumerate() {
            let state = state(value, states);
            for component in 0..block.width {
                out[component * block.tile + sample] += match state {
                    State::Missing => E::ZERO,
                    State::Impossible => E::NEG_INFINITY,
                    State::Number(number) => {
                        table[(component * dimensions + dimension) * states as usize + number]
                    }
                };
            }
        }
    }
}

/// The flow of each observed state of each component and variable, with the state's place in the
/// block's probabilities.
fn observed<'a, E: Element>(
    block: &'a LeafBlock<'_, E>,
    states: u32,
    flows: &'a [E],
) -> impl Iterator<Item = (usize, E)> {
    let (dimensions, tile) = (block.variables.len(), block.tile);
    let values = (0..dimensions).flat_map(|dimension| {
        block.input(dimension).iter().enumerate().map(move |x| (dimension, x))
    });
    values.flat_map(move |(dimension, (sample, &value))| {
        let (number, width) = match state(value, states) {
            State::Number(number) => (number, block.width),
            State::Missing | State::Impossible => (0, 0),
        };
        (0..width).map(move |component| {
            let at = (component * dimensions + dimension) * states as usize + number;
            (at, flows[component * tile + sample])
        })
    })
}

/// Derivatives with respect to the probabilities: `flow / p` for the observed state.
pub(super) fn reverse<E: Element>(
    block: LeafBlock<'_, E>,
    states: u32,
    instance: &LeafInstance,
    flows: &[E],
    derivatives: &mut LeafDerivatives<'_, E>,
) {
    let (Some(quantities), Some(slice)) = (derivatives.quantities.as_deref_mut(), instance.first)
    else {
        return;
    };
    let table = &block.constants.log_constant[block.first..];
    let derivatives = &mut quantities[slice.quantity.index()][slice.offset as usize..];
    for (at, flow) in observed(&block, states, flows).filter(|(_, flow)| *flow != E::ZERO) {
        // That of a probability near 0 may overflow; kept finite, it vanishes when it is multiplied
        // by the probability.
        let slope = flow.to_f64() / table[at].to_f64().exp();
        let steepest = E::STEEPEST.to_f64();
        derivatives[at] += E::from_f64(slope.clamp(-steepest, steepest));
    }
}

/// Adds the flow of each observed state.
pub(super) fn count<E: Element>(
    block: LeafBlock<'_, E>,
    states: u32,
    probabilities: Slice,
    flows: &[E],
    counts: &mut [Vec<E>],
) {
    let counts = &mut counts[probabilities.quantity.index()][probabilities.offset as usize..];
    for (at, flow) in observed(&block, states, flows) {
        counts[at] += flow;
    }
}
