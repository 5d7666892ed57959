//! Texts that are circuits, and texts that are not.

use super::*;
use crate::text::MAXIMUM_VARIABLES;
use crate::{CircuitError, NodeId};

/// A circuit file over two variables with these nodes.
fn file(nodes: &str, root: u64) -> String {
    format!(
        r#"{{"format": "spn-nodes-v1", "name": "test", "num_vars": 2, "root": {root},
            "info": {{"learner": "none"}}, "nodes": [{nodes}]}}"#
    )
}

const LEAVES: &str = r#"{"id": 10, "type": "bernoulli", "scope": [0], "p": 0.3},
    {"id": 3, "type": "gaussian", "scope": [1], "mean": -1.5, "std": 0.5},
    {"id": 4, "type": "categorical", "scope": [1], "probs": [0.2, 0.5, 0.3]},"#;

/// The error of reading the leaves and one more node.
fn error_of(node: &str) -> NodesError {
    read(&file(&format!("{LEAVES}{node}"), 10)).unwrap_err()
}

#[test]
fn nodes_keep_their_order_and_share_tensors() {
    let rest = r#"{"id": 5, "type": "sum", "scope": [1], "children": [3, 4], "weights": [0.25, 0.75]},
        {"id": 6, "type": "product", "scope": [1, 0], "children": [10, 5]}"#;
    let circuit = read(&file(&format!("{LEAVES}{rest}"), 6)).unwrap();
    assert_eq!(circuit.root, NodeId(4));
    assert_eq!(circuit.variables, 2);
    assert_eq!(circuit.children(NodeId(4)), [NodeId(0), NodeId(3)]);
    let values = |name: &str| {
        let id = circuit.parameters.find(name).unwrap();
        circuit.parameters.get(id).values.clone()
    };
    assert_eq!(values("probabilities"), [0.7, 0.3, 0.2, 0.5, 0.3]);
    assert_eq!(values("weights"), [0.25, 0.75]);
    assert_eq!((values("location"), values("scale")), (vec![-1.5], vec![0.5]));
}

#[test]
fn errors_name_the_node() {
    let missing = error_of(r#"{"id": 5, "type": "sum", "scope": [1], "children": [3]}"#);
    assert_eq!(missing, NodesError::Missing { id: 5, kind: "sum", key: "weights" });
    let child = error_of(r#"{"id": 5, "type": "product", "scope": [1], "children": [3, 9]}"#);
    assert_eq!(child, NodesError::UnknownChild { id: 5, child: 9 });
    let itself = error_of(r#"{"id": 5, "type": "product", "scope": [1], "children": [5]}"#);
    assert_eq!(itself, NodesError::UnknownChild { id: 5, child: 5 });
    let id = error_of(r#"{"id": 3, "type": "bernoulli", "scope": [0], "p": 1}"#);
    assert_eq!(id, NodesError::DuplicateId { id: 3 });
    let scope = error_of(r#"{"id": 5, "type": "product", "scope": [0], "children": [10, 3]}"#);
    let (declared, actual) = (vec![0], vec![0, 1]);
    assert_eq!(scope, NodesError::WrongScope { id: 5, declared, actual });
    let count =
        error_of(r#"{"id": 5, "type": "sum", "scope": [1], "children": [3, 4], "weights": [1.0]}"#);
    assert_eq!(count, NodesError::WeightCount { id: 5, weights: 1, children: 2 });
    let found = "poisson".to_owned();
    let unknown = error_of(r#"{"id": 5, "type": "poisson", "scope": [1], "rate": 2}"#);
    assert_eq!(unknown, NodesError::UnknownType { id: 5, found });
    let wide = error_of(r#"{"id": 5, "type": "bernoulli", "scope": [0, 1], "p": 1}"#);
    assert!(matches!(wide, NodesError::LeafScope { id: 5, found: 2, .. }));
}

#[test]
fn values_have_ranges() {
    for node in [
        r#"{"id": 5, "type": "bernoulli", "scope": [0], "p": 1.5}"#,
        r#"{"id": 5, "type": "categorical", "scope": [0], "probs": [0.5, -0.5]}"#,
        r#"{"id": 5, "type": "gaussian", "scope": [0], "mean": 0, "std": 0}"#,
        r#"{"id": 5, "type": "sum", "scope": [1], "children": [3], "weights": [0]}"#,
    ] {
        assert!(matches!(error_of(node), NodesError::BadValue { id: 5, .. }), "{node}");
    }
    let outside = error_of(r#"{"id": 5, "type": "bernoulli", "scope": [7], "p": 0.5}"#);
    assert!(matches!(
        outside,
        NodesError::Refused { id: 5, error: CircuitError::UnknownVariable { variable: 7, .. } }
    ));
    let empty = error_of(r#"{"id": 5, "type": "categorical", "scope": [0], "probs": []}"#);
    assert_eq!(empty, NodesError::Missing { id: 5, kind: "categorical", key: "probs" });
    for node in [
        r#"{"id": 5, "type": "product", "scope": [], "children": []}"#,
        r#"{"id": 5, "type": "sum", "scope": [], "children": [], "weights": []}"#,
    ] {
        assert!(matches!(error_of(node), NodesError::Refused { id: 5, .. }), "{node}");
    }
}

#[test]
fn files_have_a_header() {
    let syntax = read("{\"format\": 3").unwrap_err();
    assert!(matches!(syntax, NodesError::Syntax { line: 1, .. }), "{syntax}");
    let other = file("", 0).replace("v1", "v2");
    assert!(matches!(read(&other).unwrap_err(), NodesError::Format { .. }));
    assert_eq!(read(&file("", 0)).unwrap_err(), NodesError::UnknownRoot { id: 0 });
    let many = file("", 0).replace("\"num_vars\": 2", "\"num_vars\": 99999999999");
    assert_eq!(read(&many).unwrap_err(), NodesError::TooManyVariables { found: 99_999_999_999 });
}

#[test]
fn scopes_stay_within_their_memory() {
    let count = MAXIMUM_VARIABLES;
    let nodes: Vec<String> = (0..200)
        .map(|id| {
            let variable = count - 1 - id;
            format!(r#"{{"id": {id}, "type": "bernoulli", "scope": [{variable}], "p": 0.5}}"#)
        })
        .collect();
    let text =
        file(&nodes.join(","), 0).replace("\"num_vars\": 2", &format!("\"num_vars\": {count}"));
    assert!(matches!(read(&text).unwrap_err(), NodesError::ScopesTooLarge { .. }));
}

/// Bytes changed at will give a circuit or an error.
#[test]
fn no_text_makes_the_reader_panic() {
    let rest = r#"{"id": 5, "type": "sum", "scope": [1], "children": [3, 4], "weights": [0.25, 0.75]},
        {"id": 6, "type": "product", "scope": [1, 0], "children": [10, 5]}"#;
    let text = file(&format!("{LEAVES}{rest}"), 6);
    for at in 0..text.len() {
        for replacement in ["", "9", "-", "]", "\"", "e", "99999999999999999999"] {
            let mut changed = text.clone();
            changed.replace_range(at..=at, replacement);
            let _ = read(&changed);
        }
        let _ = read(&text[..at]);
    }
}
