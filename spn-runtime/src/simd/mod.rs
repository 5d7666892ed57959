//! Vector arithmetic that uses the best instructions of the machine it runs on.
//!
//! What goes in: slices of `f32` or `f64` and a [`Level`], found once by [`Level::detect`].
//! What comes out: the same kernel, written once, compiled for each instruction set and run
//! for the one of the level.
//!
//! A kernel is a function generic over an instruction set [`Isa`] and an element type
//! [`Element`]; it works on the lane type [`LanesOf`] and is entered by [`dispatch!`]:
//!
//! ```
//! use spn_runtime::simd::{Element, Isa, Lanes, LanesOf, Level, dispatch};
//!
//! #[inline(always)]
//! fn double<I: Isa, E: Element>(isa: I, values: &mut [E]) {
//!     let two = LanesOf::<I, E>::splat(isa, E::ONE + E::ONE);
//!     for chunk in values.chunks_exact_mut(LanesOf::<I, E>::N) {
//!         LanesOf::<I, E>::load(isa, chunk).mul(two).store(chunk);
//!     }
//! }
//!
//! let mut values = [1.5_f32; 16];
//! dispatch!(Level::detect(), isa => double(isa, &mut values));
//! assert_eq!(values, [3.0; 16]);
//! ```
//!
//! Every function between `dispatch!` and a lane operation must be `#[inline(always)]`: code
//! that stays outside the entrance is compiled for the oldest machine and calls each lane
//! operation as a function. The products of [`gemm`], [`matvec`] and [`gradient`] are entrances of
//! their own, so they may be called from anywhere.

mod baseline;
mod coefficients;
pub mod gemm;
pub mod gradient;
mod lanes;
mod level;
pub mod math;
pub mod matvec;
pub mod transposed;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;

pub use crate::dispatch;
pub use baseline::{Baseline, BaselineF32, BaselineF64};
pub use lanes::{Element, Isa, Lanes, LanesOf, MAX_LANES, Real};
pub use level::{Level, LevelError};
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx2F32, Avx2F64, Avx512, Avx512F32, Avx512F64};
