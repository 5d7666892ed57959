//! The `k` most probable explanations of each row.
//!
//! In: a tile after the max-product pass. Out: for each row its `k` best induced trees. Upwards each unit
//! gets the list of its `k` best values: products add the best combinations of their factors' lists, sums
//! merge the lists of their inputs, of which only the `k` with the largest first value can take part.
//! Downwards each of the root's values is followed to the leaves by its rank in each list.

use std::collections::BTreeSet;

use spn_ir::plan::{LeafStep, SlotId, Step};

use super::induced_tree::{Below, InducedTrees, Row, units};
use super::mpe::MostProbable;
use super::units::{InputUnits, restore_observed};
use crate::distribution::Component;
use crate::engine::Engine;
use crate::engine::max_product::MaxConstants;
use crate::error::require;
use crate::executable::Number;
use crate::kernels::dropout::Dropping;
use crate::simd::Real;
use crate::workspace::{Purpose, Workspace, slot_rows};
use crate::{Executable, Rows, RunError, Statistics};

/// The most explanations of a row.
const MOST: usize = 1024;

impl<E: Number> Executable<E> {
    /// The `k` most probable completions of each row, the most probable first: `[rows, k, variables]` and
    /// `[rows, k]`. Exact for deterministic networks of discrete leaves; otherwise those of the `k` best
    /// trees, the same completion only once. Rows with fewer completions end with NaN and -inf. A
    /// continuous variable is always at the mode of a component.
    ///
    /// # Errors
    /// As [`mpe`](Self::mpe), or if `k` is 0 or above 1024.
    pub fn mpe_best(
        &self,
        rows: Rows<'_, E>,
        k: usize,
        statistics: Statistics,
    ) -> Result<MostProbable<E>, RunError> {
        let query = "the most probable explanation";
        let variables = self.plan().variables as usize;
        rows.check_columns(variables)?;
        require((1..=MOST).contains(&k), "the number of explanations", k as f64, "from 1 to 1024")?;
        let trees = self.induced_trees(query)?;
        self.check_units(query, rows)?;
        let constants = self.max_constants();
        let engine = self.engine(Purpose::Flows, statistics, Dropping::Off, None);
        let mut out: Vec<Vec<(f64, Vec<E>)>> = vec![Vec::new(); rows.len()];
        self.for_each_tile(rows, Purpose::Flows, &mut out, 1, |part, tile, out| {
            E::forward_max(&engine, self.level(), part, constants, tile);
            let tile = &*tile;
            for (sample, out) in out.iter_mut().enumerate() {
                let work = Best { engine: &engine, trees, constants, tile, width: part.tile, k };
                *out = work.explanations(sample, InputUnits::new(self, tile));
                for (_, row) in out {
                    restore_observed(rows, part.first + sample, row.iter_mut().zip(0..));
                }
            }
        });
        let (mut values, mut log_values) = (Vec::new(), Vec::new());
        for (row, found) in out.into_iter().enumerate() {
            let mut missing = vec![<E as Real>::NAN; variables];
            restore_observed(rows, row, missing.iter_mut().zip(0..));
            let nothing = std::iter::repeat((f64::NEG_INFINITY, missing));
            for (log_value, row) in found.into_iter().chain(nothing).take(k) {
                log_values.push(Real::from_f64(log_value));
                values.extend(row);
            }
        }
        Ok(MostProbable { values, log_values, exact: self.is_deterministic() })
    }
}

/// A tile whose explanations are listed.
struct Best<'a, E> {
    engine: &'a Engine<'a, E>,
    trees: &'a InducedTrees,
    constants: &'a MaxConstants<E>,
    tile: &'a Workspace<E>,
    /// Samples of the tile.
    width: usize,
    k: usize,
}

/// The best values of each unit of one sample, the largest first. Units stand as in the training memory.
struct Lists {
    values: Vec<Vec<f64>>,
    /// Of units of sums, for each value the input it comes from and the rank among that input's values.
    choices: Vec<Vec<(u32, u32)>>,
}

impl<E: Number> Best<'_, E> {
    /// The completions of one sample with the log values of their trees.
    fn explanations(&self, sample: usize, input_units: InputUnits<'_>) -> Vec<(f64, Vec<E>)> {
        let lists = self.lists(sample);
        let plan = self.engine.plan;
        let joints = self.tile.joints.iter().skip(sample).step_by(self.width);
        let joints = joints.take(plan.root.inputs as usize).map(|joint| Real::to_f64(*joint));
        let weights = &self.engine.constants.root_log_weights;
        let best = self.merge(&lists, joints.zip(weights), |joint| self.trees.joint(plan, joint));
        let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
        for (value, (joint, rank)) in best {
            let Some(row) = self.trees.joint(plan, joint as usize) else { continue };
            let completion = self.follow(&lists, (row, rank as usize), sample, input_units);
            let bits: Vec<u64> = completion.iter().map(|x| Real::to_f64(*x).to_bits()).collect();
            if seen.insert(bits) {
                found.push((value, completion));
            }
        }
        found
    }

    fn unit(&self, slot: SlotId, row: u32) -> usize {
        (self.engine.plan.training.offsets[slot.index()] + row) as usize
    }

    /// The best values of all units.
    fn lists(&self, sample: usize) -> Lists {
        let plan = self.engine.plan;
        let count = slot_rows(plan);
        let mut lists = Lists { values: vec![Vec::new(); count], choices: vec![Vec::new(); count] };
        for (index, step) in plan.steps.iter().enumerate() {
            for slot in step.outputs() {
                for row in 0..plan.slots[slot.index()] {
                    let unit = self.unit(slot, row);
                    match self.trees.below(plan, slot) {
                        Below::Nothing => {
                            let value = Real::to_f64(self.tile.arena[unit * self.width + sample]);
                            lists.values[unit] = vec![value];
                        }
                        Below::Copy(of) => {
                            lists.values[unit] = lists.values[self.unit(of, row)].clone();
                        }
                        Below::Leaf(leaf, instance) => {
                            let states = self.states((leaf, instance), row as usize, sample);
                            let value = Real::to_f64(self.tile.arena[unit * self.width + sample]);
                            lists.values[unit] = self.leaf_values(value, &states);
                        }
                        Below::Product(term, factors) => {
                            let combined = self.combine(&lists, (term, factors, row as usize));
                            lists.values[unit] = combined.into_iter().map(|c| c.0).collect();
                        }
                        Below::Sum { instance, .. } => {
                            let place = (index, instance, row as usize);
                            let best = self.best_of_sum(&lists, place, sample);
                            let (values, choices) = best.into_iter().unzip();
                            (lists.values[unit], lists.choices[unit]) = (values, choices);
                        }
                    }
                }
            }
        }
        lists
    }

    fn best_of_sum(
        &self,
        lists: &Lists,
        (index, instance, unit): (usize, usize, usize),
        sample: usize,
    ) -> Vec<(f64, (u32, u32))> {
        let plan = self.engine.plan;
        let Step::SumProduct(step) = &plan.steps[index] else { return Vec::new() };
        let (inputs, width) = (step.inputs as usize, step.width as usize);
        let kept = plan.training.kept[index] as usize + instance * (inputs + width);
        let values = self.tile.arena[kept * self.width..].iter().skip(sample).step_by(self.width);
        let weights = self.constants.log_weights(step.instances[instance].weights);
        let weights = weights.iter().skip(unit).step_by(width);
        let firsts = values.take(inputs).zip(weights);
        let firsts = firsts.map(|(x, weight)| (Real::to_f64(*x) + Real::to_f64(*weight), weight));
        self.merge(lists, firsts, |input| self.trees.input(plan, (index, instance), input))
    }

    /// The best values of a sum, from the first value and the log weight of each input.
    fn merge<'w, 'r>(
        &self,
        lists: &Lists,
        firsts: impl Iterator<Item = (f64, &'w E)>,
        row: impl Fn(usize) -> Option<Row<'r>>,
    ) -> Vec<(f64, (u32, u32))>
    where
        E: 'w,
    {
        let possible = firsts.enumerate().filter(|(_, (first, _))| *first > f64::NEG_INFINITY);
        let mut inputs: Vec<(usize, (f64, &E))> = possible.collect();
        inputs.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
        inputs.truncate(self.k);
        let mut best = Vec::new();
        for (input, (_, weight)) in inputs {
            let Some(row) = row(input) else { continue };
            let values = self.combine(lists, row).into_iter().enumerate();
            let weight = Real::to_f64(*weight);
            best.extend(values.map(|(rank, c)| (c.0 + weight, (input as u32, rank as u32))));
        }
        best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        best.truncate(self.k);
        best
    }

    /// The best sums of one value of each factor of a product's row, with the ranks of the values.
    fn combine(&self, lists: &Lists, row: Row<'_>) -> Vec<(f64, Vec<u32>)> {
        let factors = units(self.engine.plan, row);
        let lists = factors.map(|(slot, row)| lists.values[self.unit(slot, row)].as_slice());
        combinations(lists, self.k)
    }

    /// The values of each missing dimension of a leaf's component, none for observed ones.
    fn states(
        &self,
        (step, index): (&LeafStep, usize),
        component: usize,
        sample: usize,
    ) -> Vec<Vec<(f64, f64)>> {
        let dimensions = step.dimensions as usize;
        let variables = &step.variables[index * dimensions..][..dimensions];
        let values = |(dimension, variable): (usize, &spn_ir::VariableId)| {
            if !Real::is_nan(self.tile.inputs[variable.index() * self.width + sample]) {
                return Vec::new();
            }
            let quantities = &self.engine.constants.quantities;
            let component = Component::new((step, index), (component, dimension), quantities);
            component.best_values(self.k)
        };
        variables.iter().enumerate().map(values).collect()
    }

    /// The best values of a leaf's component, whose best one is `value`.
    fn leaf_values(&self, value: f64, states: &[Vec<(f64, f64)>]) -> Vec<f64> {
        if value == f64::NEG_INFINITY {
            return Vec::new();
        }
        let losses = losses(states);
        let combined = combinations(losses.iter().map(Vec::as_slice), self.k);
        combined.into_iter().map(|(loss, _)| value + loss).collect()
    }

    /// The completion that the tree below a row of the root ends in.
    fn follow(
        &self,
        lists: &Lists,
        root: (Row<'_>, usize),
        sample: usize,
        input_units: InputUnits<'_>,
    ) -> Vec<E> {
        let plan = self.engine.plan;
        let mut out = vec![<E as Real>::NAN; plan.variables as usize];
        let mut stack: Vec<(SlotId, u32, usize)> = Vec::new();
        let push = |stack: &mut Vec<_>, row: Row<'_>, rank: usize| {
            let combined = self.combine(lists, row);
            let ranks = combined.get(rank).map_or(&[][..], |(_, ranks)| ranks);
            let units = units(plan, row).zip(ranks);
            stack.extend(units.map(|((slot, row), rank)| (slot, row, *rank as usize)));
        };
        push(&mut stack, root.0, root.1);
        while let Some((slot, row, rank)) = stack.pop() {
            match self.trees.below(plan, slot) {
                Below::Nothing => {}
                Below::Copy(of) => stack.push((of, row, rank)),
                Below::Product(term, factors) => {
                    push(&mut stack, (term, factors, row as usize), rank);
                }
                Below::Sum { step, instance } => {
                    let choices = &lists.choices[self.unit(slot, row)];
                    let Some(&(input, rank)) = choices.get(rank) else { continue };
                    if let Some(row) = self.trees.input(plan, (step, instance), input as usize) {
                        push(&mut stack, row, rank as usize);
                    }
                }
                Below::Leaf(leaf, instance) => {
                    let states = self.states((leaf, instance), row as usize, sample);
                    let losses = losses(&states);
                    let combined = combinations(losses.iter().map(Vec::as_slice), self.k);
                    let Some((_, ranks)) = combined.into_iter().nth(rank) else { continue };
                    let dimensions = leaf.dimensions as usize;
                    let variables = &leaf.variables[instance * dimensions..][..dimensions];
                    for ((states, rank), variable) in states.iter().zip(ranks).zip(variables) {
                        if let Some((state, _)) = states.get(rank as usize) {
                            let variable = variable.index();
                            let value = input_units.value(*state, variable, sample);
                            out[variable] = Real::from_f64(value);
                        }
                    }
                }
            }
        }
        out
    }
}

/// How much less probable each value of a dimension is than the first; one value without loss where the
/// dimension is observed.
fn losses(states: &[Vec<(f64, f64)>]) -> Vec<Vec<f64>> {
    let of_dimension = |states: &Vec<(f64, f64)>| match states.first() {
        Some((_, first)) => states.iter().map(|(_, log)| log - first).collect(),
        None => vec![0.0],
    };
    states.iter().map(of_dimension).collect()
}

/// The `k` largest sums of one value of each list, the largest first, with the ranks of the values. Lists
/// are sorted, the largest first.
fn combinations<'a>(lists: impl Iterator<Item = &'a [f64]>, k: usize) -> Vec<(f64, Vec<u32>)> {
    let mut best = vec![(0.0, Vec::new())];
    for list in lists {
        let mut pairs = Vec::new();
        for (first, (sum, _)) in best.iter().enumerate() {
            // What has k better or equal pairs cannot be among the k largest.
            let reach = list.iter().take(k / (first + 1)).enumerate();
            pairs.extend(reach.map(|(second, value)| (sum + value, first, second)));
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        pairs.truncate(k);
        let extended = pairs.into_iter().map(|(sum, first, second)| {
            let ranks = [best[first].1.as_slice(), &[second as u32]].concat();
            (sum, ranks)
        });
        best = extended.collect();
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_are_the_largest_sums() {
        let lists = [vec![0.0, -1.0, -5.0], vec![-2.0, -2.5], vec![0.0, -0.1, -0.2, -9.0]];
        let mut all = Vec::new();
        for a in &lists[0] {
            for b in &lists[1] {
                all.extend(lists[2].iter().map(|c| a + b + c));
            }
        }
        all.sort_by(|a: &f64, b| b.total_cmp(a));
        for k in [1, 2, 7, 24, 100] {
            let found = combinations(lists.iter().map(Vec::as_slice), k);
            assert_eq!(found.len(), k.min(24));
            for ((sum, ranks), expected) in found.iter().zip(&all) {
                assert!((sum - expected).abs() < 1e-12);
                let ranks = ranks.iter().zip(&lists).map(|(rank, list)| list[*rank as usize]);
                assert!((ranks.sum::<f64>() - sum).abs() < 1e-12);
            }
        }
        assert!(combinations([[0.0].as_slice(), &[]].into_iter(), 3).is_empty());
    }
}
