//! What a plan cannot do without: the arithmetic of its sums and the weights they read.
//!
//! Measured times are compared with what the machine could do at best in the same time, so these
//! numbers count the network's own work only: a kernel that computes more (padding, logarithms,
//! repeated rows) looks slower, never faster.

use std::collections::BTreeSet;

use super::{Plan, Step};

impl Plan {
    /// Multiply-adds of one row's forward pass: for every sum block its inputs times its width, for
    /// the root its inputs. Products, densities and logarithms are not counted. The derivatives of a
    /// reverse pass need twice as many again, one product for the inputs and one for the weights.
    #[must_use]
    pub fn multiply_adds(&self) -> u64 {
        let of_step = |step: &Step| match step {
            Step::SumProduct(step) => {
                let block = u64::from(step.inputs) * u64::from(step.width);
                block * step.instances.len() as u64
            }
            Step::Leaf(_) | Step::Product(_) | Step::Dropout(_) => 0,
        };
        self.steps.iter().map(of_step).sum::<u64>() + u64::from(self.root.inputs)
    }

    /// How many linear weights the sums and the root read, tied ones counted once: what has to come
    /// from memory, at least, for a single row.
    #[must_use]
    pub fn weights_read(&self) -> u64 {
        let mut seen = BTreeSet::new();
        let mut count = 0;
        for step in &self.steps {
            let Step::SumProduct(step) = step else { continue };
            let block = u64::from(step.inputs) * u64::from(step.width);
            let new = step.instances.iter().filter(|sum| seen.insert((sum.weights, block)));
            count += block * new.count() as u64;
        }
        let root = self.root.weights.map_or(0, |_| u64::from(self.root.inputs));
        count + root
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SumInstance, sample_plan};
    use super::*;

    #[test]
    fn work_is_counted_for_every_block_and_weights_once() {
        let mut plan = sample_plan();
        // One block of 6 inputs and 2 outputs, a root of 2 inputs.
        assert_eq!((plan.multiply_adds(), plan.weights_read()), (14, 14));
        let sums = plan.steps.iter_mut().find_map(|step| match step {
            Step::SumProduct(step) => Some(step),
            _ => None,
        });
        let sums = sums.expect("the sample has a sum step");
        let tied = SumInstance { ..sums.instances[0] };
        sums.instances.push(tied);
        assert_eq!((plan.multiply_adds(), plan.weights_read()), (26, 14));
    }
}
