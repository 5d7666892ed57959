//! Every format of `spn_ir::formats`: what is written is recognised and read back, and computes the
//! same; where nothing is said to be lost, bit for bit.

use std::collections::BTreeMap;

use proptest::prelude::*;
use spn_ir::formats::{self, FORMATS, WriteError};
use spn_ir::{Circuit, text};
use spn_testkit::random::circuits;
use spn_testkit::{CircuitOptions, RowOptions, log_likelihood, random_circuit, random_row};

fn values(circuit: &Circuit, rows: &[Vec<f64>]) -> Vec<f64> {
    rows.iter().map(|row| log_likelihood(circuit, row, None)).collect()
}

fn rows(circuit: &Circuit, seed: u64) -> Vec<Vec<f64>> {
    (0..4).map(|row| random_row(circuit, seed ^ row, &RowOptions::default())).collect()
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= 1e-12 * a.abs().max(1.0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_whole_circuit_survives(sample in circuits(CircuitOptions::default())) {
        let mut circuit = sample.circuit;
        circuit.layers = vec!["Local2DSum".to_owned(), "\"é\n".to_owned()];
        for name in ["spn-circuit-v1", "spnb"] {
        let format = formats::find(name).unwrap();
        let written = format.write(&circuit).unwrap();
        prop_assert!(written.lost.is_empty());
        let again = formats::read(&written.bytes).map_err(|e| TestCaseError::fail(e.to_string()))?;
        // The text form has everything but origins and layers.
        prop_assert_eq!(text::print(&again), text::print(&circuit));
        prop_assert_eq!(&again.layers, &circuit.layers);
        for (new, old) in again.nodes.iter().zip(&circuit.nodes) {
            prop_assert_eq!(new, old);
        }
        let rows = rows(&circuit, sample.seed);
        let bits = |circuit: &Circuit| -> Vec<u64> {
            values(circuit, &rows).iter().map(|value| value.to_bits()).collect()
        };
        prop_assert_eq!(bits(&again), bits(&circuit));
        }
    }
}

/// Options under which every format can hold some of the circuits.
fn options(seed: u64) -> CircuitOptions {
    CircuitOptions {
        size: 12,
        maximum_width: if seed.is_multiple_of(2) { 1 } else { 4 },
        normalisation: false,
        dropout: seed.is_multiple_of(3),
        discrete_only: seed.is_multiple_of(5),
        extreme: seed.is_multiple_of(7),
        ..CircuitOptions::default()
    }
}

#[test]
fn every_format_keeps_the_function() {
    let mut written: BTreeMap<&str, usize> = BTreeMap::new();
    let mut lossless: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..1500 {
        let circuit = random_circuit(seed, &options(seed));
        let rows = rows(&circuit, seed);
        let expected = values(&circuit, &rows);
        for format in FORMATS {
            let place = format!("{} {seed}", format.name);
            let file = match format.write(&circuit) {
                Ok(file) => file,
                Err(WriteError::CannotHold { .. } | WriteError::ReadOnly { .. }) => continue,
                Err(error) => panic!("{place}: {error}"),
            };
            *written.entry(format.name).or_default() += 1;
            let found = formats::recognise(&file.bytes).map(|format| format.name);
            let text = String::from_utf8_lossy(&file.bytes);
            assert_eq!(found, Some(format.name), "{place}\n{text}");
            let again = format.read(&file.bytes).unwrap_or_else(|e| panic!("{place}: {e}\n{text}"));
            let found = values(&again, &rows);
            let same = expected.iter().zip(&found).all(|(a, b)| close(*a, *b));
            assert!(same, "{place}: {expected:?} {found:?}\n{text}");
            if file.lost.is_empty() {
                *lossless.entry(format.name).or_default() += 1;
                let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&expected), bits(&found), "{place}\n{text}");
                assert_eq!(again.nodes.len(), circuit.nodes.len(), "{place}\n{text}");
            }
            // What was read from a file loses nothing and is written to the same file.
            let fixed = format.write(&again).unwrap_or_else(|e| panic!("{place}: {e}\n{text}"));
            assert_eq!(String::from_utf8_lossy(&fixed.bytes), text, "{place}");
            assert!(fixed.lost.is_empty(), "{place}: {:?}\n{text}", fixed.lost);
        }
    }
    println!("written {written:?}, lossless {lossless:?}");
    for format in FORMATS.iter().filter(|format| format.write.is_some()) {
        assert!(written.get(format.name) > Some(&20), "{}: {written:?}", format.name);
        assert!(lossless.contains_key(format.name), "{}: {lossless:?}", format.name);
    }
}
