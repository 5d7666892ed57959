//! The machine's peak of arithmetic: multiply-adds that need no memory.
//!
//! In: an instruction set and a number of threads. Out: operations in a second. The loop keeps as many
//! sums in registers as hide the latency of one multiply-add, so nothing that the runtime could do is
//! faster; how much of it a kernel reaches says how good the kernel is, on any machine.

use std::hint::black_box;
use std::time::{Duration, Instant};

use spn_runtime::simd::{Element, Isa, Lanes, LanesOf, Level, dispatch};

use super::threads::together;

/// Registers that are summed in at the same time: enough to hide the latency of one multiply-add, and
/// with two constants not more than the registers of any instruction set.
const REGISTERS: usize = 12;

/// Multiply-adds of each register between two looks at the clock: some microseconds.
const CHUNK: usize = 4_000;

/// How long threads compute before they are timed. Cores need some time to change their clock for wide
/// registers, and the operating system to give each thread a core of its own.
const WARM_UP: Duration = Duration::from_millis(8);

/// How long they are timed.
const WINDOW: Duration = Duration::from_millis(20);

/// Operations per second of `threads` threads together in the numbers `E`, two for each multiply-add. It
/// takes 28 milliseconds. A thread that has to share its core lowers the result: take the median of
/// several, or on a machine with other work the best.
#[must_use]
pub fn peak_flops<E: Element>(level: Level, threads: usize) -> f64 {
    together(threads, || operations_per_second::<E>(level)).into_iter().sum()
}

fn operations_per_second<E: Element>(level: Level) -> f64 {
    run_for::<E>(level, WARM_UP);
    let (chunks, seconds) = run_for::<E>(level, WINDOW);
    (2 * lanes::<E>(level) * REGISTERS * CHUNK * chunks) as f64 / seconds
}

/// How many chunks were computed, in how many seconds.
fn run_for<E: Element>(level: Level, window: Duration) -> (usize, f64) {
    let start = Instant::now();
    let mut chunks = 0;
    loop {
        let factor = black_box(E::from_f64(0.999));
        black_box(dispatch!(level, isa => multiply_add::<_, E>(isa, factor)));
        chunks += 1;
        let elapsed = start.elapsed();
        if elapsed >= window {
            return (chunks, elapsed.as_secs_f64());
        }
    }
}

#[inline(always)]
fn multiply_add<I: Isa, E: Element>(isa: I, factor: E) -> E {
    let factor = LanesOf::<I, E>::splat(isa, factor);
    // Sums tend to 1: no infinities, no denormal numbers.
    let addend = LanesOf::<I, E>::splat(isa, E::from_f64(1e-3));
    let mut sums = [LanesOf::<I, E>::splat(isa, E::ONE); REGISTERS];
    for _ in 0..CHUNK {
        for sum in &mut sums {
            *sum = sum.mul_add(factor, addend);
        }
    }
    let mut total = LanesOf::<I, E>::splat(isa, E::ZERO);
    for sum in sums {
        total = total.add(sum);
    }
    total.reduce_add()
}

fn lanes<E: Element>(level: Level) -> usize {
    #[inline(always)]
    fn count<I: Isa, E: Element>(_: I) -> usize {
        LanesOf::<I, E>::N
    }
    dispatch!(level, isa => count::<_, E>(isa))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_computes_something() {
        for level in Level::available() {
            assert!(lanes::<f32>(level) == 2 * lanes::<f64>(level));
            assert!(peak_flops::<f32>(level, 2) > 0.0, "{level}");
            assert!(peak_flops::<f64>(level, 1) > 0.0, "{level}");
        }
    }

    #[test]
    fn sums_stay_near_one() {
        let sum = multiply_add::<_, f64>(spn_runtime::simd::Baseline, 0.999);
        let expected = (REGISTERS * 2) as f64;
        assert!((sum - expected).abs() < 1e-9, "{sum}");
    }
}
