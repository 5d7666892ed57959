//! The tutorial in `docs`: its files are written, its commands are run, their outputs are compared.
//!
//! A block ```` ```spn NAME ```` is a file, a block ```` ```console ```` has commands behind `$ `, each
//! followed by what it prints; `…` there is anything. The Rust code is run as a documentation test.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod commands_support;

use std::path::Path;
use std::process::Command;

use commands_support::{Folder, repository};

/// What a command prints, on both outputs.
fn run(folder: &Path, line: &str) -> String {
    let binaries = Path::new(env!("CARGO_BIN_EXE_spn")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    let output =
        command.arg("-c").arg(line).current_dir(folder).env("PATH", path).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (printed, told) = (text(output.stdout), text(output.stderr));
    assert!(!told.contains("panicked"), "{line}: {told}");
    format!("{printed}{told}").trim_end().to_owned()
}

/// Whether a text is the expected one, in which `…` is anything.
fn fits(found: &str, expected: &str) -> bool {
    let mut rest = found;
    for (index, part) in expected.split('…').enumerate() {
        match rest.find(part) {
            Some(0) => rest = &rest[part.len()..],
            Some(at) if index > 0 => rest = &rest[at + part.len()..],
            _ => return false,
        }
    }
    rest.is_empty() || expected.ends_with('…')
}

#[test]
fn the_tutorial_is_true() {
    let folder = Folder::new("tutorial");
    let page = std::fs::read_to_string(repository("docs/tutorial.md")).unwrap();
    let place = folder.path("");
    let (mut files, mut commands) = (0, 0);
    for block in page.split("\n```").skip(1).step_by(2) {
        let (head, body) = block.split_once('\n').unwrap();
        match head.split_once(' ').unwrap_or((head, "")) {
            ("spn", name) => {
                folder.write(name, format!("{body}\n"));
                files += 1;
            }
            ("console", _) => {
                for part in format!("\n{body}").split("\n$ ").skip(1) {
                    let (line, expected) = part.split_once('\n').unwrap_or((part, ""));
                    let found = run(&place, line);
                    assert!(fits(&found, expected.trim_end()), "$ {line}\n{found}\n--\n{expected}");
                    commands += 1;
                }
            }
            ("rust", _) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(files >= 1 && commands >= 12, "{files} files, {commands} commands");
}

#[test]
fn outputs_are_compared() {
    assert!(fits("a 12 b", "a … b") && fits("a b", "a b") && fits("x", "…"));
    assert!(!fits("a 12 c", "a … b") && !fits("a b c", "a b") && !fits("ab", "b"));
}
