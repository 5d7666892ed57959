//! What learning must do whatever the circuit: exact expectation maximisation never lowers the
//! likelihood and agrees with closed forms, rows count as often as their weights say, missing values
//! count as little as they tell, deep circuits keep their flows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod closed_form;
mod depth;
mod monotone;
mod options;
mod weighted;

use std::sync::Arc;

use spn_compiler::{Options, compile};
use spn_ir::Circuit;
use spn_ir::plan::Plan;
use spn_ir::random::uniform_at;
use spn_runtime::learn::{ExpectationMaximization, Method, Optimizer};
use spn_runtime::{Counting, Executable, GradientOptions, Number, Rows};

/// Every counting rule.
const RULES: [Counting; 4] =
    [Counting::Soft, Counting::HARD, Counting::UNWEIGHTED_HARD, Counting::SAMPLED];

fn plan_of(text: &str) -> Arc<Plan> {
    plan(&spn_ir::text::parse(text).unwrap())
}

fn plan(circuit: &Circuit) -> Arc<Plan> {
    Arc::new(compile(circuit, &Options::default()).unwrap())
}

fn executable<E: Number>(plan: &Arc<Plan>) -> Executable<E> {
    Executable::new(Arc::clone(plan)).unwrap()
}

/// Takes steps of expectation maximisation on all rows; the loss before each of them.
fn maximize<E: Number>(
    executable: &mut Executable<E>,
    rows: Rows<'_, E>,
    options: ExpectationMaximization,
    (rate, steps): (f64, usize),
) -> Vec<f64> {
    let mut optimizer = Optimizer::new(Method::ExpectationMaximization(options), rate);
    let gradient = GradientOptions::default();
    (0..steps).map(|_| optimizer.step(executable, rows, &gradient).unwrap()).collect()
}

/// The values of a parameter.
fn parameter<'a, E: Number>(executable: &'a Executable<E>, name: &str) -> &'a [E] {
    let id = executable.plan().parameters.find(name).unwrap();
    &executable.parameters()[id.index()]
}

/// A number between 0 and 1 that depends on the index only.
fn number(index: usize) -> f64 {
    uniform_at(7, 0, 0, index as u64)
}
