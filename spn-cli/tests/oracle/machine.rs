//! Precisions and instruction sets: everything is run on all of them.

use std::sync::Arc;

use spn_ir::plan::Plan;
use spn_runtime::simd::{Level, Real};
use spn_runtime::{Executable, ExecutableOptions, Number};

use crate::case::text_of;

/// A way to run plans.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    level: Level,
    /// Precision and instruction set, for messages.
    pub(crate) name: String,
}

/// Something to do in any precision.
pub(crate) trait Job {
    /// Does it.
    fn run<E: Number>(&self, machine: &Machine) -> Result<(), String>;
}

/// Does a job in both precisions on every instruction set.
pub(crate) fn everywhere(job: &impl Job) -> Result<(), String> {
    for level in Level::available() {
        let machine = |precision: &str| Machine { level, name: format!("{precision} {level}") };
        let machines = [machine("f64"), machine("f32")];
        job.run::<f64>(&machines[0])
            .map_err(|problem| format!("{}: {problem}", machines[0].name))?;
        job.run::<f32>(&machines[1])
            .map_err(|problem| format!("{}: {problem}", machines[1].name))?;
    }
    Ok(())
}

impl Machine {
    /// A plan made ready.
    pub(crate) fn prepare<E: Number>(&self, plan: &Arc<Plan>) -> Result<Executable<E>, String> {
        let options = ExecutableOptions { level: self.level, ..ExecutableOptions::default() };
        Executable::with_options(Arc::clone(plan), options).map_err(text_of)
    }
}

/// Values in the precision of a run.
pub(crate) fn narrow<E: Number>(values: &[f64]) -> Vec<E> {
    values.iter().map(|&value| Real::from_f64(value)).collect()
}

/// Values to compare.
pub(crate) fn widen<E: Number>(values: &[E]) -> Vec<f64> {
    values.iter().map(|&value| Real::to_f64(value)).collect()
}
