//! Buffers of the single-row execution, sized once for a plan and a number of rows.

use spn_ir::plan::{Plan, Step};

use super::sum_product::{TOGETHER, padded};
use crate::simd::Element;
use crate::workspace::slot_rows;

/// The buffers of one thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowWorkspace<E> {
    /// For how many rows the buffers are large enough.
    rows: usize,
    /// Normalised inputs of each row, one value for each variable; NaN is missing.
    pub(crate) inputs: Vec<E>,
    /// Values of the slots of each row.
    pub(crate) arena: Vec<E>,
    /// Log values of products, then linear values, of several sums or of one product.
    pub(crate) linear: Vec<E>,
    /// Weighted children of the root of each row.
    pub(crate) joints: Vec<E>,
    /// Log-likelihood of each row.
    pub(crate) total: Vec<E>,
}

impl<E: Element> RowWorkspace<E> {
    /// Makes every buffer large enough; does nothing if they are.
    pub(crate) fn fit(&mut self, plan: &Plan, rows: usize) {
        if rows <= self.rows {
            return;
        }
        self.rows = rows;
        let joints = plan.root.inputs as usize;
        let widest = plan.steps.iter().map(|step| match step {
            Step::SumProduct(step) => padded(step.inputs as usize),
            Step::Product(step) => step.term.rows as usize,
            Step::Leaf(_) | Step::Dropout(_) => 0,
        });
        let widest = widest.max().unwrap_or(0).max(padded(joints));
        self.inputs.resize(plan.variables as usize * rows, E::ZERO);
        self.arena.resize(slot_rows(plan) * rows, E::ZERO);
        self.linear.resize((widest * rows).max(TOGETHER), E::ZERO);
        self.joints.resize(joints * rows, E::ZERO);
        self.total.resize(rows, E::ZERO);
    }
}
