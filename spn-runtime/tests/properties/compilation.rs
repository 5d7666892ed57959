//! What the compiler does to a circuit does not show in values and gradients: simplification,
//! fusion, dropout that is compiled in but off, and the way through a file.

use proptest::prelude::*;
use spn_compiler::{Options, compile};
use spn_ir::container::{Precision, read_plan, write_plan};
use spn_runtime::{Executable, GradientOptions, Number};
use spn_testkit::random::{Sample, circuits_with_rows};
use spn_testkit::{CircuitOptions, RowOptions, compare_each, log_likelihood};

use crate::{all_nodes, assert_gradients_close, batch, bits, cases, executable, flat, widen};

/// The ways to compile a circuit that must agree: as usual, with nothing simplified or fused, and
/// with dropout kept.
fn ways(sample: &Sample) -> [Options; 3] {
    let outputs = all_nodes(&sample.circuit);
    [
        Options::default(),
        Options { outputs, ..Options::default() },
        Options { dropout: true, ..Options::default() },
    ]
}

fn check_values<E: Number>(sample: &Sample, rows: &[Vec<f64>], tolerance: f64) {
    let circuit = &sample.circuit;
    let values = flat::<E>(rows);
    let expected: Vec<f64> = rows.iter().map(|row| log_likelihood(circuit, row, None)).collect();
    for options in ways(sample) {
        let executable = executable::<E>(circuit, &options, 2);
        let actual = executable.log_likelihood(batch(circuit, &values)).unwrap();
        compare_each(&widen(&actual), &expected, tolerance).unwrap();
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn every_way_to_compile_gives_the_values_of_the_reference(
        (sample, rows) in circuits_with_rows(CircuitOptions::default(), RowOptions::default(), 20)
    ) {
        check_values::<f64>(&sample, &rows, 1e-12);
    }

    #[test]
    fn every_way_to_compile_gives_the_values_of_the_reference_in_single_precision(
        (sample, rows) in circuits_with_rows(CircuitOptions::gentle(), RowOptions::default(), 20)
    ) {
        check_values::<f32>(&sample, &rows, 1e-5);
    }

    #[test]
    fn every_way_to_compile_gives_the_same_gradients(
        (sample, rows) in circuits_with_rows(
            CircuitOptions { extreme: false, ..CircuitOptions::default() },
            RowOptions { large: 0.0, ..RowOptions::default() },
            20,
        )
    ) {
        let circuit = &sample.circuit;
        let values = flat::<f64>(&rows);
        let options = GradientOptions { inputs: true, ..GradientOptions::default() };
        let [usual, unfused, dropout] = ways(&sample)
            .map(|way| executable::<f64>(circuit, &way, 1).gradient(batch(circuit, &values), &options).unwrap());
        for other in [unfused, dropout] {
            compare_each(&[other.loss], &[usual.loss], 1e-12).unwrap();
            assert_gradients_close(&other.inputs, &usual.inputs, 1e-9);
            let pairs = other.parameters.iter().zip(&usual.parameters);
            for ((_, parameter), (other, usual)) in circuit.parameters.iter().zip(pairs) {
                if parameter.trainable {
                    assert_gradients_close(other, usual, 1e-9);
                }
            }
        }
    }

    #[test]
    fn a_plan_from_a_file_gives_the_same_bits(
        (sample, rows) in circuits_with_rows(CircuitOptions::default(), RowOptions::default(), 20),
        dropout in proptest::bool::ANY,
    ) {
        let circuit = &sample.circuit;
        let plan = compile(circuit, &Options { dropout, ..Options::default() }).unwrap();
        let mut file = Vec::new();
        write_plan(&mut file, Precision::Double, &plan).unwrap();
        let again = read_plan(&file).unwrap();
        prop_assert_eq!(&again, &plan);

        let values = flat::<f64>(&rows);
        let results = [plan, again].map(|plan| {
            let executable = Executable::<f64>::new(plan).unwrap();
            let gradient =
                executable.gradient(batch(circuit, &values), &GradientOptions::default()).unwrap();
            let likelihoods = executable.log_likelihood(batch(circuit, &values)).unwrap();
            (bits(&likelihoods), bits(&gradient.parameters.concat()), gradient.loss.to_bits())
        });
        prop_assert_eq!(&results[0], &results[1]);
    }

    #[test]
    fn single_precision_in_the_file_is_enough_for_single_precision(
        (sample, rows) in circuits_with_rows(CircuitOptions::gentle(), RowOptions::default(), 20)
    ) {
        let circuit = &sample.circuit;
        let plan = compile(circuit, &Options::default()).unwrap();
        let mut file = Vec::new();
        write_plan(&mut file, Precision::Single, &plan).unwrap();
        let again = read_plan(&file).unwrap();
        let values = flat::<f32>(&rows);
        let results = [plan, again].map(|plan| {
            let executable = Executable::<f32>::new(plan).unwrap();
            bits(&executable.log_likelihood(batch(circuit, &values)).unwrap())
        });
        prop_assert_eq!(&results[0], &results[1]);
    }
}
