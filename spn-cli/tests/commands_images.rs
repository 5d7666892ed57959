//! Commands on images and sequences, end to end: completion, dynamic networks, the demo.

mod commands_support;

use commands_support::{Folder, has, repository, tiny};
use serde_json::{Value, json};
use spn_cli::data;

#[test]
fn completions_are_measured_written_and_drawn() {
    let folder = tiny("complete");
    let line = "complete @net.json --data @rows.csv --hide bottom --out @full.npy --picture @p.png";
    let json = folder.json(line);
    has(&json, &["mse", "files"]);
    assert_eq!((&json["compared"], &json["unfilled"]), (&json!(12), &json!(0)));
    assert!(folder.read("p.png").starts_with(b"\x89PNG"));
    let full = data::read(folder.path("full.npy").to_str().unwrap(), None).unwrap();
    assert_eq!(full.values[4..6], [0.1, 0.0], "what is seen stays");

    folder.write("mask.csv", "1,0,0,0\n");
    let json =
        folder.json("complete @net.json --data @rows.csv --hide @mask.csv --rule most-probable");
    assert_eq!(json["compared"], 6);
    folder.write("holes.csv", "0,?,0,0\n1,1,,1\n");
    let json = folder.json("complete @net.json --data @holes.csv --out @holes.npy");
    assert_eq!(json["mse"], Value::Null);
    let holes = data::read(folder.path("holes.npy").to_str().unwrap(), None).unwrap();
    assert!(holes.values.iter().all(|value| value.is_finite()));

    folder.fails("complete @circuit.spn --data @bits.csv --hide left", 2, &["--shape"]);
    assert_eq!(
        folder.spn("complete @circuit.spn --data @bits.csv --hide left --shape 1,2").code,
        0
    );
    folder.fails("complete @net.json --data @rows.csv --hide @rows.csv --shape 3,3", 2, &["3, 3"]);
    folder.fails("complete @net.json --data @rows.csv", 2, &["--out"]);
    let json = folder.json("complete @net.json --data @rows.csv --hide top --whole-row-statistics");
    assert!(json["mse"].is_number());
}

#[test]
fn dynamic_networks_take_sequences() {
    let folder = Folder::new("dynamic");
    folder.write("sequences.csv", "0,1,0,1,1,1,0,0\n1,1,1,1,0,0,0,?\n");
    folder.write("odd.csv", "0,1,0,1,1\n");
    let network = repository("examples/dynamic_spn.json");
    let loglik = folder.json(&format!("loglik {network} --data @sequences.csv"));
    assert!(loglik["mean"].as_f64().unwrap() < 0.0);
    folder.fails(&format!("loglik {network} --data @odd.csv"), 2, &["5 values", "4 variables"]);
    let train = format!("train {network} --data @sequences.csv --method adam --epochs 2 --out @m");
    assert_eq!(folder.spn(&train).code, 0);
    assert_eq!(folder.spn("eval @m --data @sequences.csv").code, 0);
}

#[test]
fn the_demo_writes_what_it_says() {
    let folder = Folder::new("demo");
    let json = folder.json("demo --epochs 1 --out @demo");
    has(&json, &["accuracy", "log_likelihood", "files"]);
    for file in json["files"].as_array().unwrap() {
        let path = std::path::Path::new(file.as_str().unwrap());
        assert!(std::fs::metadata(path).unwrap().len() > 100, "{}", path.display());
    }
    let names = ["completion.png", "learning_curve.png", "model.spnb", "report.json", "report.md"];
    assert!(names.iter().all(|name| folder.path("demo").join(name).exists()));
    assert_eq!(folder.json("check @demo/model.spnb")["valid"], true);
    folder.write("file", "");
    folder.fails("demo --epochs 1 --out @file", 2, &["--out"]);
}
