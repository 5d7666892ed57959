//! Damaged files: every kind of file the program reads, truncated and changed at many places.
//!
//! Whatever the bytes, the program answers or says what is wrong: exit code 0, 1 or 2, never a
//! panic, and an output file only with exit code 0.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod commands_support;

use std::io::Write;

use commands_support::{Folder, TINY_ROWS, tiny};
use flate2::Compression;
use flate2::write::GzEncoder;
use spn_cli::data::{npy, npz};
use spn_cli::model::{LoadOptions, LoadedModel, ModelKind, network_file};
use spn_cli::precision::Precision;

/// How many damaged versions of each file are tried.
const VERSIONS: usize = 12;

/// The damaged versions of a file: cut off, with a byte changed, with two parts swapped.
fn damaged(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut versions = Vec::new();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    for version in 0..VERSIONS {
        let mut copy = bytes.to_vec();
        match version % 3 {
            0 => copy.truncate(random(bytes.len())),
            1 => copy[random(bytes.len())] ^= 1 << random(8),
            _ => {
                let (first, second) = (random(bytes.len()), random(bytes.len()));
                copy.rotate_left(first.min(second));
            }
        }
        versions.push(copy);
    }
    versions.push(Vec::new());
    versions
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Runs the command on each damaged version, which it finds as `@damaged`.
fn survives(folder: &Folder, bytes: &[u8], line: &str) {
    folder.write("damaged", bytes);
    assert_eq!(folder.spn(&format!("{line} --out @out.npy")).code, 0, "{line} whole");
    for version in damaged(bytes) {
        std::fs::remove_file(folder.path("out.npy")).ok();
        folder.write("damaged", version);
        let run = folder.spn(&format!("{line} --out @out.npy"));
        assert_eq!(run.code == 0, folder.path("out.npy").exists(), "{line}: {run:?}");
        assert_eq!(run.code == 0, !run.stderr.starts_with("error"), "{line}: {run:?}");
        assert!(!folder.names().iter().any(|name| name.contains("partial")), "{line}");
    }
}

#[test]
fn damaged_models_never_panic() {
    let folder = tiny("models");
    let rows = "loglik @damaged --data @rows.csv";
    let bits = "loglik @damaged --data @bits.csv";
    let train = "train @net.json --data @rows.csv --labels @labels.csv --out @model.spnb";
    assert_eq!(folder.spn(train).code, 0);
    assert_eq!(folder.spn("compile @model.spnb -o @plan").code, 0);
    for file in ["net.json", "model.spnb", "plan"] {
        survives(&folder, &folder.read(file), rows);
    }
    survives(&folder, &folder.read("circuit.spn"), bits);
    survives(&folder, &folder.read("nodes.json"), bits);
    survives(&folder, &gzip(&folder.read("circuit.spn")), bits);
    survives(&folder, &gzip(&folder.read("model.spnb")), rows);
}

#[test]
fn damaged_data_never_panic() {
    let folder = tiny("tables");
    let line = "loglik @net.json --data @damaged";
    survives(&folder, TINY_ROWS.as_bytes(), line);
    survives(&folder, &gzip(TINY_ROWS.as_bytes()), line);
    let values = [0.5_f32; 8];
    npy::write(&folder.path("a.npy"), &[2, 4], values.as_slice()).unwrap();
    survives(&folder, &folder.read("a.npy"), line);
    npz::write(&folder.path("a.npz"), &[("x", &[2, 4], values.as_slice().into())]).unwrap();
    survives(&folder, &folder.read("a.npz"), line);
    let idx = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2][..], &[7; 8]].concat();
    survives(&folder, &idx, line);
}

#[test]
fn parameters_that_are_no_numbers_are_found() {
    let folder = tiny("numbers");
    let options = LoadOptions::default();
    for (value, word) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let mut model = LoadedModel::read(&folder.path("net.json"), options).unwrap();
        let ModelKind::Layers(layers) = &mut model.kind else { panic!("a layer file") };
        let id = layers.parameters.find("0/location").unwrap();
        layers.parameters.get_mut(id).values[3] = value;
        let path = folder.path("bad.spnb");
        network_file::write(&path, &model.kind, Precision::F64).unwrap().unwrap();
        folder.fails("check @bad.spnb", 1, &["location", word, "layer 0 (NormalLeaf)"]);
        folder.fails("loglik @bad.spnb --data @rows.csv --out @ll.npy", 1, &["invalid"]);
        assert!(!folder.path("ll.npy").exists());
    }
    folder.write(
        "nan.spn",
        "spn 1\nvariables 1\na = leaf normal(0) x1 location=[NaN] scale=[1]\nroot a\n",
    );
    folder.fails("check @nan.spn", 2, &["line 3", "NaN"]);
}
