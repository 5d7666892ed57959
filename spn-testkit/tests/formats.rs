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

/// Files as the other programs write them, with probabilities that were worked out by hand.
#[test]
fn files_of_other_programs_mean_what_they_say() {
    let missing = f64::NAN;
    let check = |name: &str, file: &str, rows: &[(&[f64], f64)]| {
        assert_eq!(formats::recognise(file.as_bytes()).map(|format| format.name), Some(name));
        let circuit = formats::read(file.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (row, probability) in rows {
            let found = log_likelihood(&circuit, row, None).exp();
            assert!((found - probability).abs() < 1e-9, "{name} {row:?}: {found}, {probability}");
        }
    };
    let jpc = "c tiny\njpc 7\nL 0 0 1\nL 1 0 -1\nC 2 0 2 -0.105360515657826 -2.302585092994046\n\
        C 3 0 2 -1.6094379124341003 -0.2231435513142097\nP 4 0 2 0 2\nP 5 0 2 1 3\n\
        S 6 0 2 4 -1.2039728043259361 5 -0.35667494393873245\n";
    check("jpc", jpc, &[(&[1.0, 0.0], 0.27), (&[0.0, 1.0], 0.56), (&[missing, 0.0], 0.41)]);
    let indicators = "jpc 3\nI 0 0 1 3\nI 1 0 1 2\nS 2 0 2 0 -0.6931471805599453 1 -Inf\n";
    check("jpc", indicators, &[(&[3.0], 0.5), (&[2.0], 0.0), (&[0.0], 0.0)]);
    // T is true with probability 0.5; the decision takes x0 with 0.8 and its negation with 0.2.
    let psdd = "psdd 5\nL 0 0 1\nL 1 0 -1\nT 2 2 2 -0.6931471805599453\nL 3 2 2\n\
        D 4 1 2 0 2 -0.2231435513142097 1 3 -1.6094379124341003\n";
    check("psdd", psdd, &[(&[1.0, 0.0], 0.4), (&[0.0, 0.0], 0.0), (&[missing, 1.0], 0.6)]);
    let equation = "(0.25*((Bernoulli(V0|p=0.9) * Gaussian(V1|mean=-1.5;stdev=2.0))) + \
        0.75*((Bernoulli(V0|p=0.1) * Gaussian(V1|mean=3;stdev=0.5))))";
    let peak = 0.75 * 0.9 / (0.5 * (2.0 * std::f64::consts::PI).sqrt());
    let tail =
        0.25 * 0.1 / (2.0 * (2.0 * std::f64::consts::PI).sqrt()) * (-0.5_f64 * 2.25 * 2.25).exp();
    let rows: &[(&[f64], f64)] = &[(&[1.0, missing], 0.3), (&[0.0, 3.0], peak + tail)];
    check("spflow-text", equation, rows);
    let reference = "SumNode_0 SumNode(0.25*ProductNode_1, 0.75*ProductNode_4){\n\
        ProductNode_1 ProductNode(BernoulliNode_2, GaussianNode_3){\n\
        BernoulliNode_2 Bernoulli(wet|p=0.9)\nGaussianNode_3 Gaussian(warm|mean=-1.5;stdev=2.0)\n}\n\
        ProductNode_4 ProductNode(BernoulliNode_5, GaussianNode_6){\n\
        BernoulliNode_5 Bernoulli(wet|p=0.1)\nGaussianNode_6 Gaussian(warm|mean=3;stdev=0.5)\n}\n\
        }\n# wet;warm";
    check("spflow-reference", reference, rows);
    let json = r#"{"Sum":{"children":[{"Bernoulli":{"id":3,"p":0.9,"scope":[0]}},
        {"Categorical":{"id":4,"p":"[0.2 0.3 0.5]","scope":[0]}}],"id":0,"scope":[0],
        "weights":[0.25,0.75]}}"#;
    check("spflow-json", json, &[(&[0.0], 0.175), (&[1.0], 0.45), (&[2.0], 0.375)]);
    let deeprob = r#"{"directed":true,"multigraph":false,"graph":{},"nodes":[
        {"class":"Sum","scope":[0],"weights":[0.33333333,0.66666666],"id":0},
        {"class":"Bernoulli","scope":[0],"params":{"p":0.9},"id":1},
        {"class":"Categorical","scope":[0],"params":{"categories":[2,0],
        "probabilities":[0.25,0.75]},"id":2}],
        "links":[{"idx":1,"source":1,"target":0},{"idx":0,"source":2,"target":0}]}"#;
    let third = 1.0 / 3.0;
    let rows: &[(&[f64], f64)] =
        &[(&[0.0], third * 0.75 + 2.0 * third * 0.1), (&[2.0], third * 0.25), (&[missing], 1.0)];
    check("deeprob-json", deeprob, rows);
    check("deeprob-json", &deeprob.replace("links", "edges"), rows);
}

/// What is wrong in a file, where, and how to mend it.
#[test]
fn wrong_files_are_explained() {
    let check = |name: &str, file: &str, place: (usize, usize), part: &str| {
        let format = formats::find(name).unwrap();
        let message = format.read(file.as_bytes()).expect_err(file).to_string();
        let (line, column) = place;
        let expected = format!("line {line}, column {column}: ");
        assert!(message.starts_with(&expected) && message.contains(part), "{file}\n{message}");
    };
    check("jpc", "jpc 1\nG 0 0 1 0 1", (2, 1), "L, I, C, P or S");
    check("jpc", "jpc 1\nB 0 0 1 4 -0.5", (2, 1), "the family binomial (B)");
    check("jpc", "jpc 2\nL 0 0 1\nP 1 0 1 7", (3, 9), "node `7` is not defined yet");
    check("jpc", "jpc 2\nL 0 0 1\nS 1 0 2 0 -0.5", (3, 7), "2 are announced");
    check("jpc", "jpc 3\nL 0 0 1", (1, 1), "nodes: 1, but the first line says 3");
    check("jpc", "jpc 1\nC 0 0 1 0.5", (2, 9), "at most 0");
    check("jpc", "jpc 1\nL 0 0 0", (2, 7), "counts from 1");
    check("jpc", "jpc 1\nI 0 0 1 70000", (2, 1), "65535");
    check("psdd", "psdd 2\nL 0 0 1\nD 1 0 1 0 0", (3, 12), "logarithm");
    check(
        "spflow-text",
        "(Poisson(V0|mean=2) * Bernoulli(V1|p=0.5))",
        (1, 2),
        "the family Poisson",
    );
    check("spflow-text", "(0.5*Bernoulli(V0|p=0.5) + Bernoulli(V0|p=0.5))", (1, 28), "a weight");
    check("spflow-text", "(Bernoulli(V0|p=0.5) * Bernoulli(V1|p=1.5))", (1, 24), "from 0 to 1");
    check("spflow-text", "Categorical(V0|p=[0.5, ...])", (1, 24), "left out");
    check("spflow-text", "Gaussian(age|mean=0;stdev=1)", (1, 10), "# name;name;…");
    check("spflow-text", "(Bernoulli(V0|p=0.5)", (1, 21), "the end of the file");
    check("spflow-reference", "A ProductNode(B, C){\nB Bernoulli(V0|p=0)\n}", (1, 18), "`C`");
    check("spflow-reference", "A ProductNode(B){ B ProductNode(A){} }", (1, 1), "below itself");
    let histogram = r#"{"Histogram":{"breaks":[0,1],"densities":[1.0],"id":5,"scope":[0]}}"#;
    check("spflow-json", histogram, (1, 1), "node 5 is a leaf of the family Histogram");
    let sum = "{\"Sum\":{\"children\":[{\"Bernoulli\":{\"p\":0.5,\"scope\":[0]}}],\n\"weights\":[0.5,0.5]}}";
    check("spflow-json", sum, (1, 1), "weights: 2, but there are 1 children");
    let isotonic = "{\"nodes\":[\n{\"class\":\"Isotonic\",\"id\":3,\"scope\":[0]}],\"links\":[]}";
    check("deeprob-json", isotonic, (2, 1), "node 3 is a leaf of the family Isotonic");
    let edge = "{\"nodes\":[{\"class\":\"Product\",\"id\":0}],\n\"links\":[{\"idx\":0,\"source\":4,\"target\":0}]}";
    check("deeprob-json", edge, (2, 28), "node `4` is not defined");
    let typed = "{\"format\":\"spn-circuit-v1\",\"variables\":1,\n\"nodes\":[{\"type\":\"sum\",\"children\":[0]}],\"root\":0}";
    check("spn-circuit-v1", typed, (2, 10), "node 0 needs `weights`");
    let beta = typed.replace("\"sum\"", "\"beta\"");
    check("spn-circuit-v1", &beta, (2, 18), "`type` to be \"normal\"");
    let nodes = "{\"format\":\"spn-nodes-v1\",\"num_vars\":1,\"root\":0,\"nodes\":[\n{\"id\":0,\"type\":\"poisson\",\"scope\":[0]}]}";
    check("spn-nodes-v1", nodes, (2, 1), "node 0: unknown type `poisson`");
    check("spn-nodes-v1", &nodes[..60], (2, 3), "EOF");
}
