//! How often the fast arithmetic was not certain enough.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many rows were computed more than once since an executable was made, because a result in
/// linear arithmetic could not be certified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reruns {
    /// In double precision, after single precision.
    pub double: u64,
    /// In log space.
    pub logarithmic: u64,
}

/// Counts while calls run at the same time.
#[derive(Debug, Default)]
pub(crate) struct RerunCounter {
    double: AtomicU64,
    logarithmic: AtomicU64,
}

impl RerunCounter {
    pub(crate) fn add(&self, reruns: Reruns) {
        let pairs = [(&self.double, reruns.double), (&self.logarithmic, reruns.logarithmic)];
        for (counter, rows) in pairs.into_iter().filter(|(_, rows)| *rows > 0) {
            counter.fetch_add(rows, Ordering::Relaxed);
        }
    }

    pub(crate) fn total(&self) -> Reruns {
        Reruns {
            double: self.double.load(Ordering::Relaxed),
            logarithmic: self.logarithmic.load(Ordering::Relaxed),
        }
    }
}
