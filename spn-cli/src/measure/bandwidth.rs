//! How fast memory can be read: streams from each level of it.
//!
//! In: an instruction set, threads, bytes. Out: bytes in a second. Each thread reads a buffer again and
//! again from its beginning to its end, so what it gets comes from the smallest memory that holds the
//! whole buffer.

use std::hint::black_box;
use std::time::{Duration, Instant};

use spn_runtime::simd::{Isa, Lanes, LanesOf, Level, dispatch};

use super::threads::together;
use super::times::median;

/// Registers that are summed in at the same time, so that additions do not hold up reads.
const REGISTERS: usize = 8;

/// How long buffers are read before and while it is timed.
const WINDOW: Duration = Duration::from_millis(8);

/// Read bandwidth by the place of what is read, in bytes per second of all threads together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Streams {
    /// 192 KiB for each thread: more than a first-level cache, less than a second-level one.
    pub level2: f64,
    /// 4 MiB for each thread: more than most second-level caches, in the third-level cache if it has
    /// as much for each thread.
    pub level3: f64,
    /// 256 MiB for all threads together: more than the caches of most machines.
    pub memory: f64,
}

impl Streams {
    /// Measures each of them once; some tenths of a second, most of it to fill the largest buffer.
    #[must_use]
    pub fn measure(level: Level, threads: usize) -> Self {
        let threads = threads.max(1);
        Self {
            level2: read_bandwidth(level, threads, 192 << 10),
            level3: read_bandwidth(level, threads, 4 << 20),
            memory: read_bandwidth(level, threads, (256 << 20) / threads),
        }
    }

    /// The median of each.
    #[must_use]
    pub fn median(all: &[Self]) -> Self {
        let of = |place: fn(&Self) -> f64| median(&all.iter().map(place).collect::<Vec<_>>());
        Self { level2: of(|s| s.level2), level3: of(|s| s.level3), memory: of(|s| s.memory) }
    }
}

/// Bytes per second that `threads` threads together read, each from a buffer of its own of so many
/// bytes.
#[must_use]
pub fn read_bandwidth(level: Level, threads: usize, bytes: usize) -> f64 {
    together(threads, || bytes_per_second(level, bytes)).into_iter().sum()
}

fn bytes_per_second(level: Level, bytes: usize) -> f64 {
    let count = (bytes / size_of::<f32>()).next_multiple_of(BLOCK);
    // Written, not only reserved: pages that nobody wrote are all one and the same page of zeros.
    let buffer = vec![1.0_f32; count];
    read_for(level, &buffer, WINDOW);
    let (passes, seconds) = read_for(level, &buffer, WINDOW);
    (passes * count * size_of::<f32>()) as f64 / seconds
}

/// How often a buffer was read, in how many seconds.
fn read_for(level: Level, buffer: &[f32], window: Duration) -> (usize, f64) {
    let start = Instant::now();
    let mut passes = 0;
    loop {
        black_box(dispatch!(level, isa => sum(isa, black_box(buffer))));
        passes += 1;
        let elapsed = start.elapsed();
        if elapsed >= window {
            return (passes, elapsed.as_secs_f64());
        }
    }
}

/// Numbers that are read between two steps of the loop, in any instruction set.
const BLOCK: usize = REGISTERS * spn_runtime::simd::MAX_LANES;

#[inline(always)]
fn sum<I: Isa>(isa: I, buffer: &[f32]) -> f32 {
    let lanes = LanesOf::<I, f32>::N;
    let mut sums = [LanesOf::<I, f32>::splat(isa, 0.0); REGISTERS];
    for block in buffer.chunks_exact(REGISTERS * lanes) {
        for (sum, values) in sums.iter_mut().zip(block.chunks_exact(lanes)) {
            *sum = sum.add(LanesOf::<I, f32>::load(isa, values));
        }
    }
    let mut total = LanesOf::<I, f32>::splat(isa, 0.0);
    for sum in sums {
        total = total.add(sum);
    }
    total.reduce_add()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_read_on_every_level() {
        for level in Level::available() {
            let buffer = vec![1.0_f32; 3 * BLOCK];
            let total = dispatch!(level, isa => sum(isa, &buffer));
            assert_eq!(total, buffer.len() as f32, "{level}");
            assert!(read_bandwidth(level, 2, 1 << 16) > 0.0, "{level}");
        }
    }
}
