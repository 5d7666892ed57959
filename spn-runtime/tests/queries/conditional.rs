//! Conditional log-probabilities against enumeration.

use spn_ir::Normalisation;
use spn_runtime::RunError;
use spn_testkit::brute_force::marginal;
use spn_testkit::{CircuitOptions, RowOptions, random_circuit, random_row};

use crate::{assert_near, batch, executable, flat};

#[test]
fn conditionals_are_ratios_of_sums_over_completions() {
    let (mut undefined, mut impossible, mut finite) = (0, 0, 0);
    for seed in 0..150 {
        let circuit = random_circuit(seed, &CircuitOptions::discrete());
        let options = |missing| RowOptions { missing, ..RowOptions::default() };
        let rows = |missing, first: u64| -> Vec<Vec<f64>> {
            (first..first + 20).map(|row| random_row(&circuit, row, &options(missing))).collect()
        };
        let (mut asked, given) = (rows(0.4, seed * 50), rows(0.6, seed * 50 + 25));
        // Every other row asks for what is not given only.
        for (asked, given) in asked.iter_mut().zip(&given).step_by(2) {
            let known = asked.iter_mut().zip(given).filter(|(_, given)| !given.is_nan());
            known.for_each(|(asked, _)| *asked = f64::NAN);
        }
        let (asked_values, given_values) = (flat::<f64>(&asked), flat::<f64>(&given));
        let executable = executable::<f64>(&circuit, 2);
        let (asked_rows, given_rows) =
            (batch(&circuit, &asked_values), batch(&circuit, &given_values));
        let answers = executable.log_conditional(asked_rows, given_rows).unwrap();
        for ((asked, given), answer) in asked.iter().zip(&given).zip(answers) {
            let joint: Vec<f64> =
                asked.iter().zip(given).map(|(q, e)| if e.is_nan() { *q } else { *e }).collect();
            let differs = |(q, e): (&f64, &f64)| !q.is_nan() && !e.is_nan() && q != e;
            let contradicts = asked.iter().zip(given).any(differs);
            let evidence = marginal(&circuit, given).unwrap();
            let together = if contradicts { 0.0 } else { marginal(&circuit, &joint).unwrap() };
            if evidence == 0.0 {
                assert!(answer.is_nan());
                undefined += 1;
            } else {
                assert_near(answer, (together / evidence).ln(), 1e-9, "conditional");
                impossible += usize::from(together == 0.0);
                finite += usize::from(together > 0.0);
            }
        }
    }
    assert!(
        undefined > 20 && impossible > 100 && finite > 1000,
        "{undefined} {impossible} {finite}"
    );
}

#[test]
fn one_row_of_evidence_stands_for_all() {
    let circuit = random_circuit(3, &CircuitOptions::discrete());
    let options = RowOptions { odd_states: 0.0, ..RowOptions::default() };
    let rows: Vec<Vec<f64>> = (0..9).map(|row| random_row(&circuit, row, &options)).collect();
    let nothing = vec![f64::NAN; circuit.variables as usize];
    let (asked, given) = (flat::<f64>(&rows), flat::<f64>(&[nothing]));
    let executable = executable::<f64>(&circuit, 1);
    let (asked, given) = (batch(&circuit, &asked), batch(&circuit, &given));
    let answers = executable.log_conditional(asked, given).unwrap();
    assert_eq!(answers, executable.log_likelihood(asked).unwrap());
    assert_eq!(executable.log_conditional(given, given), Ok(vec![0.0]));
    let error = executable.log_conditional(given, asked).unwrap_err();
    assert!(matches!(error, RunError::WrongLength { .. }));
}

#[test]
fn rows_that_are_standardised_by_themselves_have_no_conditionals() {
    let mut refused = 0;
    for seed in 0..200 {
        let circuit = random_circuit(seed, &CircuitOptions::default());
        let values = vec![1.0; circuit.variables as usize];
        let rows = batch(&circuit, &values);
        let answer = executable::<f64>(&circuit, 1).log_conditional(rows, rows);
        let by_itself = matches!(circuit.normalisation, Some(Normalisation::SampleWise { .. }));
        assert_eq!(answer.is_err(), by_itself);
        refused += usize::from(by_itself);
    }
    assert!(refused > 5, "{refused}");
}
