//! Scalar circuits from files: large batches and one row at a time.

use std::path::{Path, PathBuf};

use spn_cli::data;
use spn_cli::measure::{Operation, made_up_rows};
use spn_cli::model::{LoadOptions, LoadedModel};
use spn_compiler::Options;

use super::Error;
use super::contender::{Contender, Table, Threads};

/// Rows of a large batch.
const BATCH: usize = 4096;

/// Everything that is measured on the circuits in these files and folders.
pub(crate) fn contenders(paths: &[String], threads: usize) -> Result<Vec<Contender>, Error> {
    let mut contenders = Vec::new();
    for path in files(paths)? {
        let model = LoadedModel::read(&path, LoadOptions::default())?;
        let plan = model.plan(None, &Options::default())?;
        let rows = match arrays(&path) {
            Some(file) => data::read(&format!("{}:x", file.display()), None)?.values,
            None => made_up_rows(&plan, BATCH, 0),
        };
        let nodes = model.circuit(None)?.nodes.len();
        let name = format!("{} ({nodes} nodes)", stem(&path));
        let configurations =
            [(BATCH, Threads::Pool(1)), (BATCH, Threads::Pool(threads)), (1, Threads::Caller)];
        for (batch, threads) in configurations {
            let (operation, name) = (Operation::Loglik, name.as_str());
            let work = (batch, rows.as_slice());
            contenders.push(Contender::new(Table::Scalar, name, &plan, operation, work, threads)?);
        }
    }
    Ok(contenders)
}

/// The files that paths name; of folders those that can be circuits.
pub(crate) fn files(paths: &[String]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in paths.iter().map(PathBuf::from) {
        if !path.is_dir() {
            files.push(path);
            continue;
        }
        let start = files.len();
        for entry in std::fs::read_dir(path)? {
            let path = entry?.path();
            let name = path.to_string_lossy();
            if [".json", ".json.gz", ".spn"].iter().any(|ending| name.ends_with(ending)) {
                files.push(path);
            }
        }
        files[start..].sort();
    }
    Ok(files)
}

/// The name of a file without what it ends with.
pub(crate) fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// The arrays that belong to a circuit, if there are any.
fn arrays(circuit: &Path) -> Option<PathBuf> {
    let file = circuit.with_file_name(format!("{}.npz", stem(circuit)));
    file.is_file().then_some(file)
}
