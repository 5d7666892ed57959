//! The contract between kernels and instruction sets.
//!
//! [`Real`] is a number, [`Lanes`] a register full of numbers, [`Isa`] the proof that the
//! machine has the instructions for them. A lane value is made from an `Isa` token only, so a
//! kernel that holds one may use every operation without further checks.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use super::coefficients::Coefficients;

/// The largest [`Lanes::N`] of any instruction set and element type, for buffers on the stack.
pub const MAX_LANES: usize = 16;

/// A floating-point number: `f32` or `f64`, and nothing else (the supertrait is private).
pub trait Real:
    Coefficients
    + Copy
    + Send
    + Sync
    + Default
    + PartialOrd
    + Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// The logarithm of zero.
    const NEG_INFINITY: Self;
    /// Not a number: a missing value.
    const NAN: Self;
    /// The distance from 1 to the next larger number.
    const EPSILON: Self;
    /// The smallest sum in linear arithmetic that is treated as exact: 2^-90 or 2^-900. Terms
    /// flushed to zero below the smallest normal number (2^-126, 2^-1022) cannot matter to it.
    const MIN_CERTAIN: Self;
    /// The largest derivative with respect to a weight that is reported: 2^116 or 2^1000. That of
    /// a weight near 0 may overflow; kept finite, it vanishes when it is multiplied by the weight.
    const STEEPEST: Self;

    /// The exponent to which scaled blocks are normalised: 2^30 or 2^240. The products of four
    /// such blocks do not overflow, and what is flushed to zero is smaller by as much.
    const BLOCK_EXPONENT: i32;
    /// The largest exponent of a finite number: 127 or 1023.
    const LARGEST_EXPONENT: i32;
    /// The smallest positive normal number.
    const SMALLEST_NORMAL: Self;

    /// Rounds to this type.
    fn from_f64(value: f64) -> Self;
    /// Widens; exact.
    fn to_f64(self) -> f64;
    /// The natural logarithm, of the standard library.
    fn ln(self) -> Self;
    /// The exponential function, of the standard library.
    fn exp(self) -> Self;
    /// The larger of two numbers; the other one if one is NaN.
    fn max(self, other: Self) -> Self;
    /// Whether this is not a number.
    fn is_nan(self) -> bool;
}

macro_rules! real {
    ($real:ident, $min_certain:expr, $steepest:expr, $block:expr) => {
        impl Real for $real {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = $real::NEG_INFINITY;
            const NAN: Self = $real::NAN;
            const EPSILON: Self = $real::EPSILON;
            const MIN_CERTAIN: Self = $min_certain;
            const STEEPEST: Self = $steepest;
            const BLOCK_EXPONENT: i32 = $block;
            const LARGEST_EXPONENT: i32 = $real::MAX_EXP - 1;
            const SMALLEST_NORMAL: Self = $real::MIN_POSITIVE;

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $real
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                $real::ln(self)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $real::exp(self)
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                $real::max(self, other)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                $real::is_nan(self)
            }
        }
    };
}

// Powers of two by their bits: the biased exponent, shifted over the mantissa.
real!(f32, f32::from_bits((127 - 90) << 23), f32::from_bits((127 + 116) << 23), 30);
real!(f64, f64::from_bits((1023 - 900) << 52), f64::from_bits((1023 + 1000) << 52), 240);

/// A number that has a lane type in every instruction set; what kernels are generic over.
pub trait Element: Real {
    /// The lane type of this number in `I`.
    type Lanes<I: Isa>: Lanes<Isa = I, Elem = Self>;
}

impl Element for f32 {
    type Lanes<I: Isa> = I::F32;
}

impl Element for f64 {
    type Lanes<I: Isa> = I::F64;
}

/// The lane type of the element `E` in the instruction set `I`.
pub type LanesOf<I, E> = <E as Element>::Lanes<I>;

/// An instruction set: a token of size zero that exists only where the machine has it.
pub trait Isa: Copy + Send + Sync + 'static {
    /// A register of `f32`.
    type F32: Lanes<Isa = Self, Elem = f32>;
    /// A register of `f64`.
    type F64: Lanes<Isa = Self, Elem = f64>;

    /// Calls `body` where the instructions of this set are enabled, so that everything inlined
    /// into it is compiled for them.
    fn vectorize<R>(self, body: impl FnOnce() -> R) -> R;
}

/// A register of `N` numbers. Operations are lane by lane unless they say otherwise.
pub trait Lanes: Copy + Send + Sync {
    /// The instruction set, whose token makes values of this type.
    type Isa: Isa;
    /// The number in a lane.
    type Elem: Real;
    /// A register of small codes, a byte for each byte of a register of numbers.
    type Codes: Copy;
    /// Sixteen numbers ready for [`Self::lookup`].
    type Table: Copy;
    /// How many lanes there are; at most [`MAX_LANES`].
    const N: usize;
    /// How many codes a register holds: lanes times bytes of a number.
    const CODES: usize;

    /// The same number in every lane.
    fn splat(isa: Self::Isa, value: Self::Elem) -> Self;
    /// The first `N` numbers of `source`; panics if there are fewer.
    fn load(isa: Self::Isa, source: &[Self::Elem]) -> Self;
    /// All numbers of `source`, at most `N`, and zero in the lanes behind them.
    fn load_partial(isa: Self::Isa, source: &[Self::Elem]) -> Self;
    /// Writes the first `N` numbers of `target`; panics if there are fewer.
    fn store(self, target: &mut [Self::Elem]);
    /// Writes all of `target`, at most `N` numbers, from the first lanes.
    fn store_partial(self, target: &mut [Self::Elem]);

    /// `self + other`.
    fn add(self, other: Self) -> Self;
    /// `self - other`.
    fn sub(self, other: Self) -> Self;
    /// `self * other`.
    fn mul(self, other: Self) -> Self;
    /// `self / other`.
    fn div(self, other: Self) -> Self;
    /// `self * factor + addend`, rounded once where the instruction set can, else twice.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The larger one. Where either is NaN, x86 gives `other`, other machines may give NaN.
    fn max(self, other: Self) -> Self;
    /// The smaller one. Where either is NaN, x86 gives `other`, other machines may give NaN.
    fn min(self, other: Self) -> Self;

    /// `if_less` where `self < other`, else `otherwise` (so too where either is NaN).
    fn select_lt(self, other: Self, if_less: Self, otherwise: Self) -> Self;
    /// `if_nan` where `self` is NaN, else `otherwise`.
    fn select_nan(self, if_nan: Self, otherwise: Self) -> Self;
    /// Whether `self < other` in any lane.
    fn any_lt(self, other: Self) -> bool;

    /// Two to the power of `self`, exact, for whole numbers inside the range of normal
    /// exponents (-126 to 127, -1022 to 1023). One above gives infinity, one below gives zero;
    /// anything else gives an arbitrary number.
    fn pow2(self) -> Self;
    /// A mantissa in `[sqrt(1/2), sqrt(2))` and a whole exponent with
    /// `self = mantissa * 2^exponent`, for positive normal numbers; arbitrary numbers else.
    fn split_exponent(self) -> (Self, Self);

    /// `(a0, b0, a1, b1, ..)`: the first register holds the pairs of the lower half of the
    /// lanes, the second those of the upper half.
    fn interleave(self, other: Self) -> (Self, Self);
    /// The sum of all lanes, in an order that the instruction set chooses.
    fn reduce_add(self) -> Self::Elem;
    /// The largest of all lanes; arbitrary if one is NaN.
    fn reduce_max(self) -> Self::Elem;

    /// The first `CODES` bytes of `source`; panics if there are fewer.
    fn load_codes(isa: Self::Isa, source: &[u8]) -> Self::Codes;
    /// Writes the first `CODES` bytes of `target`; panics if there are fewer.
    fn store_codes(codes: Self::Codes, target: &mut [u8]);
    /// The bits of both.
    fn merge_codes(first: Self::Codes, second: Self::Codes) -> Self::Codes;
    /// `2 · codes + lower`, where `lower` has only bits that twice `codes` has not. A code that
    /// becomes larger than a byte disturbs the next one.
    fn push_codes(codes: Self::Codes, lower: Self::Codes) -> Self::Codes;
    /// The next code of each lane comes first, so that [`Self::lookup`] sees it.
    fn next_codes(codes: Self::Codes) -> Self::Codes;
    /// The first sixteen numbers of `source`; panics if there are fewer.
    fn table(isa: Self::Isa, source: &[Self::Elem]) -> Self::Table;
    /// In each lane the number that the lower four bits of the lane's first code choose: lane `l`
    /// has the codes from `l · CODES / N` on.
    fn lookup(codes: Self::Codes, table: Self::Table) -> Self;
}
