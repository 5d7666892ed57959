//! Up to how many rows it pays to run them alone.
//!
//! In: a plan. Out: a number of rows. A tile costs the same for one sample as for sixteen; a row costs
//! less than a tile by the more, the wider the blocks are. Both are estimated from what was measured
//! on a Zen 4 core; results do not depend on the machine, as they would if it were asked.

use spn_ir::plan::{Plan, Step};

use super::MAX_ROWS;

/// Nanoseconds.
struct Cost {
    /// Of a block, whatever its size.
    block: f64,
    /// Of a unit: a leaf component, a product, an input or an output of a sum.
    unit: f64,
    /// Of a weight.
    weight: f64,
}

/// A tile of 16 samples.
const TILE: Cost = Cost { block: 6.0, unit: 6.0, weight: 0.35 };

/// A row.
const ROW: Cost = Cost { block: 25.0, unit: 0.4, weight: 0.03 };

/// The most rows of a batch that run alone; 0 if tiles are always as good.
pub(crate) fn row_limit(plan: &Plan) -> usize {
    let (mut tile, mut row) = (0.0, 0.0);
    for step in &plan.steps {
        let (blocks, units, weights) = sizes(step);
        let cost = |cost: &Cost| {
            blocks as f64 * (cost.block + units as f64 * cost.unit + weights as f64 * cost.weight)
        };
        tile += cost(&TILE);
        row += cost(&ROW);
    }
    if row == 0.0 { MAX_ROWS } else { ((tile / row) as usize).min(MAX_ROWS) }
}

/// Blocks of a step; units and weights of each.
fn sizes(step: &Step) -> (usize, u64, u64) {
    match step {
        Step::Leaf(step) => {
            (step.instances.len(), u64::from(step.width) * u64::from(step.dimensions), 0)
        }
        Step::Product(step) => (step.outputs.len(), u64::from(step.term.rows), 0),
        // A copy costs nothing worth counting.
        Step::Dropout(step) => (step.instances.len(), 0, 0),
        Step::SumProduct(step) => {
            let (inputs, width) = (u64::from(step.inputs), u64::from(step.width));
            (step.instances.len(), inputs + width, inputs * width)
        }
    }
}
