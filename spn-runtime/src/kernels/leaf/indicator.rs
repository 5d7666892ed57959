//! Indicator leaves: component `k` is log 1 where every variable is `k`, log 0 elsewhere.

use super::LeafBlock;
use crate::simd::{Element, Isa, Lanes, LanesOf};

/// Values are truncated towards zero as in the reference library; a missing value gives log 1
/// everywhere, one out of range log 0 everywhere.
#[inline(always)]
pub(super) fn forward<I: Isa, E: Element>(isa: I, block: LeafBlock<'_, E>, out: &mut [E]) {
    let lanes = LanesOf::<I, E>::N;
    let zero = LanesOf::<I, E>::splat(isa, E::ZERO);
    let never = LanesOf::<I, E>::splat(isa, E::NEG_INFINITY);
    let minus_one = LanesOf::<I, E>::splat(isa, E::from_f64(-1.0));
    let dimensions = block.variables.len();
    for (state, row) in out.chunks_exact_mut(block.tile).enumerate() {
        let lower = LanesOf::<I, E>::splat(isa, E::from_f64(state as f64));
        let upper = LanesOf::<I, E>::splat(isa, E::from_f64(state as f64 + 1.0));
        for dimension in 0..dimensions {
            let input = block.input(dimension);
            for (x, out) in input.chunks_exact(lanes).zip(row.chunks_exact_mut(lanes)) {
                let x = LanesOf::<I, E>::load(isa, x);
                let below_upper = x.select_lt(upper, zero, never);
                let inside = if state == 0 {
                    minus_one.select_lt(x, below_upper, never)
                } else {
                    x.select_lt(lower, never, below_upper)
                };
                let before = if dimension == 0 { zero } else { LanesOf::<I, E>::load(isa, out) };
                before.add(x.select_nan(zero, inside)).store(out);
            }
        }
    }
}
