//! Sums that take their largest input: `out_o = max_i (x_i + ln w[i, o])`, with the input that wins.

use super::sum_product::Block;
use crate::simd::{Element, Isa, Lanes, LanesOf};

/// Computes one block. `log_weights` are `[inputs, width]` or longer; `inputs` gets the rows of the `x_i`,
/// `winners` for each unit and sample the number of the first largest input.
#[inline(always)]
pub(crate) fn forward<I: Isa, E: Element>(
    isa: I,
    block: &Block<'_, E>,
    log_weights: &[E],
    values: &mut [E],
    (inputs, winners): (&mut [E], &mut [E]),
) {
    let (tile, width, lanes) = (block.place.tile, block.width(), LanesOf::<I, E>::N);
    block.gather_terms(isa, values, inputs);
    let start = block.place.at(block.output, 0);
    let outputs = values[start..start + width * tile].chunks_exact_mut(tile);
    let one = LanesOf::<I, E>::splat(isa, E::ONE);
    for ((unit, output), winners) in outputs.enumerate().zip(winners.chunks_exact_mut(tile)) {
        for start in (0..tile).step_by(lanes) {
            let mut best = LanesOf::<I, E>::splat(isa, E::NEG_INFINITY);
            let mut index = LanesOf::<I, E>::splat(isa, E::ZERO);
            let mut winner = index;
            for (input, row) in inputs.chunks_exact(tile).enumerate() {
                let weight = LanesOf::<I, E>::splat(isa, log_weights[input * width + unit]);
                let score = LanesOf::<I, E>::load(isa, &row[start..]).add(weight);
                winner = best.select_lt(score, index, winner);
                best = best.max(score);
                index = index.add(one);
            }
            best.store(&mut output[start..]);
            winner.store(&mut winners[start..]);
        }
    }
}
