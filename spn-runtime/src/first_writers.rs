//! Who writes first to the derivatives of a weight matrix.
//!
//! In: a plan. Out: for each sum block whether its reverse step is the first of a tile to add to
//! the derivatives of its weights, and what is left for others. The first writer clears its own
//! matrix while that is in cache; clearing megabytes beforehand would send them through memory twice.

use std::collections::BTreeMap;
use std::ops::Range;

use spn_ir::plan::{Plan, Step};
use spn_ir::{QuantityId, Slice};

use crate::executable::Number;

/// First writers of every matrix of a plan, and the parts of quantities without one.
#[derive(Clone, Debug)]
pub(crate) struct FirstWriters {
    /// For each step and instance whether it is one.
    of: Vec<Vec<bool>>,
    /// For each quantity what has to be cleared beforehand; the last range has no end.
    others: Vec<Vec<Range<usize>>>,
}

impl FirstWriters {
    /// Of a plan's reverse pass.
    pub(crate) fn new(plan: &Plan) -> Self {
        let written = written(plan);
        let mut of: Vec<Vec<bool>> = plan.steps.iter().map(|_| Vec::new()).collect();
        let mut waiting = written.clone();
        for reverse in plan.reverse.iter().filter(|reverse| reverse.parameters) {
            let index = reverse.step as usize;
            let Step::SumProduct(step) = &plan.steps[index] else { continue };
            of[index] = vec![false; step.instances.len()];
            for (first, instance) in of[index].iter_mut().zip(&step.instances).rev() {
                *first = waiting[instance.weights.quantity.index()]
                    .remove(&instance.weights.offset)
                    .is_some();
            }
        }
        Self { of, others: written.iter().map(between).collect() }
    }

    /// Whether an instance of a step of sums writes first.
    #[inline(always)]
    pub(crate) fn is_first(&self, step: usize, instance: usize) -> bool {
        matches!(self.of[step].get(instance), Some(true))
    }

    /// Makes a buffer for derivatives of a quantity as long as given; only what has no first writer
    /// is set to zero.
    pub(crate) fn prepare<E: Number>(&self, quantity: usize, length: usize, buffer: &mut Vec<E>) {
        buffer.resize(length, E::ZERO);
        for range in &self.others[quantity] {
            buffer[range.start.min(length)..range.end.min(length)].fill(E::ZERO);
        }
    }
}

/// For each quantity the matrices, from offset to end, that sums write to and nobody else; none if
/// some overlap.
fn written(plan: &Plan) -> Vec<BTreeMap<u32, usize>> {
    let mut written = vec![BTreeMap::new(); plan.quantities.len()];
    let mut shared = vec![false; plan.quantities.len()];
    let mut share = |id: QuantityId| shared[id.index()] = true;
    plan.root.weights.iter().for_each(|slice| share(slice.quantity));
    for reverse in plan.reverse.iter().filter(|reverse| reverse.parameters) {
        match &plan.steps[reverse.step as usize] {
            Step::SumProduct(step) => {
                let length = step.inputs as usize * step.width as usize;
                for instance in &step.instances {
                    let Slice { quantity, offset } = instance.weights;
                    let end = offset as usize + length;
                    let known = written[quantity.index()].insert(offset, end);
                    if known.is_some_and(|known| known != end) {
                        share(quantity);
                    }
                }
            }
            Step::Leaf(step) => {
                let slices = step.instances.iter().flat_map(|i| [i.first, i.second]);
                slices.flatten().for_each(|slice| share(slice.quantity));
            }
            _ => {}
        }
    }
    for (matrices, shared) in written.iter_mut().zip(shared) {
        let ends = matrices.values();
        let overlap = ends.zip(matrices.keys().skip(1)).any(|(end, next)| *end > *next as usize);
        if shared || overlap {
            matrices.clear();
        }
    }
    written
}

/// What lies before, between and behind the matrices.
fn between(matrices: &BTreeMap<u32, usize>) -> Vec<Range<usize>> {
    let starts = std::iter::once(0).chain(matrices.values().copied());
    let ends = matrices.keys().map(|start| *start as usize).chain([usize::MAX]);
    starts.zip(ends).map(|(start, end)| start..end).filter(|range| !range.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use spn_compiler::{Options, compile};

    use super::*;

    /// Two sums share one matrix, two others read the ends of a second tensor.
    #[test]
    fn the_first_of_the_reverse_pass_writes_first() {
        let circuit = spn_ir::text::parse(
            "spn 1
             variables 4
             parameter tied [2 2] = [0.5 0.1; 0.5 0.9]
             parameter parts [5] = [0.5 0.5 0 0.1 0.9]
             parameter root [2] = [0.5 0.5]
             quantity tied = direct(tied)
             quantity parts = direct(parts)
             quantity root = direct(root)
             a = leaf indicator(0) x2
             b = leaf indicator(1) x2
             c = leaf categorical(2) x2 probabilities=[0.5 0.5; 0.1 0.9]
             d = leaf indicator(3) x2
             s = sum(a) x2 weights=tied
             t = sum(b) x2 weights=tied
             u = sum(c) x1 weights=parts
             v = sum(d) x1 weights=parts@3
             w = product(u, v)
             p = product(s, t)
             q = sum(p) x1 weights=parts@3
             z = product(q, w)
             r = sum(z) weights=[1]
             root r",
        );
        let plan = compile(&circuit.unwrap(), &Options::default()).unwrap();
        let writers = FirstWriters::new(&plan);
        let mut first = Vec::new();
        for (step, flags) in plan.steps.iter().zip(&writers.of) {
            let Step::SumProduct(step) = step else { continue };
            let instances = step.instances.iter().zip(flags);
            first.extend(instances.map(|(i, first)| (plan_name(&plan, i.weights), *first)));
        }
        first.sort();
        let expected = [
            ("parts@0", true),
            ("parts@3", false),
            ("parts@3", true),
            ("tied@0", false),
            ("tied@0", true),
        ];
        assert_eq!(first, expected.map(|(name, first)| (name.to_owned(), first)));

        let parts = plan.quantities.iter().position(|q| reads(&plan, q, "parts")).unwrap();
        let mut buffer = vec![f64::NAN; 5];
        writers.prepare(parts, 5, &mut buffer);
        let cleared: Vec<bool> = buffer.iter().map(|value| *value == 0.0).collect();
        assert_eq!(cleared, [false, false, true, false, false]);
        let others =
            (0..plan.quantities.len()).filter(|&q| !reads(&plan, &plan.quantities[q], "parts"));
        for quantity in others.filter(|&q| !reads(&plan, &plan.quantities[q], "tied")) {
            let mut buffer = vec![f64::NAN; 4];
            writers.prepare(quantity, 4, &mut buffer);
            assert_eq!(buffer, [0.0; 4]);
        }
    }

    fn reads(plan: &Plan, quantity: &spn_ir::Quantity, name: &str) -> bool {
        let id = plan.parameters.find(name).unwrap();
        quantity.formula.parameters().contains(&id)
    }

    fn plan_name(plan: &Plan, slice: Slice) -> String {
        let quantity = &plan.quantities[slice.quantity.index()];
        let names = ["tied", "parts", "root"];
        let name = names.into_iter().find(|name| reads(plan, quantity, name)).unwrap_or("other");
        format!("{name}@{}", slice.offset)
    }

    /// Matrices that overlap are cleared beforehand.
    #[test]
    fn overlapping_matrices_have_no_first_writer() {
        let circuit = spn_ir::text::parse(
            "spn 1
             variables 2
             parameter tensor [3] = [0.5 0.5 0.5]
             quantity tensor = direct(tensor)
             a = leaf indicator(0) x2
             b = leaf indicator(1) x2
             s = sum(a) x1 weights=tensor
             t = sum(b) x1 weights=tensor@1
             p = product(s, t)
             r = sum(p) weights=[1]
             root r",
        );
        let plan = compile(&circuit.unwrap(), &Options::default()).unwrap();
        let writers = FirstWriters::new(&plan);
        assert!(writers.of.concat().iter().all(|first| !first));
    }
}
