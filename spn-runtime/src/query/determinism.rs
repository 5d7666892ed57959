//! Determinism: whether every complete row has a value in one induced tree at most.
//!
//! In: a plan with parameter values. Out: yes, or not certain. A sum is deterministic if no row gives a
//! value to two of its inputs. That is decided from supports: which states of each variable have any
//! probability below a unit. Two inputs of which some variable has no state in common are never possible
//! together. Supports of single variables are an upper bound of the rows that are possible, so a "yes" is
//! certain; a network that is deterministic for subtler reasons is not recognised.

use spn_ir::plan::{LeafInstance, LeafKernel, LeafStep, SlotId, Step, Term};

use crate::Executable;
use crate::executable::Number;
use crate::simd::Element;

/// Sums with more inputs are only compared variable by variable, not pair by pair.
const MOST_PAIRED: usize = 1024;

/// For each variable of a scope, in order, a bit for each of the states `0..63` that are possible; the
/// last bit stands for all further states, every bit for real numbers.
type Support = Vec<(u32, u64)>;

impl<E: Number> Executable<E> {
    /// Whether the network is deterministic (selective) for certain: then the most probable explanation is
    /// exact. Decided once for each set of parameters from the supports of its leaves and from weights of
    /// 0; a network may be deterministic without being recognised.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        *self.queries().deterministic.get_or_init(|| Supports::new(self).is_some())
    }
}

/// The supports of the units of each slot.
struct Supports<'a, E> {
    executable: &'a Executable<E>,
    slots: Vec<Vec<Support>>,
}

impl<'a, E: Number> Supports<'a, E> {
    /// Computes all of them, `None` as soon as a sum is found that may not be deterministic.
    fn new(executable: &'a Executable<E>) -> Option<Self> {
        let plan = executable.plan();
        let mut supports = Self { executable, slots: vec![Vec::new(); plan.slots.len()] };
        for step in &plan.steps {
            match step {
                Step::Leaf(step) => {
                    for (index, instance) in step.instances.iter().enumerate() {
                        let units = supports.leaf(step, index, instance);
                        supports.slots[instance.output.index()] = units;
                    }
                }
                Step::Product(step) => {
                    let each = step.term.factors as usize;
                    for (index, output) in step.outputs.iter().enumerate() {
                        let factors = &step.factors[index * each..][..each];
                        supports.slots[output.index()] = supports.products(&step.term, factors);
                    }
                }
                Step::SumProduct(step) => {
                    let (each, width) = (step.factors_each(), step.width as usize);
                    for (index, instance) in step.instances.iter().enumerate() {
                        let factors = &step.factors[index * each..][..each];
                        let inputs = supports.inputs(&step.terms, factors);
                        let constants = executable.constants();
                        let weights = constants.weights(instance.weights, inputs.len() * width);
                        let unit = |unit: usize| {
                            let weights = weights.iter().skip(unit).step_by(width);
                            union_if_disjoint(inputs.iter().zip(weights))
                        };
                        let units = (0..width).map(unit).collect::<Option<_>>()?;
                        supports.slots[instance.output.index()] = units;
                    }
                }
                Step::Dropout(step) => {
                    for (input, output, _) in &step.instances {
                        supports.slots[output.index()] = supports.slots[input.index()].clone();
                    }
                }
            }
        }
        let joints = supports.inputs(&plan.root.terms, &plan.root.factors);
        let weights = &executable.constants().root_weights;
        union_if_disjoint(joints.iter().zip(weights))?;
        Some(supports)
    }

    /// The supports of a leaf's components.
    fn leaf(&self, step: &LeafStep, index: usize, instance: &LeafInstance) -> Vec<Support> {
        let dimensions = step.dimensions as usize;
        let variables = &step.variables[index * dimensions..][..dimensions];
        let possible = |component: usize, dimension: usize| match step.kernel {
            LeafKernel::LocationScale(_) => u64::MAX,
            LeafKernel::Indicator => bit(component),
            LeafKernel::Categorical { states } => {
                let Some(slice) = instance.first else { return u64::MAX };
                let states = states as usize;
                let length = step.width as usize * dimensions * states;
                let all = self.executable.constants().weights(slice, length);
                let row = &all[(component * dimensions + dimension) * states..][..states];
                let possible = row.iter().enumerate().filter(|(_, p)| **p > E::ZERO);
                possible.fold(0, |mask, (state, _)| mask | bit(state))
            }
        };
        let unit = |component| {
            let places = variables.iter().enumerate();
            let mut support: Support =
                places.map(|(d, variable)| (variable.0, possible(component, d))).collect();
            support.sort_unstable();
            support
        };
        (0..step.width as usize).map(unit).collect()
    }

    /// The supports of the rows of a product.
    fn products(&self, term: &Term, factors: &[SlotId]) -> Vec<Support> {
        let tables = &self.executable.plan().tables;
        let row = |row: usize| {
            let factors = factors.iter().enumerate();
            let picked = factors
                .map(|(index, slot)| &self.slots[slot.index()][term.pick.row(tables, index, row)]);
            let mut support: Support = picked.flatten().copied().collect();
            support.sort_unstable();
            support
        };
        (0..term.rows as usize).map(row).collect()
    }

    /// The supports of the inputs of a sum.
    fn inputs(&self, terms: &[Term], factors: &[SlotId]) -> Vec<Support> {
        let mut rest = factors;
        let mut inputs = Vec::new();
        for term in terms {
            let (factors, others) = rest.split_at(term.factors as usize);
            inputs.extend(self.products(term, factors));
            rest = others;
        }
        inputs
    }
}

fn bit(state: usize) -> u64 {
    1 << state.min(63)
}

/// The support of a sum of these inputs, if no row is possible for two of them.
fn union_if_disjoint<'a, E: Element>(
    inputs: impl Iterator<Item = (&'a Support, &'a E)>,
) -> Option<Support> {
    let possible = |support: &Support| support.iter().all(|(_, states)| *states != 0);
    let live: Vec<&Support> = inputs
        .filter(|(support, weight)| **weight > E::ZERO && possible(support))
        .map(|(support, _)| support)
        .collect();
    let Some(first) = live.first() else { return Some(Support::new()) };
    let mut union = (*first).clone();
    let mut told_apart = vec![true; union.len()];
    for support in &live[1..] {
        for ((all, told_apart), one) in union.iter_mut().zip(&mut told_apart).zip(*support) {
            *told_apart &= all.1 & one.1 == 0;
            all.1 |= one.1;
        }
    }
    let by_one_variable = live.len() == 1 || told_apart.contains(&true);
    (by_one_variable || live.len() <= MOST_PAIRED && pairwise_disjoint(&live)).then_some(union)
}

fn pairwise_disjoint(supports: &[&Support]) -> bool {
    let disjoint = |a: &Support, b: &Support| a.iter().zip(b).any(|((_, a), (_, b))| a & b == 0);
    supports.iter().enumerate().all(|(index, a)| supports[..index].iter().all(|b| disjoint(a, b)))
}
