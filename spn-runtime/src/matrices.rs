//! The weight matrices of a plan: what regularisers penalise and expectation maximisation
//! normalises.

use std::collections::BTreeSet;

use spn_ir::Slice;
use spn_ir::plan::{Plan, Step};

/// One weight matrix `[inputs, outputs]`; tied sums share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WeightMatrix {
    pub(crate) slice: Slice,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

impl WeightMatrix {
    /// The index behind its last value in the quantity.
    pub(crate) fn end(&self) -> usize {
        self.slice.offset as usize + self.inputs * self.outputs
    }
}

/// The different weight matrices of a plan's sums and its root, in the order of their slices.
pub(crate) fn weight_matrices(plan: &Plan) -> Vec<WeightMatrix> {
    let mut matrices = BTreeSet::new();
    for step in &plan.steps {
        if let Step::SumProduct(step) = step {
            let (inputs, outputs) = (step.inputs as usize, step.width as usize);
            let slices = step.instances.iter().map(|instance| instance.weights);
            matrices.extend(slices.map(|slice| WeightMatrix { slice, inputs, outputs }));
        }
    }
    let inputs = plan.root.inputs as usize;
    matrices.extend(plan.root.weights.map(|slice| WeightMatrix { slice, inputs, outputs: 1 }));
    matrices.into_iter().collect()
}
