//! Tests with thousands of damaged files, each from a fixed seed.

use std::ops::Range;

use rand::{Rng, RngExt};

use super::tests::{file, network, plan_file, read, repair};
use super::*;
use crate::Slice;
use crate::plan::{
    LeafKernel, LeafStep, Memory, Plan, ProductStep, SlotId, Step, SumProductStep, Term,
};
use crate::random::stream;

const ROUNDS: u64 = 40_000;

/// Damages `bytes` in one of the ways in which files and attackers do.
fn damage(bytes: &mut Vec<u8>, generator: &mut impl Rng) {
    for _ in 0..generator.random_range(1..4) {
        let length = bytes.len().max(1);
        let (at, other) = (generator.random_range(0..length), generator.random_range(0..length));
        let span = generator.random_range(1..=length.min(32));
        let range = at..(at + span).min(bytes.len());
        match generator.random_range(0..8) {
            0 => bytes.truncate(at),
            1 => bytes.extend(std::iter::repeat_n(generator.random::<u8>(), span)),
            2 => drop(bytes.drain(range)),
            3 => {
                let copy = bytes[range].to_vec();
                bytes.splice(other..other, copy);
            }
            4 if !bytes.is_empty() => bytes.swap(at, other),
            5 if !bytes.is_empty() => bytes[at] = *[0, 1, 0x7f, 0x80, 0xff].get(span % 5).unwrap(),
            6 if !bytes.is_empty() => bytes[at] = bytes[at].wrapping_add(span as u8),
            _ if !bytes.is_empty() => bytes[at] ^= 1 << (span % 8),
            _ => {}
        }
    }
}

#[test]
fn no_damage_goes_unnoticed() {
    let files = [file(Precision::Double), file(Precision::Single)];
    let mut generator = stream(1, 0);
    for round in 0..ROUNDS {
        let original = &files[round as usize % 2];
        let mut bytes = original.clone();
        damage(&mut bytes, &mut generator);
        if bytes != *original {
            assert!(read(&bytes).is_err(), "round {round}");
        }
    }
    for original in &files {
        for length in 0..original.len() {
            assert!(read(&original[..length]).is_err(), "cut to {length}");
        }
        for bit in 0..original.len() * 8 {
            let mut bytes = original.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bytes).is_err(), "bit {bit}");
        }
    }
}

/// With the checksum made right, many changes give another valid file; the others are errors.
#[test]
fn hostile_networks_never_panic() {
    let mut generator = stream(2, 0);
    let mut read_anyway = 0;
    for _ in 0..ROUNDS {
        let mut bytes = file(Precision::Double);
        damage(&mut bytes, &mut generator);
        repair(&mut bytes);
        if let Ok((_, parameters)) = read(&bytes) {
            read_anyway += 1;
            let values: usize = parameters.iter().map(|(_, p)| p.values.len()).sum();
            assert!(values * 8 <= bytes.len());
        }
    }
    assert!(read_anyway > 1000 && read_anyway < ROUNDS, "{read_anyway}");
    assert_eq!(read(&file(Precision::Double)), Ok(network()));
}

/// A plan that passes can be run: the toy runtime below indexes all it would index.
#[test]
fn hostile_plans_are_refused_or_run() {
    let original = plan_file();
    let structure = u64::from_le_bytes(*original[16..].first_chunk().unwrap()) as usize;
    let mut generator = stream(3, 0);
    let mut ran = 0;
    for round in 0..2 * ROUNDS {
        let mut bytes = original.clone();
        if round % 4 == 0 {
            damage(&mut bytes, &mut generator);
        } else {
            // Mostly within the structure, and only a little, to get past the parser.
            let at = 40 + generator.random_range(0..structure);
            bytes[at] = if round % 2 == 0 { generator.random_range(0..8) } else { bytes[at] ^ 1 };
        }
        repair(&mut bytes);
        if let Ok(plan) = read_plan(&bytes)
            && plan.inference.rows.max(plan.training.rows) < 1 << 16
        {
            ran += 1;
            run(&plan, &plan.inference);
            run(&plan, &plan.training);
        }
    }
    assert!(ran > 1000, "only {ran} changed plans were valid");
}

/// Runs a plan on one row of zeros, with checked indexing everywhere.
struct Toy<'a> {
    plan: &'a Plan,
    memory: &'a Memory,
    quantities: Vec<Vec<f64>>,
    arena: Vec<f64>,
}

fn run(plan: &Plan, memory: &Memory) -> f64 {
    let quantities = plan.quantities.iter().map(|q| q.evaluate(&plan.parameters)).collect();
    let arena = vec![0.0; memory.rows as usize];
    let mut toy = Toy { plan, memory, quantities, arena };
    for (index, instances) in plan.forward_order() {
        match &plan.steps[index] {
            Step::Leaf(step) => toy.leaf(step, instances),
            Step::Product(step) => toy.product(step, instances),
            Step::SumProduct(step) => toy.sum(step, instances),
            Step::Dropout(step) => {
                for &(input, output, _) in &step.instances[instances] {
                    let value = toy.read(input)[0];
                    toy.write(output, plan.slots[input.index()], value);
                }
            }
        }
    }
    if !memory.kept.is_empty() {
        plan.reverse.iter().for_each(|reverse| toy.keep(reverse.step as usize));
    }
    let root = plan.root.weights.map_or(0.0, |s| toy.slice(s, plan.root.inputs)[0]);
    let outputs: f64 = plan.outputs.iter().map(|&slot| toy.read(slot)[0]).sum();
    root + outputs + toy.terms(&plan.root.terms, &plan.root.factors)
}

impl Toy<'_> {
    fn leaf(&mut self, step: &LeafStep, instances: Range<usize>) {
        let row = vec![0.0; self.plan.variables as usize];
        let values = step.width * step.dimensions;
        let each = step.dimensions as usize;
        for index in instances {
            let (instance, variables) = (step.instances[index], &step.variables[index * each..]);
            let states = match step.kernel {
                LeafKernel::Categorical { states } => states,
                LeafKernel::Indicator | LeafKernel::LocationScale(_) => 1,
            };
            let mut value: f64 = variables[..each].iter().map(|v| row[v.index()]).sum();
            value += instance.first.map_or(0.0, |s| self.slice(s, values * states)[0]);
            value += instance.second.map_or(0.0, |s| self.slice(s, values)[0]);
            self.write(instance.output, step.width, value);
        }
    }

    fn product(&mut self, step: &ProductStep, instances: Range<usize>) {
        let each = step.term.factors as usize;
        for index in instances {
            let factors = &step.factors[index * each..][..each];
            let value = self.terms(std::slice::from_ref(&step.term), factors);
            self.write(step.outputs[index], step.term.rows, value);
        }
    }

    fn sum(&mut self, step: &SumProductStep, instances: Range<usize>) {
        let each = step.factors_each();
        for index in instances {
            let instance = step.instances[index];
            let value = self.terms(&step.terms, &step.factors[index * each..][..each]);
            let weights = self.slice(instance.weights, step.inputs * step.width);
            let value = value + weights.iter().sum::<f64>();
            self.write(instance.output, step.width, value);
        }
    }

    /// Fills what a sum keeps for its reverse step.
    fn keep(&mut self, step: usize) {
        if let Step::SumProduct(sum) = &self.plan.steps[step] {
            let rows = (sum.inputs + sum.width) as usize * sum.instances.len();
            self.arena[self.memory.kept[step] as usize..][..rows].fill(1.0);
        }
    }

    fn slice(&self, slice: Slice, length: u32) -> &[f64] {
        &self.quantities[slice.quantity.index()][slice.offset as usize..][..length as usize]
    }

    fn read(&self, slot: SlotId) -> &[f64] {
        let (offset, rows) = (self.memory.offsets[slot.index()], self.plan.slots[slot.index()]);
        &self.arena[offset as usize..][..rows as usize]
    }

    fn write(&mut self, slot: SlotId, rows: u32, value: f64) {
        assert_eq!(self.plan.slots[slot.index()], rows);
        let offset = self.memory.offsets[slot.index()] as usize;
        self.arena[offset..][..rows as usize].fill(value);
    }

    /// The sum of everything that the terms pick.
    fn terms(&self, terms: &[Term], factors: &[SlotId]) -> f64 {
        let mut total = 0.0;
        let mut rest = factors;
        for term in terms {
            let (own, others) = rest.split_at(term.factors as usize);
            rest = others;
            for (factor, &slot) in own.iter().enumerate() {
                let values = self.read(slot);
                for row in 0..term.rows as usize {
                    total += values[term.pick.row(&self.plan.tables, factor, row)];
                }
            }
        }
        assert!(rest.is_empty());
        total
    }
}
