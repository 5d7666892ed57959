//! Criterion benchmarks with the machine's limits beside them.

use std::time::Instant;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Throughput};
use spn_cli::measure::{Streams, Times, Work, median, peak_flops};
use spn_runtime::simd::Level;

/// Benchmarks calls of some work on all cores. After each of criterion's samples the peak of multiply-adds
/// is measured; when all are taken, the fraction of its median that the median sample reached is printed,
/// and how fast memory is read.
///
/// # Panics
/// If the runtime refuses the work.
pub fn bench_beside_peak(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    work: &mut Work<f32>,
) {
    let level = work.executable().level();
    let threads = cores();
    let (mut times, mut peaks) = (Times::default(), Vec::new());
    group.throughput(Throughput::Elements(work.batch() as u64));
    group.bench_function(id, |bencher| {
        bencher.iter_custom(|calls| {
            let start = Instant::now();
            for _ in 0..calls {
                work.call().expect("the rows are the plan's");
            }
            let elapsed = start.elapsed();
            times.add(elapsed.as_secs_f64() / calls as f64);
            peaks.push(peak_flops::<f32>(level, threads));
            elapsed
        });
    });
    // Criterion was asked for other benchmarks only.
    if times.is_empty() {
        return;
    }
    print(level, threads, work.flops() / times.median(), median(&peaks));
}

fn print(level: Level, threads: usize, flops: f64, peak: f64) {
    let Streams { level2, level3, memory } = Streams::measure(level, threads);
    println!(
        "{:24}{:.1} GFLOP/s, {:.1} % of the peak of {:.1} ({level}, {threads} threads); reads in GB/s: \
         second-level cache {:.0}, third-level {:.0}, memory {:.0}",
        "",
        flops / 1e9,
        100.0 * flops / peak,
        peak / 1e9,
        level2 / 1e9,
        level3 / 1e9,
        memory / 1e9
    );
}

/// Threads of the global pool, on which the work runs.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
