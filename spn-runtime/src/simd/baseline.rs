//! Lanes for every platform, by `wide`: 128-bit registers (SSE2, NEON, wasm) or plain arrays.
//!
//! `wide` chooses its instructions when it is compiled, so this is also what a build with
//! `-C target-cpu` uses at [`super::Level::Baseline`]. No unsafe code.

use wide::{bytemuck, f32x4, f64x2, u32x4, u64x2};

use super::coefficients::Coefficients;
use super::lanes::{Isa, Lanes};

/// The instruction set that the build assumes; always available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Baseline;

impl Isa for Baseline {
    type F32 = BaselineF32;
    type F64 = BaselineF64;

    #[inline(always)]
    fn vectorize<R>(self, body: impl FnOnce() -> R) -> R {
        body()
    }
}

/// Four lanes of `f32`.
#[derive(Clone, Copy, Debug)]
pub struct BaselineF32(f32x4);

/// Two lanes of `f64`.
#[derive(Clone, Copy, Debug)]
pub struct BaselineF64(f64x2);

/// Implements [`Lanes`] for a float vector of `wide` whose bits are the integer vector `$bits`.
macro_rules! lanes {
    (
        $name:ident, $real:ident x $n:literal, $wide:ident, bits $bits:ident,
        mantissa $mantissa:literal, interleave $interleave:ident
    ) => {
        impl Lanes for $name {
            type Isa = Baseline;
            type Elem = $real;
            type Codes = $bits;
            type Table = [$real; 16];
            const N: usize = $n;
            const CODES: usize = 16;

            #[inline(always)]
            fn splat(_: Baseline, value: $real) -> Self {
                Self($wide::splat(value))
            }
            #[inline(always)]
            fn load(_: Baseline, source: &[$real]) -> Self {
                match source.first_chunk::<$n>() {
                    Some(chunk) => Self(bytemuck::pod_read_unaligned(bytemuck::bytes_of(chunk))),
                    None => panic!("a lane load needs {} numbers, not {}", $n, source.len()),
                }
            }
            #[inline(always)]
            fn load_partial(_: Baseline, source: &[$real]) -> Self {
                let mut buffer = [0.0; $n];
                for (slot, &value) in buffer.iter_mut().zip(source) {
                    *slot = value;
                }
                Self($wide::new(buffer))
            }
            #[inline(always)]
            fn store(self, target: &mut [$real]) {
                let length = target.len();
                match target.first_chunk_mut::<$n>() {
                    Some(chunk) => *chunk = self.0.to_array(),
                    None => panic!("a lane store needs {} numbers, not {length}", $n),
                }
            }
            #[inline(always)]
            fn store_partial(self, target: &mut [$real]) {
                for (slot, value) in target.iter_mut().zip(self.0.to_array()) {
                    *slot = value;
                }
            }

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                Self(self.0 * other.0)
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                Self(self.0 / other.0)
            }
            #[inline(always)]
            fn mul_add(self, factor: Self, addend: Self) -> Self {
                Self(self.0.mul_add(factor.0, addend.0))
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                Self(self.0.fast_max(other.0))
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                Self(self.0.fast_min(other.0))
            }

            #[inline(always)]
            fn select_lt(self, other: Self, if_less: Self, otherwise: Self) -> Self {
                Self(self.0.simd_lt(other.0).select(if_less.0, otherwise.0))
            }
            #[inline(always)]
            fn select_nan(self, if_nan: Self, otherwise: Self) -> Self {
                Self(self.0.is_nan().select(if_nan.0, otherwise.0))
            }
            #[inline(always)]
            fn any_lt(self, other: Self) -> bool {
                self.0.simd_lt(other.0).any()
            }

            #[inline(always)]
            fn pow2(self) -> Self {
                let biased = self.0 + $wide::splat(<$real>::ROUND_AND_BIAS);
                Self($wide::from_bits(biased.to_bits() << $mantissa))
            }
            #[inline(always)]
            fn split_exponent(self) -> (Self, Self) {
                let shifted = self.0.to_bits() + $bits::splat(<$real>::TO_ONE);
                let counted = (shifted >> $mantissa) | $bits::splat(<$real>::COUNTER);
                let exponent = $wide::from_bits(counted) - $wide::splat(<$real>::COUNTER_AND_BIAS);
                let bits =
                    (shifted & $bits::splat(<$real>::MANTISSA)) + $bits::splat(<$real>::ROOT_HALF);
                (Self($wide::from_bits(bits)), Self(exponent))
            }

            #[inline(always)]
            fn interleave(self, other: Self) -> (Self, Self) {
                $interleave(self.0, other.0)
            }
            #[inline(always)]
            fn reduce_add(self) -> $real {
                self.0.reduce_add()
            }
            #[inline(always)]
            fn reduce_max(self) -> $real {
                self.0.to_array().into_iter().fold($real::NEG_INFINITY, $real::max)
            }

            #[inline(always)]
            fn load_codes(_: Baseline, source: &[u8]) -> $bits {
                match source.first_chunk::<16>() {
                    Some(chunk) => bytemuck::pod_read_unaligned(chunk),
                    None => panic!("a load of codes needs 16 bytes, not {}", source.len()),
                }
            }
            #[inline(always)]
            fn store_codes(codes: $bits, target: &mut [u8]) {
                let length = target.len();
                match target.first_chunk_mut::<16>() {
                    Some(chunk) => chunk.copy_from_slice(bytemuck::bytes_of(&codes)),
                    None => panic!("a store of codes needs 16 bytes, not {length}"),
                }
            }
            #[inline(always)]
            fn merge_codes(first: $bits, second: $bits) -> $bits {
                first | second
            }
            #[inline(always)]
            fn push_codes(codes: $bits, lower: $bits) -> $bits {
                (codes + codes) | lower
            }
            #[inline(always)]
            fn next_codes(codes: $bits) -> $bits {
                codes >> 8_u32
            }
            #[inline(always)]
            fn table(_: Baseline, source: &[$real]) -> [$real; 16] {
                match source.first_chunk::<16>() {
                    Some(chunk) => *chunk,
                    None => panic!("a table needs 16 numbers, not {}", source.len()),
                }
            }
            #[inline(always)]
            fn lookup(codes: $bits, table: [$real; 16]) -> Self {
                Self($wide::new(codes.to_array().map(|code| table[(code & 15) as usize])))
            }
        }
    };
}

#[inline(always)]
fn interleave_f32(a: f32x4, b: f32x4) -> (BaselineF32, BaselineF32) {
    (BaselineF32(a.unpack_lo(b)), BaselineF32(a.unpack_hi(b)))
}

#[inline(always)]
fn interleave_f64(a: f64x2, b: f64x2) -> (BaselineF64, BaselineF64) {
    let ([a0, a1], [b0, b1]) = (a.to_array(), b.to_array());
    (BaselineF64(f64x2::new([a0, b0])), BaselineF64(f64x2::new([a1, b1])))
}

lanes!(
    BaselineF32, f32 x 4, f32x4, bits u32x4,
    mantissa 23, interleave interleave_f32
);
lanes!(
    BaselineF64, f64 x 2, f64x2, bits u64x2,
    mantissa 52, interleave interleave_f64
);
