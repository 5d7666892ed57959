//! An executable: a plan with parameter values, ready to run on this machine.

use std::sync::{Arc, Mutex, PoisonError};

use num_traits::Float;
use rayon::ThreadPool;
use rayon::prelude::*;
use spn_ir::Parameters;
use spn_ir::plan::Plan;

use crate::constants::Constants;
use crate::engine::max_product::MaxProductEntrance;
use crate::engine::{Engine, Entrances};
use crate::first_flows::FirstFlows;
use crate::first_writers::FirstWriters;
use crate::kernels::dropout::Dropping;
use crate::kernels::input::TileRows;
use crate::kernels::scaled::root::Needed;
use crate::query::PreparedQueries;
use crate::reruns::{RerunCounter, Reruns};
use crate::row::{RowEntrance, RowWorkspace, row_limit};
use crate::scalar::Scalar;
use crate::simd::{Element, Level, Real};
use crate::tiles::{Tiles, tile_rows};
use crate::workspace::{Purpose, Workspace};
use crate::{Rows, RunError, Statistics};

/// The numbers a network can be run with: `f32` or `f64`.
#[expect(private_bounds, reason = "sealed: the kernels are compiled for these two")]
pub trait Number: Element + Float + Entrances + RowEntrance + MaxProductEntrance {}

impl Number for f32 {}
impl Number for f64 {}

/// How to run a plan.
#[derive(Clone, Copy, Debug)]
pub struct ExecutableOptions {
    /// The instruction set; by default the best this machine has.
    pub level: Level,
    /// How many threads; `None` for rayon's global pool. Results do not depend on it.
    pub threads: Option<usize>,
}

impl Default for ExecutableOptions {
    fn default() -> Self {
        Self { level: Level::detect(), threads: None }
    }
}

/// A plan with parameter values in the precision `E`, ready to run.
///
/// Calls take `&self` and may run at the same time; buffers are kept between calls.
#[derive(Debug)]
pub struct Executable<E> {
    plan: Arc<Plan>,
    parameters: Vec<Vec<E>>,
    constants: Constants<E>,
    level: Level,
    tiles: Tiles,
    first_writers: FirstWriters,
    first_flows: FirstFlows,
    pool: Option<ThreadPool>,
    workspaces: Mutex<Vec<Workspace<E>>>,
    scalar: Scalar<E>,
    reruns: RerunCounter,
    row_workspaces: Mutex<Vec<RowWorkspace<E>>>,
    queries: PreparedQueries<E>,
    /// The most rows of a batch that run alone.
    pub(crate) row_limit: usize,
}

impl<E: Number> Executable<E> {
    /// Prepares a plan on all cores with the best instruction set.
    ///
    /// # Errors
    /// As [`with_options`](Self::with_options).
    pub fn new(plan: impl Into<Arc<Plan>>) -> Result<Self, RunError> {
        Self::with_options(plan, ExecutableOptions::default())
    }

    /// Prepares a plan.
    ///
    /// # Errors
    /// If the operating system gives no threads.
    pub fn with_options(
        plan: impl Into<Arc<Plan>>,
        options: ExecutableOptions,
    ) -> Result<Self, RunError> {
        let plan = plan.into();
        let pool = match options.threads {
            None => None,
            Some(threads) => {
                let built = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                let failed = |error: rayon::ThreadPoolBuildError| RunError::Threads {
                    threads,
                    reason: error.to_string(),
                };
                Some(built.map_err(failed)?)
            }
        };
        let convert = |values: &[f64]| values.iter().map(|v| E::from_f64(*v)).collect();
        let parameters: Vec<Vec<E>> =
            plan.parameters.iter().map(|(_, parameter)| convert(&parameter.values)).collect();
        let constants = Constants::new(&plan, &parameters, options.level);
        let (workspaces, row_workspaces) = Default::default();
        let (tiles, level) = (Tiles::new::<E>(&plan), options.level);
        let (scalar, reruns) = (Scalar::new(), RerunCounter::default());
        let row_limit = row_limit(&plan);
        let (first_writers, first_flows) = (FirstWriters::new(&plan), FirstFlows::new(&plan));
        #[rustfmt::skip]
        let executable = Self {
            plan, parameters, constants, level, tiles, first_writers, first_flows, pool, workspaces,
            scalar, reruns, row_workspaces, row_limit, queries: PreparedQueries::default(),
        };
        Ok(executable)
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The plan, to keep.
    pub(crate) fn shared_plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan)
    }

    /// The instruction set it runs on.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// How many classes the root tells apart: its number of joints.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.plan.root.inputs as usize
    }

    /// Current parameter values, in the plan's order.
    #[must_use]
    pub fn parameters(&self) -> &[Vec<E>] {
        &self.parameters
    }

    /// Writes the current values into a store with the plan's parameters, for instance a model's.
    /// Constraints are applied once more in double precision, so that weights that were normalised
    /// in single precision are normalised to the last place in the store.
    ///
    /// # Errors
    /// If the store has other parameters.
    pub fn write_parameters(&self, store: &mut Parameters) -> Result<(), RunError> {
        for ((id, parameter), values) in self.plan.parameters.iter().zip(&self.parameters) {
            let found = if store.len() > id.index() { store.get(id).values.len() } else { 0 };
            if found != values.len() {
                let (name, expected) = (parameter.name.clone(), values.len());
                return Err(RunError::WrongParameter { name, found, expected });
            }
            let target = store.get_mut(id);
            let pairs = target.values.iter_mut().zip(values);
            pairs.for_each(|(to, from)| *to = Real::to_f64(*from));
            if let Some(constraint) = parameter.constraint.filter(|_| parameter.trainable) {
                let before = target.values.clone();
                constraint.apply(&parameter.shape, &mut target.values);
                // No step leaves a weight at exactly 0 unless it is to stay there.
                constraint.restore_zeros(&parameter.shape, &before, &mut target.values);
            }
        }
        Ok(())
    }

    /// Changes parameter values, then recomputes what kernels read.
    pub fn update(&mut self, change: impl FnOnce(&mut [Vec<E>])) {
        change(&mut self.parameters);
        self.scalar.forget();
        self.queries.forget_parameters();
        let (plan, parameters, level) = (&self.plan, &self.parameters, self.level);
        let constants = &mut self.constants;
        match &self.pool {
            Some(pool) => pool.install(|| constants.refresh(plan, parameters, level)),
            None => constants.refresh(plan, parameters, level),
        }
    }

    /// How many rows were computed again since this executable was made, because a result in linear
    /// arithmetic could not be certified.
    #[must_use]
    pub fn reruns(&self) -> Reruns {
        self.reruns.total()
    }

    /// Where rows that are computed again are counted.
    pub(crate) fn rerun_counter(&self) -> &RerunCounter {
        &self.reruns
    }

    /// What scalar programs need.
    pub(crate) fn scalar(&self) -> &Scalar<E> {
        &self.scalar
    }

    /// What queries find out once.
    pub(crate) fn queries(&self) -> &PreparedQueries<E> {
        &self.queries
    }

    /// What kernels read.
    pub(crate) fn constants(&self) -> &Constants<E> {
        &self.constants
    }

    /// Linear values of every quantity.
    pub(crate) fn quantities(&self) -> &[Vec<E>] {
        &self.constants.quantities
    }

    /// Logarithms of the root's weights, one for each joint.
    pub(crate) fn root_log_weights(&self) -> &[E] {
        &self.constants.root_log_weights
    }

    /// How many threads parallel loops use.
    pub(crate) fn threads(&self) -> usize {
        match &self.pool {
            Some(pool) => pool.current_num_threads(),
            None => rayon::current_num_threads(),
        }
    }

    /// Runs `job` where its parallel loops use this executable's threads.
    pub(crate) fn install<R: Send>(&self, job: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(job),
            None => job(),
        }
    }

    /// The engine for one call.
    pub(crate) fn engine<'a>(
        &'a self,
        purpose: Purpose,
        statistics: Statistics,
        dropping: Dropping<'a>,
        scaled: Option<Needed>,
    ) -> Engine<'a, E> {
        let (plan, constants) = (&self.plan, &self.constants);
        let (reruns, first_flows) = (&self.reruns, &self.first_flows);
        Engine { plan, constants, statistics, dropping, purpose, scaled, reruns, first_flows }
    }

    /// Calls `run` with a workspace that no other call uses at the same time.
    pub(crate) fn with_workspace<R>(&self, run: impl FnOnce(&mut Workspace<E>) -> R) -> R {
        with_one_of(&self.workspaces, run)
    }

    /// Who writes first to derivatives.
    pub(crate) fn first_writers(&self) -> &FirstWriters {
        &self.first_writers
    }

    /// How a batch is cut.
    pub(crate) fn tiles(&self) -> Tiles {
        self.tiles
    }

    /// As [`with_workspace`](Self::with_workspace), for single rows.
    pub(crate) fn with_row_workspace<R>(&self, run: impl FnOnce(&mut RowWorkspace<E>) -> R) -> R {
        with_one_of(&self.row_workspaces, run)
    }

    /// Runs every tile of a batch, in parallel if there are several tiles and threads; `out` has
    /// `each` values for each row.
    pub(crate) fn for_each_tile<T: Send>(
        &self,
        rows: Rows<'_, E>,
        purpose: Purpose,
        out: &mut [T],
        each: usize,
        run: impl Fn(TileRows<'_, E>, &mut Workspace<E>, &mut [T]) + Sync,
    ) {
        let tile = self.tiles.width(rows.len(), purpose);
        let run = |(index, out): (usize, &mut [T])| {
            let part = tile_rows(rows, tile, index);
            self.with_workspace(|workspace| run(part, workspace, out));
        };
        if rows.len() <= tile || self.threads() == 1 {
            return out.chunks_mut(tile * each).enumerate().for_each(run);
        }
        self.install(|| out.par_chunks_mut(tile * each).enumerate().for_each(run));
    }
}

/// Calls `run` with a buffer that nobody else has, and keeps it for the next call.
fn with_one_of<T: Default, R>(free: &Mutex<Vec<T>>, run: impl FnOnce(&mut T) -> R) -> R {
    // A panic cannot leave a buffer half-written here: it is only pushed back whole.
    let kept = free.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut buffer = kept.unwrap_or_default();
    let result = run(&mut buffer);
    free.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    result
}
