//! Small discrete networks, enumerated: probabilities of all states sum to 1, and the likelihood
//! of a row with missing values is the sum over what they may be.

use proptest::prelude::*;
use spn_compiler::Options;
use spn_runtime::Executable;
use spn_testkit::brute_force::completions;
use spn_testkit::random::circuits_with_rows;
use spn_testkit::{CircuitOptions, RowOptions};

use crate::{batch, cases, executable, flat};

/// Linear probabilities of these rows.
fn probabilities(executable: &Executable<f64>, rows: &[Vec<f64>]) -> Vec<f64> {
    let columns = executable.plan().variables as usize;
    let values = flat::<f64>(rows);
    let rows = spn_runtime::Rows::new(&values, columns).unwrap();
    executable.log_likelihood(rows).unwrap().into_iter().map(f64::exp).collect()
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn marginals_are_sums_over_states(
        (sample, rows) in circuits_with_rows(
            CircuitOptions::discrete(),
            RowOptions { missing: 0.5, odd_states: 0.1, ..RowOptions::default() },
            6,
        )
    ) {
        let circuit = &sample.circuit;
        let executable = executable::<f64>(circuit, &Options::default(), 1);
        let everything = vec![f64::NAN; circuit.variables as usize];
        let states = completions(circuit, &everything).unwrap();
        let total: f64 = probabilities(&executable, &states).iter().sum();
        prop_assert!((total - 1.0).abs() < 1e-12 * states.len() as f64, "total {}", total);
        for row in rows {
            let marginal = probabilities(&executable, std::slice::from_ref(&row))[0];
            let states = completions(circuit, &row).unwrap();
            let sum: f64 = probabilities(&executable, &states).iter().sum();
            prop_assert!((sum - marginal).abs() <= 1e-12 * sum, "{} {}", marginal, sum);
        }
    }

    #[test]
    fn masks_are_missing_values(
        (sample, rows) in circuits_with_rows(CircuitOptions::default(), RowOptions::default(), 20),
        hidden in proptest::num::u64::ANY,
    ) {
        let circuit = &sample.circuit;
        let executable = executable::<f64>(circuit, &Options::default(), 1);
        let mut values = flat::<f64>(&rows);
        let mask: Vec<bool> = (0..values.len()).map(|i| hidden.rotate_left(i as u32) & 3 != 0).collect();
        let masked = batch(circuit, &values).with_mask(&mask).unwrap();
        let masked = executable.log_likelihood(masked).unwrap();
        for (value, observed) in values.iter_mut().zip(&mask) {
            if !observed {
                *value = f64::NAN;
            }
        }
        let missing = executable.log_likelihood(batch(circuit, &values)).unwrap();
        prop_assert_eq!(crate::bits(&masked), crate::bits(&missing));
    }
}
