//! What the benchmarks share: networks and data made from formulas, so that nothing is read but what
//! the user names. How time is measured is `spn_cli::measure`, which `spn bench` uses, too.

mod beside_peak;
mod images;
mod networks;
mod tree;

pub use beside_peak::bench_beside_peak;
pub use images::images;
pub use networks::{dgc_spn, dgc_spn_for_counting, rat_spn};
pub use tree::random_tree;
