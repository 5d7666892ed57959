//! A normalised network says log 1 = 0 of rows without evidence, 2,000 of them.

use proptest::prelude::*;
use spn_compiler::Options;
use spn_runtime::Number;
use spn_testkit::CircuitOptions;
use spn_testkit::random::{Sample, circuits};

use crate::{batch, cases, executable, widen};

const ROWS: usize = 2_000;

fn largest<E: Number>(sample: &Sample) -> f64 {
    let circuit = &sample.circuit;
    let values = vec![E::nan(); ROWS * circuit.variables as usize];
    let executable = executable::<E>(circuit, &Options::default(), 2);
    let likelihoods = widen(&executable.log_likelihood(batch(circuit, &values)).unwrap());
    assert_eq!(likelihoods.len(), ROWS);
    assert!(likelihoods.iter().all(|value| *value == likelihoods[0]), "equal rows differ");
    likelihoods[0].abs()
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn rows_without_evidence_have_probability_one(sample in circuits(CircuitOptions::default())) {
        prop_assert!(largest::<f64>(&sample) <= 1e-12);
        prop_assert!(largest::<f32>(&sample) <= 1e-6);
    }
}
