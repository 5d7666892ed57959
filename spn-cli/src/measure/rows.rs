//! Rows that a network finds plausible, where there are no data.
//!
//! In: a plan. Out: rows. Every variable is drawn for itself: a discrete one uniformly from its states, a
//! continuous one from the components of the first leaf that reads it, so that no value lies far away
//! from everything the network knows: improbable rows may take other, slower ways through the kernels.

use std::collections::BTreeMap;

use spn_ir::plan::{LeafInstance, LeafKernel, LeafStep, Plan, Step};
use spn_ir::random::uniform_at;
use spn_ir::{Normalisation, QuantityId, Slice};

/// The stream of random numbers; dropout and training use others.
const STREAM: u32 = u32::MAX - 16;

/// What values a variable takes.
#[derive(Clone, Debug, Default)]
enum Variable {
    /// No leaf reads it.
    #[default]
    Unread,
    /// The states from 0 on.
    States(u32),
    /// Location and scale of each component.
    Components(Vec<(f64, f64)>),
}

/// Draws rows for a plan, `variables` values for each; a function of the seed. The values are those that
/// users would give: before the network's own normalisation.
#[must_use]
pub fn made_up_rows(plan: &Plan, rows: usize, seed: u64) -> Vec<f32> {
    let variables = variables(plan);
    let mut values = Vec::with_capacity(rows * variables.len());
    for row in 0..rows as u64 {
        for (index, variable) in variables.iter().enumerate() {
            let uniform = |k: u64| uniform_at(seed, STREAM, row, 4 * index as u64 + k);
            let value = match variable {
                Variable::Unread => 0.0,
                Variable::States(states) => (uniform(0) * f64::from(*states)).floor(),
                Variable::Components(components) => {
                    let chosen = (uniform(0) * components.len() as f64) as usize;
                    let (location, scale) = components[chosen];
                    // Of deviation 1 and nearly normal.
                    let deviate = 2.0 * (uniform(1) + uniform(2) + uniform(3) - 1.5);
                    given_value(plan, index, location + scale * deviate)
                }
            };
            values.push(value as f32);
        }
    }
    values
}

/// The value that the network's normalisation makes `value` of.
fn given_value(plan: &Plan, variable: usize, value: f64) -> f64 {
    match &plan.normalisation {
        Some(Normalisation::Fixed { mean, deviation, epsilon }) => {
            value * (deviation[variable] + epsilon) + mean[variable]
        }
        Some(Normalisation::SampleWise { .. }) | None => value,
    }
}

fn variables(plan: &Plan) -> Vec<Variable> {
    let mut variables = vec![Variable::default(); plan.variables as usize];
    let mut quantities = Quantities { plan, values: BTreeMap::new() };
    for step in &plan.steps {
        let Step::Leaf(step) = step else { continue };
        let dimensions = step.dimensions as usize;
        for (instance, read) in step.instances.iter().zip(step.variables.chunks(dimensions.max(1)))
        {
            for (dimension, variable) in read.iter().enumerate() {
                let known = &mut variables[variable.index()];
                match (step.kernel, &mut *known) {
                    (LeafKernel::LocationScale(_), Variable::Unread) => {
                        *known =
                            Variable::Components(quantities.components(step, instance, dimension));
                    }
                    (LeafKernel::LocationScale(_), _) => {}
                    (LeafKernel::Indicator, known) => known.has_states(step.width),
                    (LeafKernel::Categorical { states }, known) => known.has_states(states),
                }
            }
        }
    }
    variables
}

impl Variable {
    /// A variable that any leaf takes for discrete is discrete, with the most states that any has.
    fn has_states(&mut self, states: u32) {
        match self {
            Self::States(known) => *known = states.max(*known),
            Self::Unread | Self::Components(_) => *self = Self::States(states),
        }
    }
}

/// The quantities of a plan, each computed when it is first asked for.
struct Quantities<'a> {
    plan: &'a Plan,
    values: BTreeMap<QuantityId, Vec<f64>>,
}

impl Quantities<'_> {
    /// Location and scale of an instance's components in one dimension.
    fn components(
        &mut self,
        step: &LeafStep,
        instance: &LeafInstance,
        dimension: usize,
    ) -> Vec<(f64, f64)> {
        let mut values = |slice: Option<Slice>| -> Vec<f64> {
            let Some(Slice { quantity, offset }) = slice else { return Vec::new() };
            let evaluate =
                || self.plan.quantities[quantity.index()].evaluate(&self.plan.parameters);
            let all = self.values.entry(quantity).or_insert_with(evaluate);
            let of_instance = all.iter().skip(offset as usize + dimension);
            of_instance
                .step_by(step.dimensions as usize)
                .take(step.width as usize)
                .copied()
                .collect()
        };
        values(instance.first).into_iter().zip(values(instance.second)).collect()
    }
}

#[cfg(test)]
mod tests {
    use spn_compiler::{Options, compile};

    use super::*;

    #[test]
    fn variables_are_drawn_from_what_their_leaves_know() {
        let text = "spn 1\nvariables 4
a = leaf categorical(0) x1 probabilities=[0.2 0.3 0.5]
b = leaf normal(1) x2 location=[-100; 100] scale=[1; 1]
c = leaf indicator(3) x2
p = product(a)
q = product(b, c)
s = sum(q) weights=[0.5 0.5]
r = product(p, s)
root r
";
        let plan = compile(&spn_ir::text::parse(text).unwrap(), &Options::default()).unwrap();
        let rows = made_up_rows(&plan, 300, 7);
        assert_eq!(rows.len(), 4 * 300);
        let column = |column: usize| rows.iter().skip(column).step_by(4).copied();
        let states =
            |index| column(index).map(|x| x as u32).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(states(0), [0, 1, 2].into());
        assert_eq!(states(3), [0, 1].into());
        assert!(column(1).all(|x| (x.abs() - 100.0).abs() <= 3.0));
        assert!(column(1).any(|x| x < 0.0) && column(1).any(|x| x > 0.0));
        assert!(column(2).all(|x| x == 0.0));
        assert_eq!(rows, made_up_rows(&plan, 300, 7));
        assert_ne!(rows, made_up_rows(&plan, 300, 8));
    }
}
