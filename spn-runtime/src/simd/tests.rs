//! Tests of lanes, functions and products on every level of this machine, for both element
//! types, against plain `f64` arithmetic.

mod elementary;
mod lanes;
mod levels;
mod products;

use crate::simd::Element;

/// Runs a check that is generic over the instruction set and the element type on every level,
/// for `f32` and for `f64`.
macro_rules! on_every_level {
    ($check:ident) => {
        for level in crate::simd::Level::available() {
            crate::simd::dispatch!(level, isa => {
                $check::<_, f32>(isa);
                $check::<_, f64>(isa);
            });
        }
    };
}
use on_every_level;

/// Reproducible numbers in (-1, 1) that use the whole mantissa of both types.
fn noise(index: usize) -> f64 {
    let mixed = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 12) as f64 / (1_u64 << 51) as f64 - 1.0
}

/// The distance from one to the next number.
fn epsilon<E: Element>() -> f64 {
    if size_of::<E>() == 4 { f64::from(f32::EPSILON) } else { f64::EPSILON }
}

/// Whether `action` panics.
fn refuses(action: impl FnOnce()) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(action)).is_err()
}
