//! Nothing is allocated for a call after the first one.
//!
//! One test in a program of its own: the allocator counts what the whole program does.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unsafe_code, reason = "an allocator is unsafe by its contract; it only counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use spn_compiler::{Options, compile};
use spn_ir::layers::{BuildOptions, Network};
use spn_runtime::{Executable, ExecutableOptions, Rows, Statistics};

/// The system's allocator, which counts calls.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.realloc(block, layout, size) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations a job makes.
fn allocations(job: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    job();
    ALLOCATIONS.load(Ordering::SeqCst) - before
}

/// An image network on so many threads, with room in nothing yet.
fn network(threads: usize) -> Executable<f32> {
    let file = include_str!("../../examples/dgc_spn_digits.json");
    let model = Network::from_json(file).unwrap().build(&BuildOptions::default()).unwrap();
    let plan = compile(&model.lower().unwrap().circuit, &Options::default()).unwrap();
    let options = ExecutableOptions { threads: Some(threads), ..ExecutableOptions::default() };
    Executable::with_options(plan, options).unwrap()
}

/// How many allocations `calls` calls with so many rows make, after two that are not counted.
fn count(network: &Executable<f32>, rows: usize, calls: usize) -> usize {
    let columns = network.plan().variables as usize;
    // A few values are missing, and one row has none.
    let value = |at: usize| if at % 7 == 3 || at < columns { f32::NAN } else { (at % 16) as f32 };
    let values: Vec<f32> = (0..rows * columns).map(value).collect();
    let rows = Rows::new(&values, columns).unwrap();
    let mut out = vec![0.0; rows.len()];
    let mut call = || network.log_likelihood_into(rows, Statistics::Observed, &mut out).unwrap();
    (0..2).for_each(|_| call());
    allocations(|| (0..calls).for_each(|_| call()))
}

#[test]
fn nothing_is_allocated_after_the_first_call() {
    let network_on_one = network(1);
    for rows in [1, 2, 8, 9, 512] {
        assert_eq!(count(&network_on_one, rows, 20), 0, "{rows} rows on one thread");
    }
    let network_on_two = network(2);
    // One row is run by the caller itself.
    assert_eq!(count(&network_on_two, 1, 20), 0, "one row on two threads");
    for rows in [8, 128] {
        // Beyond the buffers of the second thread, which may come late, only rayon's queue takes
        // memory, a block for some dozens of jobs.
        let found = count(&network_on_two, rows, 320);
        assert!(found <= 32 + 320 / 31, "{found} allocations in 320 calls with {rows} rows");
    }
}
