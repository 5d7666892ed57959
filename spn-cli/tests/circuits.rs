//! Learned circuits against exact log-likelihoods computed elsewhere.
//!
//! Every pair of `NAME.json`, a file of another format of circuits (`NAME.bin`, …), also `.gz`, and
//! `NAME.npz` in `SPN_CIRCUITS_DIR`, or in the repository's `tests/data/circuits` without it, is
//! read, compiled and evaluated in double precision. `x` with `ll` and `x_marg` with `ll_marg` (NaN = missing) are compared row by
//! row; the error of a row is relative to `max(1, |ll|)`.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use flate2::read::MultiGzDecoder;
use spn_cli::data::{NpyArray, npz_arrays};
use spn_compiler::Options;
use spn_ir::formats::{self, FORMATS};
use spn_runtime::{Executable, Rows};

/// The largest error of a row.
const TOLERANCE: f64 = 1e-6;

/// Inputs and their log-likelihoods.
const PAIRS: [(&str, &str); 2] = [("x", "ll"), ("x_marg", "ll_marg")];

#[test]
fn circuits() {
    let found = env::var_os("SPN_CIRCUITS_DIR").map_or_else(fixtures, PathBuf::from);
    let names = names(&found).unwrap_or_else(|error| panic!("{}: {error}", found.display()));
    let mut summary = Summary::default();
    for (name, circuit) in &names {
        summary.circuits += 1;
        if let Err(problem) = run(&found, name, circuit, &mut summary) {
            summary.problems.push(format!("{name}: {problem}"));
        }
    }
    summary.print();
    assert!(!names.is_empty(), "no circuit in {}", found.display());
    assert!(summary.problems.is_empty(), "{}", summary.problems.join("\n"));
}

/// The cases of the repository.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/circuits")
}

/// The circuits' names with their files. A `.npz` file without a circuit has an empty name there.
fn names(folder: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut names = BTreeMap::new();
    let mut arrays = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = file.strip_suffix(".gz").unwrap_or(&file);
        let extensions = FORMATS.iter().flat_map(|format| format.extensions);
        let circuits = extensions.filter_map(|end| stem.strip_suffix(end)?.strip_suffix('.'));
        // Of several extensions the longest, `.deeprob.json` rather than `.json`.
        if let Some(name) = circuits.min_by_key(|name| name.len()) {
            names.insert(name.to_owned(), path.clone());
        } else if let Some(name) = file.strip_suffix(".npz") {
            arrays.insert(name.to_owned());
        }
    }
    for name in arrays {
        names.entry(name).or_default();
    }
    Ok(names)
}

/// What was compared.
#[derive(Default)]
struct Summary {
    circuits: usize,
    rows: usize,
    failed: usize,
    worst: (f64, String),
    times: String,
    problems: Vec<String>,
}

impl Summary {
    /// Writes the result where libtest does not swallow it.
    fn print(&self) {
        let Self { circuits, rows, worst: (error, place), times, .. } = self;
        let failed = self.failed.max(self.problems.len());
        // The line stands alone even after libtest's `test circuits ... `.
        let text = format!(
            "\n{times}circuits: {circuits} circuits, {rows} rows compared, {failed} failed, \
             worst relative error {error:.1e} ({place})\n"
        );
        // Nothing depends on the line: a closed pipe is no failure.
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }
}

/// Reads a circuit, compiles it and compares all rows.
fn run(folder: &Path, name: &str, circuit: &Path, summary: &mut Summary) -> Result<(), String> {
    if circuit.as_os_str().is_empty() {
        return Err(format!("there is no {name}.json beside {name}.npz"));
    }
    let arrays = npz_arrays(&folder.join(format!("{name}.npz"))).map_err(text_of)?;
    let bytes = read_bytes(circuit).map_err(text_of)?;
    let start = Instant::now();
    let circuit = formats::read(&bytes).map_err(text_of)?;
    let read = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let plan = spn_compiler::compile(&circuit, &Options::default()).map_err(text_of)?;
    let executable = Executable::<f64>::new(plan).map_err(text_of)?;
    let compiled = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let mut rows = 0;
    for (inputs, expected) in PAIRS {
        let array = |key: &str| arrays.get(key).ok_or_else(|| format!("there is no array `{key}`"));
        let (inputs, expected) = (array(inputs)?, array(expected)?);
        rows += compare(name, &executable, inputs, expected, summary)?;
    }
    let unknown = arrays.keys().find(|key| PAIRS.iter().all(|(x, ll)| key != x && key != ll));
    let seconds = start.elapsed().as_secs_f64();
    let nodes = circuit.nodes.len();
    let _ = writeln!(
        summary.times,
        "  {name}: {nodes} nodes, read in {read:.3} s, compiled in {compiled:.3} s, {rows} rows in \
         {seconds:.3} s"
    );
    unknown.map_or(Ok(()), |key| Err(format!("array `{key}` is not understood")))
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`, which gives the error away")]
fn text_of(error: impl ToString) -> String {
    error.to_string()
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    if path.extension().is_none_or(|extension| extension != "gz") {
        return fs::read(path);
    }
    let mut bytes = Vec::new();
    MultiGzDecoder::new(File::open(path)?).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Compares the log-likelihoods of all rows; gives their number.
fn compare(
    name: &str,
    executable: &Executable<f64>,
    inputs: &NpyArray,
    expected: &NpyArray,
    summary: &mut Summary,
) -> Result<usize, String> {
    let (&[rows, columns], &[count]) = (inputs.shape.as_slice(), expected.shape.as_slice()) else {
        return Err(format!("shapes {:?} and {:?}", inputs.shape, expected.shape));
    };
    if rows != count {
        return Err(format!("{rows} rows, but {count} log-likelihoods"));
    }
    let input = Rows::new(&inputs.values, columns).map_err(text_of)?;
    let found = executable.log_likelihood(input).map_err(text_of)?;
    let mut first = None;
    for (row, (&found, &expected)) in found.iter().zip(&expected.values).enumerate() {
        let error = error(found, expected);
        if error > summary.worst.0 || summary.worst.1.is_empty() {
            summary.worst = (error, format!("{name}, {row}"));
        }
        if error > TOLERANCE {
            summary.failed += 1;
            first.get_or_insert(format!("row {row} is {found} instead of {expected}"));
        }
    }
    summary.rows += rows;
    first.map_or(Ok(rows), Err)
}

/// The error relative to `max(1, |expected|)`; infinite where only one of the two is finite.
fn error(found: f64, expected: f64) -> f64 {
    if found == expected {
        return 0.0;
    }
    let error = (found - expected).abs() / expected.abs().max(1.0);
    if error.is_nan() { f64::INFINITY } else { error }
}

#[test]
fn errors_are_seen() {
    assert_eq!(error(f64::NEG_INFINITY, f64::NEG_INFINITY), 0.0);
    assert_eq!(error(f64::NAN, -1.0), f64::INFINITY);
    assert_eq!(error(-1.0, f64::NEG_INFINITY), f64::INFINITY);
    assert_eq!(error(f64::NEG_INFINITY, -1.0), f64::INFINITY);
    assert!((error(-100.001, -100.0) - 1e-5).abs() < 1e-9);
}
