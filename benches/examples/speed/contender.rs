//! Something that is measured, with the limit that it is measured against.

use spn_cli::measure::{Operation, Times, Work, peak_flops, quantile, read_bandwidth};
use spn_ir::plan::Plan;
use spn_runtime::simd::Level;
use spn_runtime::{ExecutableOptions, RunError};

/// Which table a contender belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// Matrix products against the peak of arithmetic.
    Products,
    /// One row against one stream of the weights.
    OneRow,
    /// Scalar circuits, in nanoseconds.
    Scalar,
}

/// Which threads a contender runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    /// A pool of so many.
    Pool(usize),
    /// The calling thread; the runtime may use the global pool beside it.
    Caller,
}

/// A network with an operation and what was measured of it.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) table: Table,
    pub(crate) threads: Threads,
    /// Rows per second of another program, where its figure for the same work is known.
    pub(crate) peer: Option<f64>,
    pub(crate) work: Work<f32>,
    pub(crate) times: Times,
    /// After each turn, operations (for rows of [`Table::OneRow`] bytes) per second of the machine.
    limits: Vec<f64>,
}

/// Seconds of a turn.
const TURN: f64 = 0.05;

impl Contender {
    /// A contender for a table.
    pub(crate) fn new(
        table: Table,
        name: impl Into<String>,
        plan: &Plan,
        operation: Operation,
        (batch, rows): (usize, &[f32]),
        threads: Threads,
    ) -> Result<Self, RunError> {
        let pool = match threads {
            Threads::Pool(threads) => Some(threads),
            Threads::Caller => None,
        };
        let options = ExecutableOptions { level: Level::detect(), threads: pool };
        let work = Work::new(plan.clone(), operation, batch, rows, options)?;
        let (name, times, limits) = (name.into(), Times::default(), Vec::new());
        Ok(Self { name, table, threads, peer: None, work, times, limits })
    }

    /// The same with the rows per second of another program.
    pub(crate) fn beside(mut self, peer: f64) -> Self {
        self.peer = Some(peer);
        self
    }

    pub(crate) fn warm_up(&mut self) -> Result<(), RunError> {
        self.work.warm_up(TURN)
    }

    /// Some calls, then the limit.
    pub(crate) fn take_turn(&mut self, level: Level) -> Result<(), RunError> {
        self.work.time(TURN, &mut self.times)?;
        match self.table {
            Table::Products => self.limits.push(peak_flops::<f32>(level, self.thread_count())),
            Table::OneRow => self.limits.push(read_bandwidth(level, 1, self.weight_bytes())),
            Table::Scalar => {}
        }
        Ok(())
    }

    /// Threads, as far as the contender decides.
    pub(crate) fn thread_count(&self) -> usize {
        match self.threads {
            Threads::Pool(threads) => threads,
            Threads::Caller => 1,
        }
    }

    /// Bytes of the weights that a row needs.
    pub(crate) fn weight_bytes(&self) -> usize {
        self.work.executable().plan().weights_read() as usize * size_of::<f32>()
    }

    /// The time of a batch and the machine's limit, so good that this share of calls and turns is better.
    pub(crate) fn at(&self, share: f64) -> At {
        let (seconds, limit) = (self.times.quantile(share), quantile(&self.limits, 1.0 - share));
        At { seconds, limit, rows: self.work.batch() as f64, flops: self.work.flops() }
    }
}

/// A contender's median, or one of its best calls, with the limit to compare it with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    /// Of a batch.
    pub(crate) seconds: f64,
    /// What the machine can do in a second.
    pub(crate) limit: f64,
    rows: f64,
    flops: f64,
}

impl At {
    pub(crate) fn rows_per_second(self) -> f64 {
        self.rows / self.seconds
    }

    pub(crate) fn flops_per_second(self) -> f64 {
        self.flops / self.seconds
    }

    /// Of the machine's peak.
    pub(crate) fn fraction(self) -> f64 {
        self.flops_per_second() / self.limit
    }
}
