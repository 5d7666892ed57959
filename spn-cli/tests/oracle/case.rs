//! One case: its description, its arrays, and what was done with each of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;
use spn_cli::data::{NpyArray, npz_arrays};

use crate::compare::{Difference, Kind, Summary};

/// A case that is being compared.
pub(crate) struct Case {
    /// Its name.
    pub(crate) name: String,
    /// Its description.
    pub(crate) json: Value,
    arrays: BTreeMap<String, NpyArray>,
    ledger: RefCell<Ledger>,
}

/// What was done with the arrays.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Arrays that are inputs of some comparison.
    pub(crate) inputs: BTreeSet<String>,
    /// The worst difference of each compared array, with where it was.
    pub(crate) compared: BTreeMap<String, (Difference, String)>,
}

/// The names of the cases in a folder, each a `.json` or `.npz` file or both.
pub(crate) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let case = path.extension().is_some_and(|kind| kind == "json" || kind == "npz");
        if let Some(name) = path.file_stem().filter(|_| case) {
            names.insert(name.to_string_lossy().into_owned());
        }
    }
    Ok(names.into_iter().collect())
}

/// The text of an error.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`, which gives the error away")]
pub(crate) fn text_of(error: impl ToString) -> String {
    error.to_string()
}

impl Case {
    /// Reads a case.
    pub(crate) fn read(folder: &Path, name: &str) -> Result<Self, String> {
        let text = fs::read_to_string(folder.join(format!("{name}.json")))
            .map_err(|error| format!("{name}.json: {error}"))?;
        let json = serde_json::from_str(&text).map_err(|error| format!("{name}.json: {error}"))?;
        let arrays = npz_arrays(&folder.join(format!("{name}.npz"))).map_err(text_of)?;
        let case = Self { name: name.to_owned(), json, arrays, ledger: RefCell::default() };
        case.check_list()?;
        Ok(case)
    }

    /// Checks that the arrays are those which the description lists.
    fn check_list(&self) -> Result<(), String> {
        let Some(listed) = self.json.get("arrays").and_then(Value::as_object) else {
            return Ok(());
        };
        for (key, entry) in listed {
            let shape = entry.get("shape").cloned().unwrap_or_default();
            let array = self.arrays.get(key).ok_or_else(|| format!("`{key}` is not in the npz"))?;
            if serde_json::json!(array.shape) != shape {
                return Err(format!("`{key}` is listed with shape {shape}, not {:?}", array.shape));
            }
        }
        Ok(())
    }

    /// An entry of the description.
    pub(crate) fn entry(&self, key: &str) -> Result<&Value, String> {
        self.json.get(key).ok_or_else(|| format!("the description has no `{key}`"))
    }

    /// A number of the description.
    pub(crate) fn number(&self, key: &str) -> Result<f64, String> {
        self.entry(key)?.as_f64().ok_or_else(|| format!("`{key}` is no number"))
    }

    /// Whether there is this array.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.arrays.contains_key(key)
    }

    /// Whether an array's name begins so.
    pub(crate) fn has_in(&self, prefix: &str) -> bool {
        self.keys_in(prefix).next().is_some()
    }

    /// The names that begin so, in order.
    pub(crate) fn keys_in<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let keys = self.arrays.range(prefix.to_owned()..).map(|(key, _)| key.as_str());
        keys.take_while(move |key| key.starts_with(prefix))
    }

    /// The first components of the names.
    pub(crate) fn groups(&self) -> BTreeSet<&str> {
        self.arrays.keys().map(|key| key.split('/').next().unwrap_or_default()).collect()
    }

    /// An array that is an input.
    pub(crate) fn input(&self, key: &str) -> Result<&NpyArray, String> {
        let array = self.arrays.get(key).ok_or_else(|| format!("there is no array `{key}`"))?;
        self.ledger.borrow_mut().inputs.insert(key.to_owned());
        Ok(array)
    }

    /// The array to compare with, to see what shape it has; it counts once it is compared.
    pub(crate) fn expected(&self, key: &str) -> Option<&NpyArray> {
        self.arrays.get(key)
    }

    /// Labels `y`, or those of a part of them.
    pub(crate) fn labels(&self, key: &str) -> Result<Vec<u32>, String> {
        let labels = self.input(key)?.values.iter().map(|&value| value as u32);
        Ok(labels.collect())
    }

    /// Compares computed values with the array `key` or with its summaries `key/sum` and
    /// `key/everyK`, whatever there is of them. `place` says where the values were computed.
    pub(crate) fn compare(&self, key: &str, kind: Kind, place: &str, values: &[f64]) {
        if let Some(expected) = self.arrays.get(key) {
            self.record(key, kind.difference(values, &expected.values), place);
        }
        let prefix = format!("{key}/");
        for (name, expected) in self.arrays.range(prefix.clone()..) {
            let Some(rest) = name.strip_prefix(&prefix) else { break };
            let Some(summary) = Summary::parse(rest) else { continue };
            let difference = summary.difference(kind, values, &expected.values);
            self.record(name, difference, place);
        }
    }

    /// As [`compare`](Self::compare), and the shape must be the array's.
    pub(crate) fn compare_shaped(
        &self,
        key: &str,
        kind: Kind,
        place: &str,
        (shape, values): (&[usize], &[f64]),
    ) {
        if let Some(expected) = self.arrays.get(key)
            && expected.shape != shape
        {
            let problem = format!("the shape is {shape:?}, not {:?}", expected.shape);
            self.record(key, Difference::failure(problem), place);
            return;
        }
        self.compare(key, kind, place, values);
    }

    fn record(&self, key: &str, difference: Difference, place: &str) {
        let mut ledger = self.ledger.borrow_mut();
        let worst = ledger.compared.get(key).is_none_or(|(known, _)| difference.is_worse(known));
        if worst {
            ledger.compared.insert(key.to_owned(), (difference, place.to_owned()));
        }
    }

    /// What was done with the arrays, and the names of those with which nothing was done.
    pub(crate) fn finish(self) -> (Ledger, Vec<String>) {
        let ledger = self.ledger.into_inner();
        let unknown = self
            .arrays
            .into_keys()
            .filter(|key| !ledger.inputs.contains(key) && !ledger.compared.contains_key(key));
        let unknown = unknown.collect();
        (ledger, unknown)
    }
}
