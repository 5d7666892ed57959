//! The same job on several threads at the same time.

use std::sync::Barrier;
use std::thread;

/// Runs a job on `threads` threads that begin together, and gives their results. A job should keep its
/// thread busy for some milliseconds before it looks at the clock: until then the operating system may
/// have placed two threads on one core.
pub(super) fn together<R: Send>(threads: usize, job: impl Fn() -> R + Sync) -> Vec<R> {
    let barrier = Barrier::new(threads);
    let (barrier, job) = (&barrier, &job);
    thread::scope(|scope| {
        let start = || {
            scope.spawn(move || {
                barrier.wait();
                job()
            })
        };
        let running: Vec<_> = (0..threads).map(|_| start()).collect();
        // A job that panics has told so already; its result is left out.
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}
