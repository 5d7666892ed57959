//! The queries as commands: what they write, what they print, what they refuse. The circuit is `0.3 ·
//! (0.2 0.8)(a) · (0.5 0.5)(b) + 0.7 · (0.6 0.4)(a) · (0.9 0.1)(b)`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod commands_support;

use commands_support::{Folder, has, tiny};
use serde_json::json;
use spn_cli::data::{self, npz_arrays};

/// Row 0 observes nothing, row 1 `b = 1`, row 2 is impossible.
const EVIDENCE: &str = ",\n,1\n,7\n";

fn folder(test: &str) -> Folder {
    let folder = tiny(test);
    folder.write("circuit.spn", commands_support::CIRCUIT);
    folder.write("e.csv", EVIDENCE);
    folder
}

fn table(folder: &Folder, name: &str) -> data::Table {
    data::read(folder.path(name).to_str().unwrap(), None).unwrap()
}

/// p(a = 1 | b = 1)
fn posterior() -> f64 {
    (0.3 * 0.8 * 0.5 + 0.7 * 0.4 * 0.1) / (0.3 * 0.5 + 0.7 * 0.1)
}

#[test]
fn samples_follow_the_evidence() {
    let folder = folder("sample");
    let json = folder.json("sample @circuit.spn -n 2000 --data @e.csv --out @s.npy --seed 3");
    has(&json, &["rows", "rows_per_s", "out"]);
    assert_eq!((&json["rows"], &json["impossible_rows"]), (&json!(6000), &json!(1)));
    let samples = table(&folder, "s.npy");
    assert_eq!((samples.rows, samples.columns), (6000, 2));
    let given: Vec<&[f32]> = samples.values.chunks(2).skip(2000).take(2000).collect();
    assert!(given.iter().all(|row| row[1] == 1.0));
    let share = given.iter().filter(|row| row[0] == 1.0).count() as f64 / 2000.0;
    // Five deviations of a frequency.
    assert!((share - posterior()).abs() < 5.0 * (0.25_f64 / 2000.0).sqrt(), "{share}");
    assert!(samples.values[8000..].chunks(2).all(|row| row[0].is_nan() && row[1] == 7.0));

    let draw = |more: &str| {
        let line = format!("sample @circuit.spn -n 500 --out @t.npy {more}");
        assert_eq!(folder.spn(&line).code, 0);
        folder.read("t.npy")
    };
    let first = draw("--seed 1 --threads 1");
    assert!(first == draw("--seed 1 --threads 2") && first != draw("--seed 2"));
    assert!(first != draw("--seed 1 --temperature 0.1"));
    assert_eq!(table(&folder, "t.npy").rows, 500);
    folder.fails("sample @circuit.spn --temperature 0 --out @u.npy", 2, &["temperature"]);
    assert!(!folder.path("u.npy").exists());
}

#[test]
fn images_keep_their_shape_and_networks_without_evidence_may_be_refused() {
    let folder = folder("shape");
    folder.json("sample @net.json -n 3 --out @s.npy");
    assert_eq!(table(&folder, "s.npy").shape, [2, 2, 1]);
    let by_itself = r#""layers": [{"type": "NormalizeStandardScore", "axes": "sample-wise"},"#;
    let network = commands_support::TINY_NETWORK.replace("\"layers\": [", by_itself);
    folder.write("scores.json", network);
    folder.fails("sample @scores.json --out @x.npy", 2, &["mean and deviation", "row 0"]);
    folder.json("sample @scores.json --data @rows.csv --out @x.npy");
}

#[test]
fn the_most_probable_explanation_says_whether_it_is_exact() {
    let folder = folder("mpe");
    let line = "mpe @circuit.spn --data @e.csv --out @m.npy --log-values @v.npy";
    let json = folder.json(line);
    has(&json, &["rows", "exact", "mean_log_value"]);
    assert_eq!((&json["exact"], &json["impossible_rows"]), (&json!(false), &json!(1)));
    let completed = table(&folder, "m.npy").values;
    // The best trees: 0.7 · 0.6 · 0.9, then 0.3 · 0.8 · 0.5.
    assert_eq!(completed[..4], [0.0, 0.0, 1.0, 1.0]);
    assert!(completed[4].is_nan() && completed[5] == 7.0);
    let values = table(&folder, "v.npy").values;
    assert!((values[0] - (0.7 * 0.6 * 0.9_f32).ln()).abs() < 1e-6, "{values:?}");
    assert_eq!(values[2], f32::NEG_INFINITY);
    let sure =
        "spn 1\nvariables 1\na = leaf indicator(0) x2\ns = sum(a) weights=[0.3 0.7]\nroot s\n";
    folder.write("sure.spn", sure);
    let json = folder.json("mpe @sure.spn --out @m.npy");
    assert_eq!(json["exact"], true);
    assert!((json["mean_log_value"].as_f64().unwrap() - 0.7_f64.ln()).abs() < 1e-12);
    assert_eq!(table(&folder, "m.npy").values, [1.0]);
}

#[test]
fn conditionals_tell_impossible_questions_from_impossible_evidence() {
    let folder = folder("conditional");
    folder.write("q.csv", "1,\n1,\n1,\n");
    let line = "conditional @circuit.spn --data @q.csv --given @e.csv --out @c.npy";
    let json = folder.json(line);
    has(&json, &["mean", "rows"]);
    assert_eq!((&json["impossible_evidence"], &json["impossible_rows"]), (&json!(1), &json!(0)));
    let values = table(&folder, "c.npy").values;
    let free = 0.3 * 0.8 + 0.7 * 0.4_f64;
    assert!((f64::from(values[0]) - free.ln()).abs() < 1e-6, "{values:?}");
    assert!((f64::from(values[1]) - posterior().ln()).abs() < 1e-6 && values[2].is_nan());
    // Contradiction; one row of evidence for all.
    folder.write("one.csv", "0,1\n");
    let json = folder.json("conditional @circuit.spn --data @q.csv --given @one.csv --rows 0..2");
    assert_eq!((&json["impossible_rows"], &json["mean"]), (&json!(2), &json!(null)));
    folder.write("two.csv", "0,1\n,1\n");
    let wrong = "conditional @circuit.spn --data @q.csv --given @two.csv";
    folder.fails(wrong, 2, &["2 rows of evidence", "3 rows"]);
}

#[test]
fn marginals_and_moments_are_those_of_the_formula() {
    let folder = folder("marginals");
    let json = folder.json("marginals @circuit.spn --data @e.csv --out @m.npz");
    assert_eq!((&json["rows"], &json["discrete_variables"]), (&json!(3), &json!(2)));
    let arrays = npz_arrays(&folder.path("m.npz")).unwrap();
    assert_eq!(arrays["states"].values, [2.0, 2.0]);
    let probabilities = &arrays["probabilities"];
    assert_eq!(probabilities.shape, [3, 2, 2]);
    let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
    near(probabilities.values[1], 0.3 * 0.8 + 0.7 * 0.4);
    near(probabilities.values[5], posterior());
    assert_eq!(probabilities.values[6..8], [0.0, 1.0]);
    assert!(probabilities.values[8..].iter().all(|p| p.is_nan()));

    folder.json("moments @circuit.spn --data @e.csv --out @n.npz");
    let arrays = npz_arrays(&folder.path("n.npz")).unwrap();
    near(arrays["mean"].values[2], posterior());
    near(arrays["variance"].values[2], posterior() * (1.0 - posterior()));
    assert_eq!((arrays["mean"].values[3], arrays["variance"].values[3]), (1.0, 0.0));
    folder.json("moments @net.json --out @o.npz");
    let arrays = npz_arrays(&folder.path("o.npz")).unwrap();
    assert_eq!(arrays["mean"].shape, [1, 4]);
    assert!(arrays["variance"].values.iter().all(|variance| *variance > 0.0));
}

#[test]
fn invalid_networks_are_refused_even_when_they_are_compiled() {
    let folder = folder("refused");
    let leaf = "spn 1\nvariables 2\na = leaf indicator(0) x2\nb = leaf indicator(1) x2\n";
    for product in ["product(a, a)", "product(a)"] {
        let sum = if product == "product(a)" { "sum(p, b)" } else { "sum(p)" };
        let weights = if product == "product(a)" { "[0.2 0.3 0.1 0.4]" } else { "[0.5 0.5]" };
        folder.write(
            "bad.spn",
            format!("{leaf}p = {product}\ns = {sum} weights={weights}\nroot s\n"),
        );
        for command in ["sample", "mpe", "moments", "marginals"] {
            let line = format!("{command} @bad.spn --out @out");
            folder.fails(&line, 1, &["invalid", "spn check"]);
            folder.fails(&format!("{line} --allow-invalid"), 2, &["needs a valid network"]);
        }
    }
    assert!(!folder.path("out").exists());
}
