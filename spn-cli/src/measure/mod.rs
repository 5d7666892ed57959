//! How fast something is, and how fast it could be: what `spn bench` and the benchmarks measure with.
//!
//! In: a compiled network and an operation ([`Work`]). Out: the times of its calls ([`Times`]) and, from
//! the same run, what the machine can do at best: [`peak_flops`] of multiply-adds that need no memory,
//! [`read_bandwidth`] of reads that need no arithmetic. Shared machines change from minute to minute, so
//! whoever compares times takes them in turn, round by round, and compares medians.

mod bandwidth;
mod operation;
mod peak;
mod rows;
mod threads;
mod times;
mod work;

pub use bandwidth::{Streams, read_bandwidth};
pub use operation::Operation;
pub use peak::peak_flops;
pub use rows::made_up_rows;
pub use times::{Times, median, quantile};
pub use work::Work;
