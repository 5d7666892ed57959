//! Lanes for x86-64: AVX2 with FMA (256-bit registers) and AVX-512 (512-bit registers).
//!
//! This is the only file with unsafe code. Its soundness rests on one rule: **a lane value can
//! be made only from an instruction-set token, and a token only by `detect`**, which asks the
//! processor. The fields of tokens and lanes are private to this file, and no lane type has
//! a `Default`. Who holds a token or a lane value has therefore seen the processor say yes, and
//! every intrinsic below is called with a token or a lane value at hand.

#![expect(unsafe_code, reason = "intrinsics need a proof that the compiler cannot see")]

use std::arch::x86_64::*;

use super::coefficients::Coefficients;
use super::lanes::{Isa, Lanes};

/// Evaluates an intrinsic that takes and gives registers.
macro_rules! register {
    ($intrinsic:expr) => {
        // SAFETY: these intrinsics touch no memory, so all they need is that the processor has
        // them. Each use is in a function that was given a token or a lane value, and these
        // exist only where `detect` found the features (see the head of this file).
        unsafe { $intrinsic }
    };
}

/// Declares a token with its detection and its entrance.
macro_rules! token {
    (
        $(#[$doc:meta])* $token:ident, $f32:ident, $f64:ident,
        detect [$($detect:tt),+], enable $features:literal
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $token(());

        impl $token {
            /// The token, if this processor has the instructions.
            #[must_use]
            pub fn detect() -> Option<Self> {
                let all = $(is_x86_feature_detected!($detect))&&+;
                all.then_some(Self(()))
            }
        }

        impl Isa for $token {
            type F32 = $f32;
            type F64 = $f64;

            #[inline(always)]
            fn vectorize<R>(self, body: impl FnOnce() -> R) -> R {
                #[target_feature(enable = $features)]
                fn enter<R>(body: impl FnOnce() -> R) -> R {
                    body()
                }
                // SAFETY: `enter` needs the features that `detect` asked for before it made
                // the token `self`.
                unsafe { enter(body) }
            }
        }
    };
}

token!(
    /// AVX2 and FMA: sixteen registers of 256 bits.
    Avx2, Avx2F32, Avx2F64, detect ["avx2", "fma"], enable "avx2,fma"
);
token!(
    /// AVX-512 F, VL, BW and DQ: thirty-two registers of 512 bits.
    Avx512, Avx512F32, Avx512F64,
    detect ["avx512f", "avx512vl", "avx512bw", "avx512dq", "avx2", "fma"],
    enable "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma"
);

/// A register of codes; like a lane value, made from a token only.
#[derive(Clone, Copy, Debug)]
pub struct Codes<R>(R);

/// Registers with a table; like a lane value, made from a token only.
#[derive(Clone, Copy, Debug)]
pub struct Table<R>(R);

/// Declares a lane type; the operations that are alike in all instruction sets are written
/// here, those that differ come in as `$rest`.
macro_rules! lanes {
    (
        $(#[$doc:meta])* $name:ident of $isa:ident: $real:ident x $n:literal in $register:ident,
        bits $signed:ident, mantissa $mantissa:literal,
        arithmetic [$set:ident $add:ident $sub:ident $mul:ident $div:ident $mul_add:ident
            $max:ident $min:ident],
        memory [$load:ident $store:ident],
        integers [$to_bits:ident $from_bits:ident $set_bits:ident $add_bits:ident
            $and:ident $or:ident $left:ident $right:ident],
        codes [$codes:ident x $code_count:literal, $load_codes:ident $store_codes:ident
            of $table:ty],
        rest { $($rest:item)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name($register);

        impl Lanes for $name {
            type Isa = $isa;
            type Elem = $real;
            type Codes = Codes<$codes>;
            type Table = Table<$table>;
            const N: usize = $n;
            const CODES: usize = $code_count;

            #[inline(always)]
            fn splat(_: $isa, value: $real) -> Self {
                Self(register!($set(value)))
            }
            #[inline(always)]
            fn load(_: $isa, source: &[$real]) -> Self {
                match source.first_chunk::<$n>() {
                    // SAFETY: the token proves the features; the chunk has as many numbers as
                    // the register, and the load needs no alignment.
                    Some(chunk) => Self(unsafe { $load(chunk.as_ptr()) }),
                    None => panic!("a lane load needs {} numbers, not {}", $n, source.len()),
                }
            }
            #[inline(always)]
            fn store(self, target: &mut [$real]) {
                let length = target.len();
                match target.first_chunk_mut::<$n>() {
                    // SAFETY: `self` proves the features; the chunk has as many numbers as the
                    // register, and the store needs no alignment.
                    Some(chunk) => unsafe { $store(chunk.as_mut_ptr(), self.0) },
                    None => panic!("a lane store needs {} numbers, not {length}", $n),
                }
            }

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                Self(register!($add(self.0, other.0)))
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                Self(register!($sub(self.0, other.0)))
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                Self(register!($mul(self.0, other.0)))
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                Self(register!($div(self.0, other.0)))
            }
            #[inline(always)]
            fn mul_add(self, factor: Self, addend: Self) -> Self {
                Self(register!($mul_add(self.0, factor.0, addend.0)))
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                Self(register!($max(self.0, other.0)))
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                Self(register!($min(self.0, other.0)))
            }

            #[inline(always)]
            fn pow2(self) -> Self {
                Self(register!({
                    let biased = $add(self.0, $set(<$real>::ROUND_AND_BIAS));
                    $from_bits($left::<$mantissa>($to_bits(biased)))
                }))
            }
            #[inline(always)]
            fn split_exponent(self) -> (Self, Self) {
                let constant = |bits| register!($set_bits(bits as $signed));
                register!({
                    let shifted = $add_bits($to_bits(self.0), constant(<$real>::TO_ONE));
                    let counted = $or($right::<$mantissa>(shifted), constant(<$real>::COUNTER));
                    let exponent = $sub($from_bits(counted), $set(<$real>::COUNTER_AND_BIAS));
                    let bits = $and(shifted, constant(<$real>::MANTISSA));
                    let mantissa = $from_bits($add_bits(bits, constant(<$real>::ROOT_HALF)));
                    (Self(mantissa), Self(exponent))
                })
            }

            #[inline(always)]
            fn load_codes(_: $isa, source: &[u8]) -> Self::Codes {
                match source.first_chunk::<$code_count>() {
                    // SAFETY: the token proves the features; the chunk has as many bytes as the
                    // register, and the load needs no alignment.
                    Some(chunk) => Codes(unsafe { $load_codes(chunk.as_ptr().cast()) }),
                    None => panic!(
                        "a load of codes needs {} bytes, not {}", $code_count, source.len()
                    ),
                }
            }
            #[inline(always)]
            fn store_codes(codes: Self::Codes, target: &mut [u8]) {
                let length = target.len();
                match target.first_chunk_mut::<$code_count>() {
                    // SAFETY: `codes` proves the features; the chunk has as many bytes as the
                    // register, and the store needs no alignment.
                    Some(chunk) => unsafe { $store_codes(chunk.as_mut_ptr().cast(), codes.0) },
                    None => panic!("a store of codes needs {} bytes, not {length}", $code_count),
                }
            }
            #[inline(always)]
            fn merge_codes(first: Self::Codes, second: Self::Codes) -> Self::Codes {
                Codes(register!($or(first.0, second.0)))
            }
            #[inline(always)]
            fn push_codes(codes: Self::Codes, lower: Self::Codes) -> Self::Codes {
                Codes(register!($or($add_bits(codes.0, codes.0), lower.0)))
            }
            #[inline(always)]
            fn next_codes(codes: Self::Codes) -> Self::Codes {
                Codes(register!($right::<8>(codes.0)))
            }
            $($rest)*
        }
    };
}

/// What AVX2 does in its own way: masks are registers, halves are combined by hand.
macro_rules! lanes_avx2 {
    (
        $(#[$doc:meta])* $name:ident: $real:ident x $n:literal in $register:ident,
        bits $signed:ident, mantissa $mantissa:literal,
        arithmetic $arithmetic:tt, memory $memory:tt, integers $integers:tt, codes $codes:tt,
        table [$table:ident $lookup:ident],
        masks [$compare:ident $blend:ident $bits_of:ident],
        partial [$load:ident $store:ident $mask:ident],
        interleave [$low:ident $high:ident $combine:ident],
        halves [$lower:ident $upper:ident $add:ident $max:ident], fold $fold:ident
    ) => {
        lanes!(
            $(#[$doc])* $name of Avx2: $real x $n in $register,
            bits $signed, mantissa $mantissa,
            arithmetic $arithmetic, memory $memory, integers $integers, codes $codes,
            rest {
                #[inline(always)]
                fn table(isa: Avx2, source: &[$real]) -> Self::Table {
                    Table($table(isa, source))
                }
                #[inline(always)]
                fn lookup(codes: Self::Codes, table: Self::Table) -> Self {
                    Self(register!($lookup(codes.0, table.0)))
                }
                #[inline(always)]
                fn load_partial(_: Avx2, source: &[$real]) -> Self {
                    let mask = register!($mask(source.len()));
                    // SAFETY: the token proves the features; the mask selects no more numbers
                    // than `source` has, and the load touches only these.
                    Self(unsafe { $load(source.as_ptr(), mask) })
                }
                #[inline(always)]
                fn store_partial(self, target: &mut [$real]) {
                    let mask = register!($mask(target.len()));
                    // SAFETY: `self` proves the features; the mask selects no more numbers
                    // than `target` has, and the store touches only these.
                    unsafe { $store(target.as_mut_ptr(), mask, self.0) }
                }
                #[inline(always)]
                fn select_lt(self, other: Self, if_less: Self, otherwise: Self) -> Self {
                    Self(register!({
                        let less = $compare::<_CMP_LT_OQ>(self.0, other.0);
                        $blend(otherwise.0, if_less.0, less)
                    }))
                }
                #[inline(always)]
                fn select_nan(self, if_nan: Self, otherwise: Self) -> Self {
                    Self(register!({
                        let nan = $compare::<_CMP_UNORD_Q>(self.0, self.0);
                        $blend(otherwise.0, if_nan.0, nan)
                    }))
                }
                #[inline(always)]
                fn any_lt(self, other: Self) -> bool {
                    register!($bits_of($compare::<_CMP_LT_OQ>(self.0, other.0)) != 0)
                }
                #[inline(always)]
                fn interleave(self, other: Self) -> (Self, Self) {
                    register!({
                        let (low, high) = ($low(self.0, other.0), $high(self.0, other.0));
                        (Self($combine::<0x20>(low, high)), Self($combine::<0x31>(low, high)))
                    })
                }
                #[inline(always)]
                fn reduce_add(self) -> $real {
                    $fold!(register!($add($lower(self.0), $upper::<1>(self.0))), $add)
                }
                #[inline(always)]
                fn reduce_max(self) -> $real {
                    $fold!(register!($max($lower(self.0), $upper::<1>(self.0))), $max)
                }
            }
        );
    };
}

/// What AVX-512 does in its own way: masks are bits, permutations cross the whole register.
macro_rules! lanes_avx512 {
    (
        $(#[$doc:meta])* $name:ident: $real:ident x $n:literal in $register:ident,
        bits $signed:ident, mantissa $mantissa:literal,
        arithmetic $arithmetic:tt, memory $memory:tt, integers $integers:tt, codes $codes:tt,
        table [$table:ident $lookup:ident],
        masks [$compare:ident $blend:ident of $mask:ident],
        partial [$load:ident $store:ident],
        interleave [$permute:ident $low:expr, $high:expr],
        fold [$reduce_add:ident $reduce_max:ident]
    ) => {
        lanes!(
            $(#[$doc])* $name of Avx512: $real x $n in $register,
            bits $signed, mantissa $mantissa,
            arithmetic $arithmetic, memory $memory, integers $integers, codes $codes,
            rest {
                #[inline(always)]
                fn table(isa: Avx512, source: &[$real]) -> Self::Table {
                    Table($table(isa, source))
                }
                #[inline(always)]
                fn lookup(codes: Self::Codes, table: Self::Table) -> Self {
                    Self(register!($lookup(codes.0, table.0)))
                }
                #[inline(always)]
                fn load_partial(_: Avx512, source: &[$real]) -> Self {
                    let mask = ((1_u32 << source.len().min($n)) - 1) as $mask;
                    // SAFETY: the token proves the features; the mask selects no more numbers
                    // than `source` has, and the load touches only these.
                    Self(unsafe { $load(mask, source.as_ptr()) })
                }
                #[inline(always)]
                fn store_partial(self, target: &mut [$real]) {
                    let mask = ((1_u32 << target.len().min($n)) - 1) as $mask;
                    // SAFETY: `self` proves the features; the mask selects no more numbers
                    // than `target` has, and the store touches only these.
                    unsafe { $store(target.as_mut_ptr(), mask, self.0) }
                }
                #[inline(always)]
                fn select_lt(self, other: Self, if_less: Self, otherwise: Self) -> Self {
                    Self(register!({
                        let less = $compare::<_CMP_LT_OQ>(self.0, other.0);
                        $blend(less, otherwise.0, if_less.0)
                    }))
                }
                #[inline(always)]
                fn select_nan(self, if_nan: Self, otherwise: Self) -> Self {
                    Self(register!({
                        let nan = $compare::<_CMP_UNORD_Q>(self.0, self.0);
                        $blend(nan, otherwise.0, if_nan.0)
                    }))
                }
                #[inline(always)]
                fn any_lt(self, other: Self) -> bool {
                    register!($compare::<_CMP_LT_OQ>(self.0, other.0) != 0)
                }
                #[inline(always)]
                fn interleave(self, other: Self) -> (Self, Self) {
                    register!({
                        let half = |order| Self($permute(self.0, order, other.0));
                        (half($low), half($high))
                    })
                }
                #[inline(always)]
                fn reduce_add(self) -> $real {
                    register!($reduce_add(self.0))
                }
                #[inline(always)]
                fn reduce_max(self) -> $real {
                    register!($reduce_max(self.0))
                }
            }
        );
    };
}

/// Folds four `f32` of a 128-bit register with `$op`; the caller holds a lane value.
macro_rules! fold_f32 {
    ($half:expr, $op:ident) => {{
        let four = $half;
        register!({
            let two = $op(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32($op(two, _mm_shuffle_ps::<1>(two, two)))
        })
    }};
}

/// Folds two `f64` of a 128-bit register with `$op`; the caller holds a lane value.
macro_rules! fold_f64 {
    ($half:expr, $op:ident) => {{
        let two = $half;
        register!(_mm_cvtsd_f64($op(two, _mm_unpackhi_pd(two, two))))
    }};
}

/// A mask of the first `count` lanes of eight.
#[inline]
#[target_feature(enable = "avx2")]
fn first_lanes_8(count: usize) -> __m256i {
    let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_cmpgt_epi32(_mm256_set1_epi32(count.min(8) as i32), lane)
}

/// A mask of the first `count` lanes of four.
#[inline]
#[target_feature(enable = "avx2")]
fn first_lanes_4(count: usize) -> __m256i {
    let lane = _mm256_setr_epi64x(0, 1, 2, 3);
    _mm256_cmpgt_epi64(_mm256_set1_epi64x(count.min(4) as i64), lane)
}

/// Sixteen numbers in registers, from these places on; panics if `source` has fewer.
macro_rules! sixteen {
    ($name:ident, $isa:ident, $lanes:ident: $real:ident, [$register:ident; $n:literal], $($at:literal)+) => {
        #[inline(always)]
        fn $name(isa: $isa, source: &[$real]) -> [$register; $n] {
            [$($lanes::load(isa, &source[$at..]).0),+]
        }
    };
}

sixteen!(table_avx2_f32, Avx2, Avx2F32: f32, [__m256; 2], 0 8);
sixteen!(table_avx2_f64, Avx2, Avx2F64: f64, [__m256d; 4], 0 4 8 12);
sixteen!(table_avx512_f32, Avx512, Avx512F32: f32, [__m512; 1], 0);
sixteen!(table_avx512_f64, Avx512, Avx512F64: f64, [__m512d; 2], 0 8);

/// Bits 0 to 2 choose in each half, bit 3 (moved to the sign) chooses the half.
#[inline]
#[target_feature(enable = "avx2")]
fn lookup_avx2_f32(codes: __m256i, [low, high]: [__m256; 2]) -> __m256 {
    let low = _mm256_permutevar8x32_ps(low, codes);
    let high = _mm256_permutevar8x32_ps(high, codes);
    _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(codes)))
}

/// Numbers are pairs of 32-bit words here: code `c` chooses the words `2c` and `2c + 1` of a
/// register; bits 2 and 3 choose the register.
#[inline]
#[target_feature(enable = "avx2")]
fn lookup_avx2_f64(codes: __m256i, table: [__m256d; 4]) -> __m256d {
    let twice = _mm256_shuffle_epi32::<0b10_10_00_00>(_mm256_slli_epi64::<1>(codes));
    let words = _mm256_add_epi32(twice, _mm256_setr_epi32(0, 1, 0, 1, 0, 1, 0, 1));
    let mut chosen = table;
    for part in &mut chosen {
        *part = _mm256_castps_pd(_mm256_permutevar8x32_ps(_mm256_castpd_ps(*part), words));
    }
    let bit_2 = _mm256_castsi256_pd(_mm256_slli_epi64::<61>(codes));
    let bit_3 = _mm256_castsi256_pd(_mm256_slli_epi64::<60>(codes));
    let low = _mm256_blendv_pd(chosen[0], chosen[1], bit_2);
    let high = _mm256_blendv_pd(chosen[2], chosen[3], bit_2);
    _mm256_blendv_pd(low, high, bit_3)
}

/// The permutation reads four bits of each lane and ignores the others.
#[inline]
#[target_feature(enable = "avx512f")]
fn lookup_avx512_f32(codes: __m512i, [table]: [__m512; 1]) -> __m512 {
    _mm512_permutexvar_ps(codes, table)
}

/// As for `f32`, over two registers.
#[inline]
#[target_feature(enable = "avx512f")]
fn lookup_avx512_f64(codes: __m512i, [low, high]: [__m512d; 2]) -> __m512d {
    _mm512_permutex2var_pd(low, codes, high)
}

lanes_avx2!(
    /// Eight lanes of `f32`.
    Avx2F32: f32 x 8 in __m256, bits i32, mantissa 23,
    arithmetic [_mm256_set1_ps _mm256_add_ps _mm256_sub_ps _mm256_mul_ps _mm256_div_ps
        _mm256_fmadd_ps _mm256_max_ps _mm256_min_ps],
    memory [_mm256_loadu_ps _mm256_storeu_ps],
    integers [_mm256_castps_si256 _mm256_castsi256_ps _mm256_set1_epi32 _mm256_add_epi32
        _mm256_and_si256 _mm256_or_si256 _mm256_slli_epi32 _mm256_srli_epi32],
    codes [__m256i x 32, _mm256_loadu_si256 _mm256_storeu_si256 of [__m256; 2]],
    table [table_avx2_f32 lookup_avx2_f32],
    masks [_mm256_cmp_ps _mm256_blendv_ps _mm256_movemask_ps],
    partial [_mm256_maskload_ps _mm256_maskstore_ps first_lanes_8],
    interleave [_mm256_unpacklo_ps _mm256_unpackhi_ps _mm256_permute2f128_ps],
    halves [_mm256_castps256_ps128 _mm256_extractf128_ps _mm_add_ps _mm_max_ps], fold fold_f32
);
lanes_avx2!(
    /// Four lanes of `f64`.
    Avx2F64: f64 x 4 in __m256d, bits i64, mantissa 52,
    arithmetic [_mm256_set1_pd _mm256_add_pd _mm256_sub_pd _mm256_mul_pd _mm256_div_pd
        _mm256_fmadd_pd _mm256_max_pd _mm256_min_pd],
    memory [_mm256_loadu_pd _mm256_storeu_pd],
    integers [_mm256_castpd_si256 _mm256_castsi256_pd _mm256_set1_epi64x _mm256_add_epi64
        _mm256_and_si256 _mm256_or_si256 _mm256_slli_epi64 _mm256_srli_epi64],
    codes [__m256i x 32, _mm256_loadu_si256 _mm256_storeu_si256 of [__m256d; 4]],
    table [table_avx2_f64 lookup_avx2_f64],
    masks [_mm256_cmp_pd _mm256_blendv_pd _mm256_movemask_pd],
    partial [_mm256_maskload_pd _mm256_maskstore_pd first_lanes_4],
    interleave [_mm256_unpacklo_pd _mm256_unpackhi_pd _mm256_permute2f128_pd],
    halves [_mm256_castpd256_pd128 _mm256_extractf128_pd _mm_add_pd _mm_max_pd], fold fold_f64
);
lanes_avx512!(
    /// Sixteen lanes of `f32`.
    Avx512F32: f32 x 16 in __m512, bits i32, mantissa 23,
    arithmetic [_mm512_set1_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps _mm512_div_ps
        _mm512_fmadd_ps _mm512_max_ps _mm512_min_ps],
    memory [_mm512_loadu_ps _mm512_storeu_ps],
    integers [_mm512_castps_si512 _mm512_castsi512_ps _mm512_set1_epi32 _mm512_add_epi32
        _mm512_and_si512 _mm512_or_si512 _mm512_slli_epi32 _mm512_srli_epi32],
    codes [__m512i x 64, _mm512_loadu_si512 _mm512_storeu_si512 of [__m512; 1]],
    table [table_avx512_f32 lookup_avx512_f32],
    masks [_mm512_cmp_ps_mask _mm512_mask_blend_ps of __mmask16],
    partial [_mm512_maskz_loadu_ps _mm512_mask_storeu_ps],
    interleave [_mm512_permutex2var_ps
        _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
        _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)],
    fold [_mm512_reduce_add_ps _mm512_reduce_max_ps]
);
lanes_avx512!(
    /// Eight lanes of `f64`.
    Avx512F64: f64 x 8 in __m512d, bits i64, mantissa 52,
    arithmetic [_mm512_set1_pd _mm512_add_pd _mm512_sub_pd _mm512_mul_pd _mm512_div_pd
        _mm512_fmadd_pd _mm512_max_pd _mm512_min_pd],
    memory [_mm512_loadu_pd _mm512_storeu_pd],
    integers [_mm512_castpd_si512 _mm512_castsi512_pd _mm512_set1_epi64 _mm512_add_epi64
        _mm512_and_si512 _mm512_or_si512 _mm512_slli_epi64 _mm512_srli_epi64],
    codes [__m512i x 64, _mm512_loadu_si512 _mm512_storeu_si512 of [__m512d; 2]],
    table [table_avx512_f64 lookup_avx512_f64],
    masks [_mm512_cmp_pd_mask _mm512_mask_blend_pd of __mmask8],
    partial [_mm512_maskz_loadu_pd _mm512_mask_storeu_pd],
    interleave [_mm512_permutex2var_pd
        _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11),
        _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15)],
    fold [_mm512_reduce_add_pd _mm512_reduce_max_pd]
);
