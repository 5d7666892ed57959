//! Runs the golden files of the text form, and reads every example of its documentation.

use std::path::Path;

use spn_ir::text;
use spn_testkit::golden::run_directory;

fn run(command: &str, circuit: &str) -> Result<String, String> {
    let circuit = text::parse(circuit).map_err(|error| error.to_string())?;
    match command {
        "parse" => Ok(text::print(&circuit)),
        "structure" => Ok(text::print_structure(&circuit)),
        other => Err(format!("unknown command `{other}`: use parse or structure")),
    }
}

#[test]
fn text_forms_are_as_expected() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    assert!(run_directory(directory, run).unwrap() >= 5);
}

#[test]
fn the_documentations_examples_are_circuits() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/format-spn.md");
    let page = std::fs::read_to_string(path).unwrap();
    let examples: Vec<&str> = page
        .split("```spn\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    assert!(examples.len() >= 2);
    for example in examples {
        text::parse(example).unwrap_or_else(|error| panic!("{error}\n{example}"));
    }
}
