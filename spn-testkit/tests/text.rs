//! The text form of circuits: what is printed is read back, and no text whatever makes the parser
//! panic.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spn_ir::{Circuit, Formula, LeafFamily, NodeKind, Origin, Slice, text};
use spn_testkit::random::circuits;
use spn_testkit::{CircuitOptions, evaluate, invalid_circuit, random_circuit, random_row};

/// Everything but origins, which become line numbers.
fn assert_same(new: &Circuit, old: &Circuit) {
    assert_eq!(new.variables, old.variables);
    assert_eq!(new.normalisation, old.normalisation);
    assert_eq!(new.root, old.root);
    assert_eq!(new.tables, old.tables);
    assert_eq!(new.quantities, old.quantities);
    assert_eq!(new.nodes.len(), old.nodes.len());
    for ((id, a), b) in new.iter().zip(&old.nodes) {
        assert_eq!((&a.kind, a.width, a.dropout), (&b.kind, b.width, b.dropout));
        assert_eq!(new.scope(id), old.scopes.get(b.scope));
        assert!(matches!(a.origin, Origin::Line(_)));
    }
    assert_eq!(new.parameters.len(), old.parameters.len());
    for ((_, a), (_, b)) in new.parameters.iter().zip(old.parameters.iter()) {
        assert_eq!((&a.name, &a.shape, a.trainable), (&b.name, &b.shape, b.trainable));
        assert_eq!(a.constraint, b.constraint);
        let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&a.values), bits(&b.values));
    }
}

/// The circuit with the parameters of each node named as the parser names those that stand in the
/// node's line, so that the printer has something to put there.
fn with_inline_names(mut circuit: Circuit) -> Circuit {
    let mut names: Vec<(Slice, String)> = Vec::new();
    for (id, node) in circuit.iter() {
        let name = |attribute| format!("n{}/{attribute}", id.0);
        match &node.kind {
            NodeKind::Sum(sum) => names.push((sum.weights, name("weights"))),
            NodeKind::Leaf(leaf) => match &leaf.family {
                LeafFamily::LocationScale { location, scale, .. } => {
                    names.push((*location, name("location")));
                    names.push((*scale, name("scale")));
                }
                LeafFamily::Categorical { probabilities, .. } => {
                    names.push((*probabilities, name("probabilities")));
                }
                LeafFamily::Indicator => {}
            },
            NodeKind::Product(_) => {}
        }
    }
    for (slice, name) in names {
        if let Formula::Direct(id) = circuit.quantities[slice.quantity.index()].formula {
            circuit.parameters.get_mut(id).name = name;
        }
    }
    circuit
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_read_back(sample in circuits(CircuitOptions::default())) {
        let circuit = sample.circuit;
        let printed = text::print(&circuit);
        let again = text::parse(&printed).map_err(|error| TestCaseError::fail(error.to_string()))?;
        assert_same(&again, &circuit);
        prop_assert_eq!(text::print(&again), printed);
        let row = random_row(&circuit, sample.seed, &spn_testkit::RowOptions::default());
        prop_assert_eq!(evaluate(&circuit, &row, None), evaluate(&again, &row, None));
    }

    #[test]
    fn parameters_in_a_nodes_line_are_read_back(sample in circuits(CircuitOptions::default())) {
        let circuit = with_inline_names(sample.circuit);
        let printed = text::print(&circuit);
        let again = text::parse(&printed).map_err(|error| TestCaseError::fail(error.to_string()))?;
        assert_same(&again, &circuit);
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let _ = text::parse(&text);
        let _ = text::parse(&format!("spn 1\nvariables 3\n{text}"));
    }
}

#[test]
fn some_parameters_are_printed_in_their_nodes_line() {
    let inline = (0..100).filter(|&seed| {
        let circuit = with_inline_names(random_circuit(seed, &CircuitOptions::default()));
        let text = text::print(&circuit);
        text.contains("weights=[") && text.contains("location=[") && text.contains("scale=[")
    });
    assert!(inline.count() > 10);
}

#[test]
fn invalid_circuits_are_read_back_unless_they_hold_nan() {
    for seed in 0..200 {
        let (circuit, _) = invalid_circuit(seed);
        let has_nan = circuit.parameters.iter().any(|(_, p)| p.values.iter().any(|x| x.is_nan()));
        match text::parse(&text::print(&circuit)) {
            Ok(again) => assert_same(&again, &circuit),
            Err(error) => assert!(has_nan && error.message().contains("NaN"), "{error}"),
        }
    }
}

/// Pieces that mutations put in: every keyword and much that is nearly right.
const PIECES: &[&str] = &[
    "spn",
    "variables",
    "normalise",
    "fixed",
    "sample-wise",
    "parameter",
    "quantity",
    "table",
    "leaf",
    "product",
    "sum",
    "one",
    "dropout",
    "root",
    "normal",
    "categorical",
    "indicator",
    "location",
    "scale=",
    "weights=",
    "probabilities=[",
    "states=3",
    "pick=[",
    "outer",
    "keep-one",
    "input",
    "rescale",
    "rate=",
    "frozen",
    "constraint=clip(",
    "log-normalized(-9)",
    "bounds=[",
    "softmax(",
    "ratio(",
    "moment-scale(",
    "x0",
    "x1",
    "x4294967295",
    "x67108864",
    "99999999999",
    "-1",
    "1e999",
    "nan",
    "-inf",
    "inf",
    "0",
    "18446744073709551616",
    "[",
    "]",
    "(",
    ")",
    "=",
    ",",
    ";",
    "@",
    "@4294967295",
    "#",
    "\"",
    "\\",
    "\n",
    "\r\n",
    " ",
    "\t",
    "é",
    "\u{feff}",
    "…",
    "n0",
    "n1",
    "n2",
    "q0",
    "q1",
    "t0",
    "p0",
    "p1",
];

/// One random change of a text.
fn mutate(rng: &mut ChaCha8Rng, text: &mut String) {
    let place = |rng: &mut ChaCha8Rng, text: &str| {
        let mut at = rng.random_range(0..=text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (a, b) = (place(rng, text), place(rng, text));
    let (from, to) = (a.min(b), a.max(b).min(a.min(b) + 40));
    let to = (to..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    match rng.random_range(0..9) {
        // Another digit: the change that is most often still a circuit.
        5.. => {
            let digits: Vec<usize> =
                text.bytes().enumerate().filter(|(_, b)| b.is_ascii_digit()).map(|b| b.0).collect();
            if !digits.is_empty() {
                let at = digits[rng.random_range(0..digits.len())];
                let digit = rng.random_range(0..10).to_string();
                text.replace_range(at..=at, &digit);
            }
        }
        0 => text.truncate(a),
        1 => text.replace_range(from..to, ""),
        2 => {
            let copy = text[from..to].to_owned();
            text.insert_str(place(rng, text), &copy);
        }
        3 => {
            let lines: Vec<&str> = text.lines().collect();
            let mut lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
            if lines.len() > 1 {
                let (i, j) = (rng.random_range(0..lines.len()), rng.random_range(0..lines.len()));
                lines.swap(i, j);
            }
            *text = lines.join("\n");
        }
        _ => text.insert_str(a, PIECES[rng.random_range(0..PIECES.len())]),
    }
}

#[test]
fn mutated_texts_are_read_or_refused() {
    let options = CircuitOptions {
        size: 8,
        maximum_variables: 3,
        maximum_width: 3,
        ..CircuitOptions::default()
    };
    let texts: Vec<String> = (0..50)
        .map(|seed| text::print(&with_inline_names(random_circuit(seed, &options))))
        .filter(|text| text.len() < 3000)
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (mut read, mut refused) = (0, 0);
    for round in 0..60_000 {
        let mut mutated = texts[round % texts.len()].clone();
        for _ in 0..rng.random_range(1..4) {
            mutate(&mut rng, &mut mutated);
        }
        match text::parse(&mutated) {
            // What was read can be printed and read again.
            Ok(circuit) => {
                read += 1;
                let printed = text::print(&circuit);
                let again = text::parse(&printed).unwrap_or_else(|e| panic!("{e}\n{printed}"));
                assert_same(&again, &circuit);
                let _ = text::print_structure(&circuit);
            }
            Err(error) => {
                refused += 1;
                assert!(error.line >= 1 && error.column >= 1);
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(read > 1000 && refused > 10_000, "{read} {refused}");
}
