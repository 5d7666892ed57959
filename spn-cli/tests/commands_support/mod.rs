//! Runs the `spn` binary on files in a folder of its own.
//!
//! In: words of a command line, in which `@name` is the file `name` of the folder. Out: exit code,
//! standard output, standard error; never a panic, or the test fails.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A folder that is removed when the test is over.
pub(crate) struct Folder(PathBuf);

/// What a run of the program gave.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Folder {
    /// A new folder for the test of this name.
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("spn-commands-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The names of all files, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The program with the words of a command line.
    pub(crate) fn command(&self, line: &str) -> Command {
        let words = line.split_whitespace().map(|word| match word.strip_prefix('@') {
            Some(name) => self.0.join(name).into_os_string(),
            None => word.into(),
        });
        let mut command = Command::new(env!("CARGO_BIN_EXE_spn"));
        command.args(words);
        command
    }

    /// Runs the program.
    pub(crate) fn spn(&self, line: &str) -> Run {
        let output = self.command(line).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let run = Run {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!(!run.stderr.contains("panicked"), "spn {line}: {run:?}");
        assert!((0..=2).contains(&run.code), "spn {line}: {run:?}");
        run
    }

    /// Runs the program with `--json`, expects exit code 0 and gives the document.
    pub(crate) fn json(&self, line: &str) -> Value {
        let run = self.spn(&format!("{line} --json"));
        assert_eq!(run.code, 0, "spn {line}: {run:?}");
        serde_json::from_str(&run.stdout).unwrap()
    }

    /// Runs the program, expects this exit code and that the message holds all of these words.
    pub(crate) fn fails(&self, line: &str, code: i32, words: &[&str]) {
        let run = self.spn(line);
        assert_eq!(run.code, code, "spn {line}: {run:?}");
        let told = format!("{}{}", run.stdout, run.stderr);
        for word in words {
            assert!(told.contains(word), "spn {line}: no `{word}` in {run:?}");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join(path).to_str().unwrap().to_owned()
}

/// A classifier of 2 × 2 images with two classes.
pub(crate) const TINY_NETWORK: &str = r#"{
    "name": "tiny", "variables": [2, 2, 1],
    "layers": [
        {"type": "NormalLeaf", "num_components": 2},
        {"type": "Conv2DProduct", "depthwise": true, "kernel_size": [2, 2], "strides": [2, 2],
         "dilations": [1, 1], "padding": "valid"},
        {"type": "SpatialToRegions"},
        {"type": "DenseSum", "num_sums": 2},
        {"type": "RootSum", "return_weighted_child_logits": true}],
    "training": {"objective": "discriminative", "learning_rate": 0.1, "batch": 2, "epochs": 3}
}"#;

/// Rows for it: dark images of class 0, bright ones of class 1.
pub(crate) const TINY_ROWS: &str =
    "0,0,0,0\n0.1,0,0.2,0\n1,1,1,1\n0.9,1,1,0.8\n0,0.1,0,0.1\n1,0.9,1,1\n";

/// Their classes.
pub(crate) const TINY_LABELS: &str = "0\n0\n1\n1\n0\n1\n";

/// A valid circuit over two binary variables.
pub(crate) const CIRCUIT: &str = "spn 1
variables 2
a = leaf categorical(0) x2 probabilities=[0.2 0.8; 0.6 0.4]
b = leaf categorical(1) x2 probabilities=[0.5 0.5; 0.9 0.1]
p = product(a, b)
s = sum(p) weights=[0.3 0.7]
root s
";

/// The same kind of circuit as a JSON node list.
pub(crate) const NODES: &str = r#"{"format": "spn-nodes-v1", "name": "two", "num_vars": 2, "root": 4,
    "nodes": [
    {"id": 0, "type": "bernoulli", "scope": [0], "p": 0.3},
    {"id": 1, "type": "categorical", "scope": [1], "probs": [0.2, 0.5, 0.3]},
    {"id": 2, "type": "gaussian", "scope": [1], "mean": 1.0, "std": 0.5},
    {"id": 3, "type": "sum", "scope": [1], "children": [1, 2], "weights": [0.4, 0.6]},
    {"id": 4, "type": "product", "scope": [0, 1], "children": [0, 3]}]}"#;

/// A folder with the files `net.json`, `rows.csv`, `labels.csv`, `circuit.spn`, `nodes.json`.
pub(crate) fn tiny(test: &str) -> Folder {
    let folder = Folder::new(test);
    folder.write("net.json", TINY_NETWORK);
    folder.write("rows.csv", TINY_ROWS);
    folder.write("labels.csv", TINY_LABELS);
    folder.write("circuit.spn", CIRCUIT);
    folder.write("nodes.json", NODES);
    folder.write("bits.csv", "0,0\n0,1\n1,?\n?,?\n");
    folder
}

/// The keys of a JSON object.
pub(crate) fn keys(json: &Value) -> Vec<&str> {
    json.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Asserts that a JSON object has these keys.
pub(crate) fn has(json: &Value, wanted: &[&str]) {
    for key in wanted {
        assert!(keys(json).contains(key), "no `{key}` in {json}");
    }
}
