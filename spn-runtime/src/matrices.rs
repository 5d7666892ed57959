//! The different weight matrices of a plan: what is done to the weights of sums is done to each
//! matrix once, however many sums share it.
//!
//! In: a plan. Out: its [`WeightMatrix`] list, in order of their slices.

use std::collections::BTreeSet;

use spn_ir::Slice;
use spn_ir::plan::{Plan, Step};

/// Linear weights `[inputs, outputs]` of one sum block or of several that share them, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WeightMatrix {
    /// Where they begin.
    pub(crate) slice: Slice,
    /// Inputs of each sum unit.
    pub(crate) inputs: usize,
    /// Sum units.
    pub(crate) outputs: usize,
}

impl WeightMatrix {
    /// The index behind its last value in the quantity.
    pub(crate) fn end(&self) -> usize {
        self.slice.offset as usize + self.inputs * self.outputs
    }
}

/// The different weight matrices of the plan's sums and of its root, in order of their slices.
pub(crate) fn weight_matrices(plan: &Plan) -> Vec<WeightMatrix> {
    let mut matrices = BTreeSet::new();
    for step in &plan.steps {
        let Step::SumProduct(step) = step else { continue };
        let (inputs, outputs) = (step.inputs as usize, step.width as usize);
        let slices = step.instances.iter().map(|instance| instance.weights);
        matrices.extend(slices.map(|slice| WeightMatrix { slice, inputs, outputs }));
    }
    let inputs = plan.root.inputs as usize;
    let root = plan.root.weights.map(|slice| WeightMatrix { slice, inputs, outputs: 1 });
    matrices.extend(root);
    matrices.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use spn_compiler::{Options, compile};

    use super::*;

    /// Two sums share the matrix of the first tensor, the root has that of the second.
    #[test]
    fn shared_matrices_are_listed_once_in_order_of_their_slices() {
        let circuit = spn_ir::text::parse(
            "spn 1
             variables 2
             parameter weights [2 2] = [0.5 0.1; 0.5 0.9]
             parameter root [2] = [0.5 0.5]
             quantity weights = direct(weights)
             quantity root = direct(root)
             a = leaf indicator(0) x2
             b = leaf indicator(1) x2
             s = sum(a) x2 weights=weights
             t = sum(b) x2 weights=weights
             p = product(s, t)
             r = sum(p) weights=root
             root r",
        );
        let plan = compile(&circuit.unwrap(), &Options::default()).unwrap();
        let quantity = |name: &str| {
            let id = plan.parameters.find(name).unwrap();
            let reads = |q: &spn_ir::Quantity| q.formula.parameters().contains(&id);
            spn_ir::QuantityId(plan.quantities.iter().position(reads).unwrap() as u32)
        };
        let matrix = |name, inputs, outputs| {
            let slice = Slice { quantity: quantity(name), offset: 0 };
            WeightMatrix { slice, inputs, outputs }
        };
        let expected = [matrix("weights", 2, 2), matrix("root", 2, 1)];
        assert_eq!(weight_matrices(&plan), expected);
    }
}
