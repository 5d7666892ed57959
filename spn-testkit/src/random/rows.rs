//! Random input rows for a circuit: likely and unlikely values, missing ones (NaN), impossible
//! evidence, very large values. Every value can be held exactly in single precision.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spn_ir::{Circuit, LeafFamily, NodeKind};

use super::maker::single;

/// What values a variable takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableKind {
    /// Real numbers.
    Continuous,
    /// The numbers `0..states`.
    Discrete {
        /// How many there are.
        states: u32,
    },
}

/// How often unusual values occur in a random row, as probabilities of each value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowOptions {
    /// Missing values.
    pub missing: f64,
    /// Rows without any observed value (probability of the row).
    pub all_missing: f64,
    /// States that do not exist, and numbers between two states.
    pub odd_states: f64,
    /// Continuous values of magnitude up to 10⁶.
    pub large: f64,
}

impl Default for RowOptions {
    fn default() -> Self {
        Self { missing: 0.2, all_missing: 0.03, odd_states: 0.05, large: 0.02 }
    }
}

impl RowOptions {
    /// Rows with every value observed and likely.
    #[must_use]
    pub fn plain() -> Self {
        Self { missing: 0.0, all_missing: 0.0, odd_states: 0.0, large: 0.0 }
    }
}

/// What each variable of a circuit is, by the leaves that read it: discrete if one of them is,
/// with the largest number of states.
#[must_use]
pub fn variable_kinds(circuit: &Circuit) -> Vec<VariableKind> {
    let mut kinds = vec![VariableKind::Continuous; circuit.variables as usize];
    for node in &circuit.nodes {
        let NodeKind::Leaf(leaf) = &node.kind else { continue };
        let states = match &leaf.family {
            LeafFamily::LocationScale { .. } => continue,
            LeafFamily::Indicator => node.width,
            LeafFamily::Categorical { states, .. } => *states,
        };
        for variable in &leaf.variables {
            let kind = &mut kinds[variable.index()];
            *kind = match *kind {
                VariableKind::Discrete { states: known } if known >= states => *kind,
                _ => VariableKind::Discrete { states },
            };
        }
    }
    kinds
}

/// The random row with this seed; NaN is missing.
#[must_use]
pub fn random_row(circuit: &Circuit, seed: u64, options: &RowOptions) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed_0fa0_0000_0000);
    let missing = if rng.random_bool(options.all_missing) { 1.0 } else { options.missing };
    let kinds = variable_kinds(circuit).into_iter();
    kinds
        .map(|kind| match rng.random_bool(missing) {
            true => f64::NAN,
            false => value(&mut rng, kind, options),
        })
        .collect()
}

fn value(rng: &mut ChaCha8Rng, kind: VariableKind, options: &RowOptions) -> f64 {
    match kind {
        VariableKind::Discrete { states } if rng.random_bool(options.odd_states) => {
            let count = f64::from(states);
            let odd = [-1.0, -0.5, count, count + 7.0, -1e9, 1e9, count - 0.25, 0.75];
            odd[rng.random_range(0..odd.len())]
        }
        VariableKind::Discrete { states } => f64::from(rng.random_range(0..states)),
        VariableKind::Continuous if rng.random_bool(options.large) => {
            let magnitude = 10_f64.powf(rng.random_range(2.0..6.0));
            single(if rng.random_bool(0.5) { magnitude } else { -magnitude })
        }
        VariableKind::Continuous => {
            single((rng.random::<f64>() + rng.random::<f64>() + rng.random::<f64>() - 1.5) * 3.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{CircuitOptions, random_circuit};

    #[test]
    fn rows_hold_what_the_options_say() {
        let circuit = random_circuit(3, &CircuitOptions::default());
        let all = RowOptions { all_missing: 1.0, ..RowOptions::default() };
        assert!(random_row(&circuit, 1, &all).iter().all(|x| x.is_nan()));
        for seed in 0..50 {
            let row = random_row(&circuit, seed, &RowOptions::plain());
            for (x, kind) in row.into_iter().zip(variable_kinds(&circuit)) {
                assert_eq!(x, single(x));
                if let VariableKind::Discrete { states } = kind {
                    assert!(x >= 0.0 && x < f64::from(states) && x.fract() == 0.0);
                }
            }
        }
    }
}
