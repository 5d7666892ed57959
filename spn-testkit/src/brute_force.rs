//! Sums over all states of a small discrete circuit: what "marginal" means, without any trick.
//!
//! In: a circuit whose variables are all discrete. Out: linear probabilities.

use spn_ir::Circuit;
use thiserror::Error;

use crate::random::{VariableKind, variable_kinds};
use crate::reference::log_likelihood;

/// The most states that are enumerated.
pub const MAXIMUM_STATES: u64 = 1 << 16;

/// Why a circuit cannot be enumerated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BruteForceError {
    /// A variable takes real numbers.
    #[error("variable {variable} is continuous: only discrete circuits have countable states")]
    Continuous {
        /// The variable.
        variable: usize,
    },
    /// The input rows are normalised, so states are not what leaves see.
    #[error("the circuit normalises its rows: its leaves do not see state numbers")]
    Normalised,
    /// More than [`MAXIMUM_STATES`] combinations.
    #[error("there are more than {MAXIMUM_STATES} combinations of states: use fewer variables")]
    TooMany,
}

/// How many states each variable has; one where no leaf below the root reads it.
///
/// # Errors
/// If a variable is continuous or the circuit normalises its rows.
pub fn states(circuit: &Circuit) -> Result<Vec<u32>, BruteForceError> {
    if circuit.normalisation.is_some() {
        return Err(BruteForceError::Normalised);
    }
    let scope = circuit.scope(circuit.root);
    let states = |(variable, kind)| match kind {
        _ if !scope.contains(variable) => Ok(1),
        VariableKind::Discrete { states } => Ok(states),
        VariableKind::Continuous => Err(BruteForceError::Continuous { variable }),
    };
    variable_kinds(circuit).into_iter().enumerate().map(states).collect()
}

/// All complete rows that agree with `row` where it is not NaN.
///
/// # Errors
/// As [`states`], or if there are too many.
pub fn completions(circuit: &Circuit, row: &[f64]) -> Result<Vec<Vec<f64>>, BruteForceError> {
    let mut rows = vec![row.to_vec()];
    for (variable, count) in states(circuit)?.into_iter().enumerate() {
        if !row[variable].is_nan() {
            continue;
        }
        if rows.len() as u64 * u64::from(count) > MAXIMUM_STATES {
            return Err(BruteForceError::TooMany);
        }
        let with = |row: &Vec<f64>, state: u32| {
            let mut row = row.clone();
            row[variable] = f64::from(state);
            row
        };
        let all = rows.iter().flat_map(|row| (0..count).map(move |state| with(row, state)));
        rows = all.collect();
    }
    Ok(rows)
}

/// The probability of a row with missing (NaN) values: the sum over all its completions.
///
/// # Errors
/// As [`completions`].
pub fn marginal(circuit: &Circuit, row: &[f64]) -> Result<f64, BruteForceError> {
    let rows = completions(circuit, row)?;
    Ok(rows.iter().map(|row| log_likelihood(circuit, row, None).exp()).sum())
}

/// The sum over all states, 1 for a normalised circuit.
///
/// # Errors
/// As [`completions`].
pub fn total_probability(circuit: &Circuit) -> Result<f64, BruteForceError> {
    marginal(circuit, &vec![f64::NAN; circuit.variables as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{CircuitOptions, RowOptions, random_circuit, random_row};

    #[test]
    fn normalised_circuits_have_total_one() {
        for seed in 0..300 {
            let circuit = random_circuit(seed, &CircuitOptions::discrete());
            let total = total_probability(&circuit).unwrap();
            assert!((total - 1.0).abs() < 1e-9, "seed {seed}: {total}");
        }
    }

    #[test]
    fn a_missing_value_is_the_sum_over_its_states() {
        let options = RowOptions { missing: 0.5, odd_states: 0.0, ..RowOptions::default() };
        for seed in 0..300 {
            let circuit = random_circuit(seed, &CircuitOptions::discrete());
            let row = random_row(&circuit, seed, &options);
            let sum = marginal(&circuit, &row).unwrap();
            let direct = log_likelihood(&circuit, &row, None).exp();
            assert!((sum - direct).abs() < 1e-9 * sum.max(1e-3), "seed {seed}: {sum} {direct}");
        }
    }

    #[test]
    fn circuits_without_countable_states_are_refused() {
        let mut continuous = 0;
        for seed in 0..100 {
            let circuit = random_circuit(seed, &CircuitOptions::default());
            continuous += usize::from(total_probability(&circuit).is_err());
        }
        assert!(continuous > 20);
    }
}
