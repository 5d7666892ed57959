//! Reproducible random numbers.
//!
//! Two sources, both fixed by a seed and independent of thread count and platform:
//!
//! * [`stream`] gives a generator, for initialisers and sampling. Each consumer takes its own
//!   stream number, so adding one does not disturb the others.
//! * [`uniform_at`] gives the number at a position, for dropout masks: no state, so any tile on
//!   any thread computes its own numbers. It needs nothing but integer arithmetic.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generator for stream `stream` of `seed`: ChaCha with 8 rounds, the seed in the first eight
/// bytes of the key (little-endian, the rest zero) and the stream number as its nonce.
#[must_use]
pub fn stream(seed: u64, stream: u64) -> impl Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut generator = ChaCha8Rng::from_seed(key);
    generator.set_stream(stream);
    generator
}

/// The uniform number in `[0, 1)` at position (`stream`, `step`, `index`) of `seed`.
///
/// The four numbers are absorbed one after the other, each followed by the 64-bit finaliser of
/// SplitMix64; the upper 53 bits of the result are the number. A caller that asks for many
/// indices of one step pays one finaliser for each, since the rest is the same for all of them
/// and moves out of its loop.
#[inline]
#[must_use]
pub fn uniform_at(seed: u64, stream: u32, step: u64, index: u64) -> f64 {
    Uniforms::new(seed, stream, step).at(index)
}

/// The numbers of [`uniform_at`] at all indices of one step: what they share is computed once.
#[derive(Clone, Copy, Debug)]
pub struct Uniforms {
    state: u64,
}

impl Uniforms {
    /// The numbers of a step of a stream of `seed`.
    #[inline]
    #[must_use]
    pub fn new(seed: u64, stream: u32, step: u64) -> Self {
        let state = mix(seed.wrapping_add(INCREMENT));
        let state = mix(state ^ u64::from(stream).wrapping_mul(INCREMENT));
        Self { state: mix(state ^ step.wrapping_mul(INCREMENT)) }
    }

    /// The number at `index`, in `[0, 1)`.
    #[inline]
    #[must_use]
    pub fn at(self, index: u64) -> f64 {
        let bits = mix(mix(self.state ^ index.wrapping_mul(INCREMENT)).wrapping_add(INCREMENT));
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// 2⁶⁴ divided by the golden ratio, odd: spreads small numbers over all bits.
const INCREMENT: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64 (Stafford's variant 13): a bijection in which every input bit
/// changes each output bit with probability close to one half.
#[inline]
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    #[test]
    fn streams_are_reproducible_and_differ() {
        let first = |seed, number| stream(seed, number).random::<u64>();
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(1, 3));
        assert_ne!(first(1, 2), first(2, 2));
        // From another implementation of ChaCha8: results of one release stay valid in the next.
        assert_eq!(first(42, 7), 3_425_180_178_688_264_041);
    }

    #[test]
    fn numbers_at_positions_are_fixed() {
        assert_eq!(uniform_at(0, 0, 0, 0), uniform_at(0, 0, 0, 0));
        assert_eq!(uniform_at(42, 7, 3, 11), 0.314_611_719_308_971_25);
    }

    /// Chi-square over 256 bins along each of the four axes and along a mixed walk. With 255
    /// degrees of freedom the statistic has mean 255 and deviation 22.6.
    #[test]
    fn numbers_are_uniform_along_every_axis() {
        const COUNT: u64 = 1 << 18;
        let axes: [fn(u64) -> f64; 5] = [
            |i| uniform_at(i, 0, 0, 0),
            |i| uniform_at(0, i as u32, 0, 0),
            |i| uniform_at(0, 0, i, 0),
            |i| uniform_at(0, 0, 0, i),
            |i| uniform_at(9, (i % 7) as u32, i / 1000, i << 20),
        ];
        for (axis, number) in axes.iter().enumerate() {
            let mut bins = [0_u32; 256];
            for i in 0..COUNT {
                let value = number(i);
                assert!((0.0..1.0).contains(&value));
                bins[(value * 256.0) as usize] += 1;
            }
            let expected = COUNT as f64 / 256.0;
            let statistic: f64 =
                bins.iter().map(|&b| (f64::from(b) - expected).powi(2) / expected).sum();
            assert!((160.0..350.0).contains(&statistic), "axis {axis}: chi-square {statistic}");
        }
    }

    /// Neighbours along each axis are uncorrelated: |r| stays below five deviations of 1/sqrt(n).
    #[test]
    fn neighbouring_numbers_are_uncorrelated() {
        const COUNT: u64 = 1 << 17;
        for lag in [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (0, 0, 64)] {
            let (streams, steps, indices) = lag;
            let mut sum = 0.0;
            for i in 0..COUNT {
                let (stream, step, index) = ((i % 5) as u32, i % 97, i);
                let here = uniform_at(3, stream, step, index) - 0.5;
                let there = uniform_at(3, stream + streams, step + steps, index + indices) - 0.5;
                sum += here * there;
            }
            let correlation = sum * 12.0 / COUNT as f64;
            assert!(correlation.abs() < 5.0 / (COUNT as f64).sqrt(), "{lag:?}: {correlation}");
        }
    }

    /// Flipping any one input bit flips about half of the output bits.
    #[test]
    fn every_input_bit_matters() {
        for bit in 0..64 {
            let mut flipped = 0;
            for i in 0..256_u64 {
                let one = (uniform_at(i, 1, 2, 3) * 2.0_f64.powi(53)) as u64;
                let other = (uniform_at(i ^ (1 << bit), 1, 2, 3) * 2.0_f64.powi(53)) as u64;
                let third = (uniform_at(5, 1, 2, i) * 2.0_f64.powi(53)) as u64;
                let fourth = (uniform_at(5, 1, 2, i ^ (1 << bit)) * 2.0_f64.powi(53)) as u64;
                flipped += (one ^ other).count_ones() + (third ^ fourth).count_ones();
            }
            let share = f64::from(flipped) / (512.0 * 53.0);
            assert!((share - 0.5).abs() < 0.02, "bit {bit}: {share}");
        }
    }
}
