//! `spn convert`, end to end: files of every format, what is said to be lost, what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod commands_support;

use commands_support::{Folder, has, tiny};
use serde_json::json;
use spn_ir::formats::FORMATS;

/// Log-likelihoods of the folder's rows.
fn log_likelihoods(folder: &Folder, model: &str, rows: &str) -> Vec<u8> {
    let json =
        folder.json(&format!("loglik @{model} --data @{rows} --out @ll.npy --precision f64"));
    assert!(json["mean"].is_number(), "{json}");
    folder.read("ll.npy")
}

#[test]
fn every_format_goes_round() {
    let folder = tiny("convert");
    let expected = log_likelihoods(&folder, "nodes.json", "bits.csv");
    for format in FORMATS.iter().filter(|format| format.write.is_some() && format.name != "jpc") {
        let name = format!("c.{}", format.extensions[0]);
        let json = folder.json(&format!("convert @nodes.json @{name}"));
        has(&json, &["nodes", "lossless", "lost", "format", "bytes", "out"]);
        assert_eq!(json["format"], format.name);
        assert_eq!((&json["nodes"], &json["lossless"]), (&json!(5), &json!(true)), "{json}");
        assert_eq!(log_likelihoods(&folder, &name, "bits.csv"), expected, "{name}");
        // Back again, compressed and with the format given.
        folder.json(&format!("convert @{name} @again.gz --to spn-nodes-v1"));
        assert_eq!(log_likelihoods(&folder, "again.gz", "bits.csv"), expected, "{name}");
        assert!(folder.read("again.gz").starts_with(&[0x1f, 0x8b]));
    }
}

#[test]
fn losses_are_told_and_refused_if_asked() {
    let folder = tiny("convert-losses");
    let json = folder.json("convert @circuit.spn @out.jpc");
    assert_eq!(json["lossless"], false);
    let lost = json["lost"].to_string();
    assert!(lost.contains("blocks") && lost.contains("logarithms"), "{lost}");
    let text = folder.spn("convert @circuit.spn @out.jpc").stdout;
    assert!(text.contains("lossless") && text.contains("blocks: 3 blocks"), "{text}");
    folder.fails("convert @circuit.spn @strict.jpc --strict", 2, &["would lose", "blocks"]);
    assert!(!folder.names().contains(&"strict.jpc".to_owned()));
}

#[test]
fn networks_of_layers_become_circuits() {
    let folder = tiny("convert-layers");
    let expected = log_likelihoods(&folder, "net.json", "rows.csv");
    let json = folder.json("convert @net.json @net.spnb");
    assert_eq!(json["lost"], json!(["layers: their nodes are written, not their options"]));
    assert_eq!(json["lossless"], false);
    assert_eq!(log_likelihoods(&folder, "net.spnb", "rows.csv"), expected);
    folder.fails("convert @net.json @net.deeprob.json", 0, &["blocks"]);
}

#[test]
fn what_a_format_cannot_hold_is_an_error() {
    let folder = tiny("convert-refused");
    folder.write(
        "cauchy.spn",
        "spn 1\nvariables 1\n\na = leaf cauchy(0) location=[0] scale=[1]\nroot a\n",
    );
    folder.fails("convert @cauchy.spn @c.bin", 2, &["spnc cannot hold a Cauchy leaf", "line 4"]);
    assert!(!folder.names().contains(&"c.bin".to_owned()));
    folder.fails("convert @nodes.json @c.jpc", 2, &["jpc cannot hold a normal leaf", "node n2"]);
    folder.fails("convert @nodes.json @c.unknown", 2, &["--to", "spflow-json"]);
    folder.fails("convert @nodes.json @c.spn --to nothing", 2, &["no format `nothing`", "jpc"]);
    folder.fails("convert @nodes.json @c --to psdd", 2, &["psdd can be read but not written"]);
    folder.fails("convert @missing @c.spn", 2, &["missing", "cannot read"]);
    folder.fails("convert @nodes.json @no/folder/c.spn", 2, &["folder"]);
    folder.fails("convert @nodes.json @c.spn --from jpc", 2, &["line 1, column 1", "`jpc`"]);
    folder.write("poisson.txt", "(Poisson(V0|mean=2.0) * Bernoulli(V1|p=0.5))");
    folder.fails(
        "convert @poisson.txt @c.spn",
        2,
        &["column 2", "Poisson", "a Gaussian, Bernoulli"],
    );
}

#[test]
fn variable_trees_are_followed_or_not() {
    let folder = tiny("convert-vtree");
    folder.write("good.vtree", "vtree 3\nL 0 1\nL 1 2\nI 2 0 1\n");
    folder.write("bad.vtree", "vtree 3\nL 0 1\nL 1 3\nI 2 0 1\n");
    folder.write("broken.vtree", "vtree 3\nL 0 1\nL 1 2\n");
    assert_eq!(folder.spn("convert @circuit.spn @c.spn --vtree @good.vtree").code, 0);
    folder.fails("convert @circuit.spn @d.spn --vtree @bad.vtree", 1, &["product n2", "line 5"]);
    folder.fails("convert @circuit.spn @d.spn --vtree @broken.vtree", 2, &["line 1", "3"]);
    assert!(!folder.names().contains(&"d.spn".to_owned()));
}

#[test]
fn help_lists_the_formats() {
    let folder = Folder::new("convert-help");
    let help = folder.spn("convert --help").stdout;
    for format in FORMATS {
        assert!(help.contains(format.name), "{}", format.name);
    }
    assert!(help.contains("(read only)") && help.contains("--strict"));
}
