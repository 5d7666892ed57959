//! What this machine could do at best: multiply-adds that need no memory.
//!
//! A speed is worth little without it: the same program is twice as fast on a machine twice as
//! fast, and shared machines change from minute to minute. Measured beside each benchmark, it turns
//! rows per second into a fraction of the possible.

use std::hint::black_box;
use std::time::Instant;

use spn_runtime::simd::{Element, Isa, Lanes, LanesOf, Level, dispatch};

/// Registers that are summed in at the same time: enough to hide the latency of one multiply-add.
const REGISTERS: usize = 12;

/// Multiply-adds of each register between two looks at the clock.
const ROUNDS: usize = 200_000;

#[inline(always)]
fn multiply_add<I: Isa>(isa: I, factor: f32) -> f32 {
    let splat = |value: f32| LanesOf::<I, f32>::splat(isa, value);
    let (factor, addend) = (splat(factor), splat(1e-3));
    let mut sums = [splat(1.0); REGISTERS];
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            *sum = sum.mul_add(factor, addend);
        }
    }
    let mut total = splat(0.0);
    for sum in sums {
        total = total.add(sum);
    }
    total.reduce_add()
}

/// Single-precision operations per second of `threads` threads together, two for each multiply-add.
#[must_use]
pub fn peak_flops(level: Level, threads: usize) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                black_box(dispatch!(level, isa => multiply_add(isa, black_box(0.999))));
            });
        }
    });
    let operations = 2 * lanes(level) * REGISTERS * ROUNDS * threads;
    operations as f64 / start.elapsed().as_secs_f64()
}

fn lanes(level: Level) -> usize {
    #[inline(always)]
    fn count<I: Isa>(_: I) -> usize {
        <f32 as Element>::Lanes::<I>::N
    }
    dispatch!(level, isa => count(isa))
}
