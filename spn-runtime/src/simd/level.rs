//! The choice of an instruction set while the program runs.
//!
//! In: the machine, or a name given by the user. Out: a [`Level`], which carries the proof that
//! the machine has the instructions; [`dispatch!`] turns it into a call of a kernel.

use std::fmt;

#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512};

/// An instruction set that this machine has. Levels above the baseline hold a token that only
/// detection makes, so a level that can be named can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// What the build assumes: 128-bit registers, on every platform.
    Baseline,
    /// x86-64 with AVX2 and FMA: 256-bit registers.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// x86-64 with AVX-512 F, VL, BW and DQ: 512-bit registers.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// A name of a level that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// There is no level of this name.
    #[error("unknown instruction set `{0}`: expected auto, baseline, avx2 or avx512")]
    Unknown(String),
    /// There is such a level, but not on this machine.
    #[error("this machine does not have the instruction set `{0}`")]
    Unavailable(&'static str),
}

impl Level {
    /// The best level of this machine.
    #[must_use]
    pub fn detect() -> Self {
        Self::avx512().or_else(Self::avx2).unwrap_or(Self::Baseline)
    }

    /// All levels of this machine, the baseline first, the best last.
    #[must_use]
    pub fn available() -> Vec<Self> {
        [Some(Self::Baseline), Self::avx2(), Self::avx512()].into_iter().flatten().collect()
    }

    /// The level called `name`: `auto` (the best), `baseline`, `avx2` or `avx512`.
    ///
    /// # Errors
    ///
    /// If there is no such level, or if this machine does not have it.
    pub fn parse(name: &str) -> Result<Self, LevelError> {
        match name {
            "auto" => Ok(Self::detect()),
            "baseline" => Ok(Self::Baseline),
            "avx2" => Self::avx2().ok_or(LevelError::Unavailable("avx2")),
            "avx512" => Self::avx512().ok_or(LevelError::Unavailable("avx512")),
            _ => Err(LevelError::Unknown(name.to_owned())),
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn avx2() -> Option<Self> {
        Avx2::detect().map(Self::Avx2)
    }

    #[cfg(target_arch = "x86_64")]
    fn avx512() -> Option<Self> {
        Avx512::detect().map(Self::Avx512)
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn avx2() -> Option<Self> {
        None
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn avx512() -> Option<Self> {
        None
    }
}

impl fmt::Display for Level {
    /// The name that [`Level::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Baseline => "baseline",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
        })
    }
}

/// `dispatch!(level, isa => kernel(isa, ..))` evaluates the expression with the token of
/// `level` as `isa`, compiled for its instructions. The kernel must be `#[inline(always)]`.
#[macro_export]
macro_rules! dispatch {
    ($level:expr, $isa:ident => $kernel:expr) => {
        match $level {
            $crate::simd::Level::Baseline => {
                let $isa = $crate::simd::Baseline;
                $crate::simd::Isa::vectorize(
                    $isa,
                    #[inline(always)]
                    || $kernel,
                )
            }
            #[cfg(target_arch = "x86_64")]
            $crate::simd::Level::Avx2($isa) => $crate::simd::Isa::vectorize(
                $isa,
                #[inline(always)]
                || $kernel,
            ),
            #[cfg(target_arch = "x86_64")]
            $crate::simd::Level::Avx512($isa) => $crate::simd::Isa::vectorize(
                $isa,
                #[inline(always)]
                || $kernel,
            ),
        }
    };
}
