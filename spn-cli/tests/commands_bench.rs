//! `spn bench`, end to end: what it tells and what it refuses. No test asserts a time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod commands_support;

use commands_support::{Folder, has, repository, tiny};
use serde_json::{Value, json};

/// So short that most calls are timed once in each round.
const SHORT: &str = "--seconds 0.01";

fn positive(json: &Value, field: &str) -> f64 {
    let value = json[field].as_f64().unwrap_or_else(|| panic!("{field} in {json}"));
    assert!(value > 0.0 && value.is_finite(), "{field} in {json}");
    value
}

#[test]
fn every_operation_is_measured_beside_the_peak() {
    let folder = tiny("bench");
    for (op, passes) in [
        ("loglik", 1),
        ("gradient", 3),
        ("adam", 3),
        ("em", 3),
        ("hard-em", 1),
        ("moments", 2),
        ("mpe", 1),
        ("sample-given", 1),
    ] {
        let line = format!("bench @net.json --op {op} --batch 7 --threads 2 {SHORT}");
        let json = folder.json(&line);
        assert_eq!((&json["op"], &json["passes"]), (&json!(op), &json!(passes)));
        assert_eq!((&json["batch"], &json["threads"]), (&json!(7), &json!(2)), "{json}");
        assert_eq!((&json["precision"], &json["data"]), (&json!("f32"), &Value::Null));
        for field in ["compile_s", "l2_gb_s", "l3_gb_s", "memory_gb_s", "samples"] {
            positive(&json, field);
        }
        assert_eq!(json["rerun_fraction"], json!(0.0), "{json}");
        // The figures agree with each other.
        let rows = positive(&json, "rows_per_s");
        assert!((rows * positive(&json, "median_s") / 7.0 - 1.0).abs() < 1e-9, "{json}");
        assert!(json["p99_s"].as_f64() >= json["median_s"].as_f64(), "{json}");
        let flops = 2.0 * positive(&json, "multiply_adds_per_row") * f64::from(passes) * rows;
        assert!((positive(&json, "gflops") / flops * 1e9 - 1.0).abs() < 1e-9, "{json}");
        let fraction = positive(&json, "gflops") / positive(&json, "peak_gflops");
        assert!((positive(&json, "fraction_of_peak") / fraction - 1.0).abs() < 1e-9, "{json}");
    }
}

#[test]
fn data_precision_and_instruction_set_are_those_asked_for() {
    let folder = tiny("bench-data");
    let line = format!("bench @circuit.spn --data @bits.csv --rows 1..4 --batch 2 {SHORT}");
    let json = folder.json(&format!("{line} --isa baseline"));
    assert_eq!((&json["precision"], &json["isa"]), (&json!("f64"), &json!("baseline")));
    assert_eq!(json["rows"], 3);
    has(&json, &["data", "p99_s"]);
    let json = folder.json(&format!("bench @nodes.json --precision f32 --batch 1 {SHORT}"));
    assert_eq!(json["precision"], "f32");
    // Samples need no multiplication, and no evidence.
    let json = folder.json(&format!("bench @circuit.spn --op sample --batch 100 {SHORT}"));
    assert_eq!((positive(&json, "rows_per_s") > 0.0, &json["gflops"]), (true, &json!(0.0)));
    let run = folder.spn(&format!("bench @circuit.spn --op em {SHORT}"));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.contains("GFLOP/s") && run.stdout.contains("of peak"), "{run:?}");
}

#[test]
fn the_readme_network_is_counted_weight_by_weight() {
    let folder = Folder::new("bench-count");
    let network = repository("examples/dgc_spn_mnist.json");
    let json = folder.json(&format!("bench {network} --batch 1 {SHORT}"));
    // Its sums have 1,189,386 weights and no two of them share one.
    assert_eq!(json["multiply_adds_per_row"], 1_189_386);
}

#[test]
fn networks_that_need_data_and_plans_can_be_measured() {
    let folder = tiny("bench-plan");
    let normalize = r#"{"variables": [4], "layers": [
        {"type": "NormalizeStandardScore", "axes": "variable-wise"}, {"type": "FlatToRegions", "num_decomps": 1},
        {"type": "NormalLeaf", "num_components": 2}, {"type": "DenseProduct", "num_factors": 4},
        {"type": "RootSum"}]}"#;
    folder.write("normalize.json", normalize);
    positive(&folder.json(&format!("bench @normalize.json {SHORT}")), "rows_per_s");
    assert_eq!(folder.spn("compile @net.json -o @plan").code, 0);
    positive(&folder.json(&format!("bench @plan --op gradient {SHORT}")), "rows_per_s");
    folder.fails("bench @plan --op em", 2, &["compiled plan"]);
}

#[test]
fn wrong_use_is_told() {
    let folder = tiny("bench-wrong");
    let cases: [(&str, &[&str]); 8] = [
        ("bench @net.json --op map", &["map", "loglik", "hard-em"]),
        ("bench @net.json --batch 0", &["at least 1"]),
        ("bench @net.json --seconds 0", &["greater than 0"]),
        ("bench @net.json --rows 0..2", &["--data"]),
        ("bench @net.json --data @bits.csv", &["rows of 2", "4 variables"]),
        ("bench @net.json --data @missing.csv", &["missing.csv"]),
        ("bench @circuit.spn --op adam", &["no constraint", "--op gradient"]),
        ("bench @bits.csv", &["no model"]),
    ];
    for (line, words) in cases {
        folder.fails(line, 2, words);
    }
    let leaf = "spn 1\nvariables 2\na = leaf indicator(0) x2\nb = leaf indicator(1) x2\n";
    folder.write(
        "bad.spn",
        format!("{leaf}p = product(a, b)\ns = sum(p) weights=[0.5 0.6]\nroot s\n"),
    );
    folder.fails("bench @bad.spn", 1, &["invalid", "spn check"]);
    assert_eq!(folder.spn(&format!("bench @bad.spn --allow-invalid {SHORT}")).code, 0);
}
