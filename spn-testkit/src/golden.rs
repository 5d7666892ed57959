//! The golden-file runner: test files that hold a circuit and what a command makes of it.
//!
//! ```text
//! # Prose.
//! test check
//! spn 1
//! …
//! ----
//! what the command prints
//! ```
//!
//! In: a directory of `*.test` and `*.spn` files and a function from command and circuit text to
//! output. Out: how many files passed, or every difference, line by line. With `SPN_BLESS=1` in
//! the environment expectations are rewritten instead.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The line between circuit and expectation.
const SEPARATOR: &str = "----";

/// How many equal lines a difference shows around what differs.
const CONTEXT: usize = 2;

/// Why a directory of golden files does not pass.
///
/// The `Debug` form is the `Display` form, so that `unwrap` in a test shows readable differences.
#[derive(Error)]
pub enum GoldenError {
    /// A file or directory cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// A directory without any test.
    #[error("{}: no *.test or *.spn file; is it the right directory?", directory.display())]
    Empty {
        /// The directory.
        directory: PathBuf,
    },
    /// A file without command or separator.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is missing.
        problem: &'static str,
    },
    /// Outputs that are not as expected.
    #[error("{failed} of {total} files differ (SPN_BLESS=1 accepts the output):\n{report}")]
    Different {
        /// How many files differ.
        failed: usize,
        /// How many files there are.
        total: usize,
        /// The differences.
        report: String,
    },
}

impl fmt::Debug for GoldenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The parts of a golden file.
struct Golden {
    command: String,
    /// The circuit, with an empty line for each line before it, so that lines keep their numbers.
    circuit: String,
    /// Everything before the expectation, separator included.
    head: String,
    expected: String,
}

/// Runs every test file of a directory, in the order of their names; the number of files.
///
/// An `Err` of `run` is an output, too: it is compared after a line `error:`.
///
/// # Errors
/// If a file cannot be read or is malformed, if there is none, or if an output differs.
pub fn run_directory(
    directory: impl AsRef<Path>,
    run: impl Fn(&str, &str) -> Result<String, String>,
) -> Result<usize, GoldenError> {
    let bless = std::env::var("SPN_BLESS").is_ok_and(|value| value == "1");
    run_files(directory.as_ref(), bless, &run)
}

fn run_files(
    directory: &Path,
    bless: bool,
    run: &dyn Fn(&str, &str) -> Result<String, String>,
) -> Result<usize, GoldenError> {
    let files = test_files(directory)?;
    let mut report = String::new();
    let mut failed = 0;
    for path in &files {
        let file_error = |source| GoldenError::File { path: path.clone(), source };
        let text = fs::read_to_string(path).map_err(file_error)?.replace("\r\n", "\n");
        let golden = split(&text)
            .map_err(|problem| GoldenError::Malformed { path: path.clone(), problem })?;
        let output = match run(&golden.command, &golden.circuit) {
            Ok(output) => output,
            Err(error) => format!("error:\n{error}"),
        };
        if output.trim_end() == golden.expected.trim_end() {
            continue;
        }
        if bless {
            let blessed = format!("{}{}\n", golden.head, output.trim_end());
            fs::write(path, blessed).map_err(file_error)?;
            continue;
        }
        failed += 1;
        report.push_str(&format!("\n{} (- expected, + is):\n", path.display()));
        report.push_str(&difference(golden.expected.trim_end(), output.trim_end()));
    }
    match failed {
        0 => Ok(files.len()),
        failed => Err(GoldenError::Different { failed, total: files.len(), report }),
    }
}

fn test_files(directory: &Path) -> Result<Vec<PathBuf>, GoldenError> {
    let error = |source| GoldenError::File { path: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(error)? {
        let path = entry.map_err(error)?.path();
        if path.extension().is_some_and(|extension| extension == "test" || extension == "spn") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(GoldenError::Empty { directory: directory.to_owned() });
    }
    Ok(files)
}

fn split(text: &str) -> Result<Golden, &'static str> {
    let mut command = None;
    let mut circuit = String::new();
    let mut head = String::new();
    let mut lines = text.split_inclusive('\n');
    for line in lines.by_ref() {
        head.push_str(line);
        let words = line.trim();
        if words == SEPARATOR {
            let command = command.ok_or("no line `test <command>` before the circuit")?;
            return Ok(Golden { command, circuit, head, expected: lines.collect() });
        }
        match (&command, words.strip_prefix("test ")) {
            (None, Some(name)) => {
                command = Some(name.trim().to_owned());
                circuit.push('\n');
            }
            (None, None) if words.is_empty() || words.starts_with('#') => circuit.push('\n'),
            (None, None) => {
                return Err("the first line that is no comment must be `test <command>`");
            }
            (Some(_), _) => circuit.push_str(line),
        }
    }
    Err("no line `----` after the circuit")
}

/// Two texts line by line: equal lines after two blanks (only near differences), missing ones
/// after `-`, surplus ones after `+`.
#[must_use]
pub fn difference(expected: &str, actual: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    let marked = align(&old, &new);
    let near = |index: usize| {
        let from = index.saturating_sub(CONTEXT);
        let to = (index + CONTEXT + 1).min(marked.len());
        marked[from..to].iter().any(|(mark, _)| *mark != ' ')
    };
    let mut text = String::new();
    let mut skipped = false;
    for (index, (mark, line)) in marked.iter().enumerate() {
        if near(index) {
            text.push_str(&format!("  {mark} {line}\n"));
            skipped = false;
        } else if !skipped {
            text.push_str("    …\n");
            skipped = true;
        }
    }
    text
}

/// Marks lines by the longest common subsequence (quadratic: golden files are short).
fn align<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<(char, &'t str)> {
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            let longer = common[(i + 1) * width + j].max(common[i * width + j + 1]);
            let both = common[(i + 1) * width + j + 1] + 1;
            common[i * width + j] = if old[i] == new[j] { both } else { longer };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut marked = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            marked.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len()
            || i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]
        {
            marked.push(('-', old[i]));
            i += 1;
        } else {
            marked.push(('+', new[j]));
            j += 1;
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# prose\ntest upper\nspn\nwords\n----\nSPN\nWORDS\n";

    /// A fresh directory with these files.
    fn directory(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("spn-golden-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            fs::write(path.join(name), text).unwrap();
        }
        path
    }

    fn upper(command: &str, circuit: &str) -> Result<String, String> {
        match command {
            "upper" => Ok(circuit.trim_start().to_uppercase()),
            other => Err(format!("no command {other}")),
        }
    }

    #[test]
    fn equal_output_passes_and_errors_are_outputs() {
        let other = "test lower\nspn\n----\nerror:\nno command lower\n";
        let path = directory("equal", &[("a.test", FILE), ("b.spn", other), ("c.md", "no test")]);
        assert_eq!(run_files(&path, false, &upper).unwrap(), 2);
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn differences_are_shown_and_blessed() {
        let path = directory("bless", &[("a.test", &FILE.replace("WORDS", "WORLDS"))]);
        let error = run_files(&path, false, &upper).unwrap_err().to_string();
        assert!(error.contains("a.test"), "{error}");
        assert!(error.contains("    SPN\n  - WORLDS\n  + WORDS\n"), "{error}");
        assert_eq!(run_files(&path, true, &upper).unwrap(), 1);
        assert_eq!(fs::read_to_string(path.join("a.test")).unwrap(), FILE);
        assert_eq!(run_files(&path, false, &upper).unwrap(), 1);
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn broken_files_and_empty_directories_are_errors() {
        let path = directory("broken", &[]);
        assert!(matches!(run_files(&path, false, &upper), Err(GoldenError::Empty { .. })));
        for text in ["spn 1\n----\n", "test upper\nspn\n", "----\n"] {
            fs::write(path.join("a.test"), text).unwrap();
            assert!(matches!(run_files(&path, false, &upper), Err(GoldenError::Malformed { .. })));
        }
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn lines_keep_their_numbers() {
        let golden = split(FILE).unwrap();
        assert_eq!(golden.circuit, "\n\nspn\nwords\n");
        assert_eq!(golden.command, "upper");
    }

    #[test]
    fn far_equal_lines_are_left_out() {
        let old = "1\n2\n3\n4\n5\n6";
        assert_eq!(difference(old, "1\n2\n3\n4\n5\n7"), "    …\n    4\n    5\n  - 6\n  + 7\n");
    }
}
