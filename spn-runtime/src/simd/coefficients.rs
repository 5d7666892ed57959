//! The constants of the elementary functions and the bit layout, one set for each element type.
//!
//! Polynomials are minimax fits (Remez, 60 digits) of relative error below 0.06 ulp; they stand
//! highest power first, as Horner's scheme reads them. The module is private, which seals
//! [`super::Real`].

/// What `exp`, `ln` and the exponent operations need to know about a type.
pub trait Coefficients: Sized + 'static {
    /// The unsigned integer of the same size.
    type Bits;
    /// The bits of the mantissa.
    const MANTISSA: Self::Bits;
    /// The bit pattern of sqrt(1/2).
    const ROOT_HALF: Self::Bits;
    /// The distance between the bit patterns of sqrt(1/2) and 1.
    const TO_ONE: Self::Bits;
    /// The bit pattern of a number so large that its last bit counts ones (2^23).
    const COUNTER: Self::Bits;
    /// The number of [`Self::COUNTER`], plus the bias of exponents.
    const COUNTER_AND_BIAS: Self;
    /// [`Self::ROUND`], plus the bias of exponents.
    const ROUND_AND_BIAS: Self;
    /// 1 / ln 2.
    const LOG2_E: Self;
    /// ln 2 cut to so few bits that its product with any exponent is exact.
    const LN_2_HIGH: Self;
    /// ln 2 less [`Self::LN_2_HIGH`].
    const LN_2_LOW: Self;
    /// Adding it rounds to a whole number, which then stands in the lowest bits (1.5 * 2^23).
    const ROUND: Self;
    /// The smallest x for which exp x is a normal number.
    const EXP_LOWEST: Self;
    /// An x for which the exponent of exp x is one too large, so that infinity comes out.
    const EXP_OVERFLOW: Self;
    /// `(exp r - 1 - r) / r^2` for |r| <= ln 2 / 2.
    const EXP_POLYNOMIAL: &'static [Self];
    /// `(ln((1 + s) / (1 - s)) - 2 s) / s^3`, by powers of s^2, for |s| <= 0.1716.
    const LN_POLYNOMIAL: &'static [Self];
    /// One half.
    const HALF: Self;
    /// Two.
    const TWO: Self;
    /// The smallest positive normal number.
    const MIN_NORMAL: Self;
    /// Infinity.
    const INFINITY: Self;
    /// 2^64: makes a positive subnormal number normal.
    const SUBNORMAL_SCALE: Self;
    /// The logarithm of [`Self::SUBNORMAL_SCALE`].
    const SUBNORMAL_LN: Self;
}

macro_rules! layout {
    ($real:ident as $bits:ident, mantissa $mantissa:literal, bias $bias:literal) => {
        type Bits = $bits;
        const MANTISSA: $bits = (1 << $mantissa) - 1;
        const ROOT_HALF: $bits = std::$real::consts::FRAC_1_SQRT_2.to_bits();
        const TO_ONE: $bits = ($bias << $mantissa) - Self::ROOT_HALF;
        const COUNTER: $bits = ($bias + $mantissa) << $mantissa;
        const COUNTER_AND_BIAS: Self = $real::from_bits(Self::COUNTER) + $bias as $real;
        const ROUND_AND_BIAS: Self = Self::ROUND + $bias as $real;
    };
}

impl Coefficients for f32 {
    layout!(f32 as u32, mantissa 23, bias 127);
    const LOG2_E: Self = std::f32::consts::LOG2_E;
    const LN_2_HIGH: Self = 0.693_145_75;
    const LN_2_LOW: Self = 1.428_606_8e-6;
    const ROUND: Self = 12_582_912.0;
    const EXP_LOWEST: Self = -87.336_54;
    const EXP_OVERFLOW: Self = 88.8;
    const EXP_POLYNOMIAL: &'static [Self] =
        &[0.001_381_446_4, 0.008_368_781, 0.041_668_393, 0.166_665_2, 0.499_999_94];
    const LN_POLYNOMIAL: &'static [Self] = &[0.298_730_73, 0.399_774_97, 0.666_667_76];
    const HALF: Self = 0.5;
    const TWO: Self = 2.0;
    const MIN_NORMAL: Self = Self::MIN_POSITIVE;
    const INFINITY: Self = Self::INFINITY;
    const SUBNORMAL_SCALE: Self = 18_446_744_073_709_551_616.0;
    const SUBNORMAL_LN: Self = 64.0 * std::f32::consts::LN_2;
}

impl Coefficients for f64 {
    layout!(f64 as u64, mantissa 52, bias 1023);
    const LOG2_E: Self = std::f64::consts::LOG2_E;
    const LN_2_HIGH: Self = 0.693_147_180_559_208_2;
    const LN_2_LOW: Self = 7.371_002_565_167_799e-13;
    const ROUND: Self = 6_755_399_441_055_744.0;
    const EXP_LOWEST: Self = -708.396_418_532_264;
    const EXP_OVERFLOW: Self = 709.8;
    const EXP_POLYNOMIAL: &'static [Self] = &[
        2.499_996_193_486_001e-8,
        2.763_037_854_765_961e-7,
        2.755_758_735_152_763_5e-6,
        2.480_149_276_304_350_3e-5,
        0.000_198_412_695_047_570_2,
        0.001_388_888_894_392_235_4,
        0.008_333_333_333_495_627,
        0.041_666_666_666_529_19,
        0.166_666_666_666_664_1,
        0.500_000_000_000_001_1,
    ];
    const LN_POLYNOMIAL: &'static [Self] = &[
        0.147_975_065_071_454_3,
        0.153_139_033_543_336_66,
        0.181_835_697_362_180_42,
        0.222_221_984_760_398_98,
        0.285_714_287_432_623_56,
        0.399_999_999_994_110_9,
        0.666_666_666_666_673_5,
    ];
    const HALF: Self = 0.5;
    const TWO: Self = 2.0;
    const MIN_NORMAL: Self = Self::MIN_POSITIVE;
    const INFINITY: Self = Self::INFINITY;
    const SUBNORMAL_SCALE: Self = 18_446_744_073_709_551_616.0;
    const SUBNORMAL_LN: Self = 64.0 * std::f64::consts::LN_2;
}
