//! The commands of the book's page on queries, run as they stand there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod commands_support;

use commands_support::{CIRCUIT, repository, tiny};

#[test]
fn the_commands_of_the_page_on_queries_run() {
    let folder = tiny("book");
    folder.write("circuit.spn", CIRCUIT);
    folder.write("evidence.csv", ",1\n0,\n,\n");
    folder.write("asked.csv", "1,\n,0\n1,1\n");
    folder.write("half.csv", "0.1,0.2,,\n,,0.9,1\n");
    let train =
        "train @net.json --data @rows.csv --labels @labels.csv --epochs 5 --out @model.spnb";
    assert_eq!(folder.spn(train).code, 0);
    let page = std::fs::read_to_string(repository("docs/queries.md")).unwrap();
    let commands: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("    spn ")).collect();
    for command in &commands {
        let in_folder = |word: &str| match word.contains('.') && !word.starts_with('-') {
            true => format!("@{word}"),
            false => word.to_owned(),
        };
        let line: Vec<String> = command.split_whitespace().map(in_folder).collect();
        let run = folder.spn(&line.join(" "));
        assert_eq!(run.code, 0, "{command}: {run:?}");
    }
    assert!(commands.len() >= 6, "{commands:?}");
    for file in ["conditional.npy", "marginals.npz", "moments.npz", "explained.npy", "samples.npy"]
    {
        assert!(folder.path(file).exists(), "{file}");
    }
}
