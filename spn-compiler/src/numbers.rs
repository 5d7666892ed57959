//! Which representation the values of each slot have: logarithms or scaled linear values.
//!
//! In: the steps and the root's terms. Out: [`Numbers`] for each slot. Sums and products are
//! scaled. Leaves are logarithms by nature; they stay so where only leaves are multiplied with
//! each other, because the sum above then takes one exponential for the whole product. A leaf
//! that is multiplied with a scaled slot is scaled itself, and with it every leaf that it is
//! multiplied with elsewhere: the factors of a product are represented alike.

use petgraph::unionfind::UnionFind;
use spn_ir::plan::{Numbers, Root, SlotId, Step, Term};

/// The representation of each of `slots` slots.
#[must_use]
pub fn run(steps: &[Step], slots: usize, root: &Root) -> Vec<Numbers> {
    let mut choice =
        Choice { leaf: vec![false; slots], alike: UnionFind::new(slots), mixed: vec![] };
    for step in steps {
        match step {
            Step::Leaf(step) => {
                step.instances.iter().for_each(|i| choice.leaf[i.output.index()] = true);
            }
            Step::Dropout(step) => {
                for (input, output, _) in &step.instances {
                    choice.leaf[output.index()] = choice.leaf[input.index()];
                    choice.alike.union(input.index(), output.index());
                }
            }
            Step::Product(step) => {
                let each = (step.term.factors as usize).max(1);
                step.factors.chunks(each).for_each(|factors| choice.multiply(factors));
            }
            Step::SumProduct(step) => {
                let each = step.factors_each().max(1);
                step.factors.chunks(each).for_each(|all| choice.terms(&step.terms, all));
            }
        }
    }
    choice.terms(&root.terms, &root.factors);
    choice.decide()
}

/// What is known while the steps are read.
struct Choice {
    /// Slots of leaves, directly or through dropout.
    leaf: Vec<bool>,
    /// Slots that are multiplied with each other.
    alike: UnionFind<usize>,
    /// Leaves that are multiplied with something else.
    mixed: Vec<usize>,
}

impl Choice {
    fn terms(&mut self, terms: &[Term], mut factors: &[SlotId]) {
        for term in terms {
            let (own, others) = factors.split_at(term.factors as usize);
            self.multiply(own);
            factors = others;
        }
    }

    fn multiply(&mut self, factors: &[SlotId]) {
        let leaves = factors.iter().map(|slot| slot.index()).filter(|&slot| self.leaf[slot]);
        let leaves: smallvec::SmallVec<[usize; 8]> = leaves.collect();
        for pair in leaves.windows(2) {
            self.alike.union(pair[0], pair[1]);
        }
        if leaves.len() < factors.len() {
            self.mixed.extend(leaves.first());
        }
    }

    fn decide(self) -> Vec<Numbers> {
        let groups = self.alike.into_labeling();
        let mut scaled = vec![false; self.leaf.len()];
        for slot in self.mixed {
            scaled[groups[slot]] = true;
        }
        let number = |(leaf, group): (&bool, &usize)| {
            if *leaf && !scaled[*group] { Numbers::Log } else { Numbers::Scaled }
        };
        self.leaf.iter().zip(&groups).map(number).collect()
    }
}
