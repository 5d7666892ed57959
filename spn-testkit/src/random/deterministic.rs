//! Random deterministic circuits over discrete variables: every sum decides on a variable.
//!
//! In: a seed and a number of variables. Out: always the same circuit, valid and deterministic in the way
//! that probabilistic sentential decision diagrams are: the inputs of a sum are possible for different
//! states of one variable.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spn_ir::{
    Circuit, CircuitBuilder, CircuitError, Combine, Leaf, LeafFamily, NodeId, Origin, Parameter,
    PickTable, VariableId,
};

/// The random deterministic circuit with this seed over that many variables of two to four states.
#[must_use]
pub fn deterministic_circuit(seed: u64, variables: u32) -> Circuit {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let states = (0..variables).map(|_| rng.random_range(2..=4)).collect();
    let mut maker = Maker { builder: CircuitBuilder::new(variables), rng, states };
    let all: Vec<u32> = (0..variables).collect();
    let made = maker.region(&all).and_then(|root| maker.builder.finish(root));
    made.expect("the generator makes only what the circuit builder accepts")
}

struct Maker {
    builder: CircuitBuilder,
    rng: ChaCha8Rng,
    states: Vec<u32>,
}

impl Maker {
    /// One unit over these variables.
    fn region(&mut self, variables: &[u32]) -> Result<NodeId, CircuitError> {
        match variables {
            [variable] if self.rng.random_bool(0.5) => self.categorical(*variable),
            [] | [_] => self.decision(variables),
            _ if self.rng.random_bool(0.4) => {
                let (left, right) = variables.split_at(self.rng.random_range(1..variables.len()));
                let factors = [self.region(left)?, self.region(right)?];
                self.builder.element_wise(&factors, Origin::Unknown)
            }
            _ => self.decision(variables),
        }
    }

    fn categorical(&mut self, variable: u32) -> Result<NodeId, CircuitError> {
        let states = self.states[variable as usize];
        let probabilities = self.probabilities(states as usize);
        let quantity = self.builder.quantity_of(probabilities);
        self.builder.categorical(variable, states, 1, quantity.at(0), Origin::Unknown)
    }

    /// A sum over the states of the first variable, each with a region of its own for the others.
    fn decision(&mut self, variables: &[u32]) -> Result<NodeId, CircuitError> {
        let Some((first, others)) = variables.split_first() else {
            return self.builder.one(1, Origin::Unknown);
        };
        let states = self.states[*first as usize];
        let leaf = Leaf { family: LeafFamily::Indicator, variables: [VariableId(*first)].into() };
        let indicators = self.builder.leaf(leaf, states, Origin::Unknown)?;
        let mut inputs = Vec::new();
        for state in 0..states {
            let mut factors = vec![indicators];
            if !others.is_empty() {
                factors.push(self.region(others)?);
            }
            let picks = (0..factors.len()).map(|index| vec![if index == 0 { state } else { 0 }]);
            let table = self.builder.table(PickTable { picks: picks.collect() });
            inputs.push(self.builder.product(&factors, Combine::Table(table), Origin::Unknown)?);
        }
        let weights = self.probabilities(states as usize);
        let weights =
            self.builder.quantity_of(Parameter { shape: vec![states as usize, 1], ..weights });
        self.builder.sum(&inputs, 1, weights.at(0), Origin::Unknown)
    }

    /// Random numbers that sum to 1; one of them may be 0.
    fn probabilities(&mut self, count: usize) -> Parameter {
        let mut values: Vec<f64> = (0..count).map(|_| self.rng.random_range(0.05..1.0)).collect();
        if self.rng.random_bool(0.3) {
            values[self.rng.random_range(0..count)] = 0.0;
        }
        let total: f64 = values.iter().sum();
        values.iter_mut().for_each(|value| *value /= total);
        Parameter::new("p", vec![1, count], values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::brute_force::total_probability;

    #[test]
    fn deterministic_circuits_are_normalised() {
        for seed in 0..50 {
            let total = total_probability(&deterministic_circuit(seed, 4)).unwrap();
            assert!((total - 1.0).abs() < 1e-12, "seed {seed}: {total}");
        }
    }
}
