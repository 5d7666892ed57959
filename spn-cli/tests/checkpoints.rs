//! Trainings that are killed and gone on with, and checkpoints that do not fit or are damaged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod commands_support;

use std::fs;
use std::process::{Child, Stdio};

use commands_support::{Folder, TINY_NETWORK, tiny};
use serde_json::Value;

/// The tiny network with dropout and twelve rows.
fn prepare(test: &str) -> Folder {
    let folder = tiny(test);
    let dropout = "{\"type\": \"Dropout\", \"rate\": 0.2},\n        {\"type\": \"Conv2DProduct\"";
    folder.write("net.json", TINY_NETWORK.replace("{\"type\": \"Conv2DProduct\"", dropout));
    for name in ["rows.csv", "labels.csv"] {
        folder.write(name, folder.read(name).repeat(2));
    }
    folder.write("weights.csv", "1\n2\n0.5\n1\n0\n1.5\n".repeat(2));
    folder
}

/// Everything that a checkpoint must hold: momentum of the optimiser, dropout, weights, the best
/// parameters of so far.
const TRAIN: &str = "train @net.json --data @rows.csv --labels @labels.csv --valid-rows 0..5 \
                     --row-weights @weights.csv --keep best --learning-rate 0.05 --epochs 60";

/// The epochs of a history of JSON lines, without times.
fn history(folder: &Folder, name: &str) -> Vec<Value> {
    let text = String::from_utf8(folder.read(name)).unwrap();
    let epoch = |line: &str| {
        let mut epoch: Value = serde_json::from_str(line).unwrap();
        assert!(epoch.as_object_mut().unwrap().remove("seconds").is_some());
        epoch
    };
    text.lines().map(epoch).collect()
}

/// Waits until the checkpoint has changed so many times; whether the child still runs then.
fn wait_for_changes(folder: &Folder, child: &mut Child, changes: usize) -> bool {
    let path = folder.path("saved/checkpoint.spnb");
    let mut last = fs::read(&path).ok();
    let mut seen = 0;
    while seen < changes {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        let now = fs::read(&path).ok();
        seen += usize::from(now != last);
        last = now;
    }
    child.try_wait().unwrap().is_none()
}

#[test]
fn a_killed_training_goes_on_to_the_same_model() {
    let folder = prepare("killed");
    let through = folder.spn(&format!("{TRAIN} --history @through.jsonl --out @through.spnb"));
    assert_eq!(through.code, 0, "{through:?}");
    let line = format!(
        "{TRAIN} --checkpoint @saved --checkpoint-seconds 0 --resume --history @history.jsonl \
         --out @model.spnb"
    );
    let mut kills = 0;
    for (number, changes) in [0, 1, 9, 2, 25, 4, 16].into_iter().enumerate() {
        let threads = 1 + number % 2;
        let mut command = folder.command(&format!("{line} --threads {threads}"));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let runs = wait_for_changes(&folder, &mut child, changes);
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success() || !runs, "it was killed too late");
        kills += usize::from(runs);
        assert!(!runs || !folder.path("model.spnb").exists(), "a model of half a training");
    }
    // How many are in time is the machine's affair; the first one waits for nothing.
    assert!(kills >= 1, "all 7 kills came after the end");
    let last = folder.spn(&line);
    assert_eq!(last.code, 0, "{last:?}");
    assert!(last.stderr.contains("going on"), "{last:?}");
    assert!(folder.read("model.spnb") == folder.read("through.spnb"), "{last:?}");
    assert_eq!(history(&folder, "history.jsonl"), history(&folder, "through.jsonl"));
    let left: Vec<_> = fs::read_dir(folder.path("saved")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_finished_training_can_be_given_more_epochs() {
    let folder = prepare("more");
    let train = TRAIN.trim_end_matches(" 60");
    let saved = "--checkpoint @saved --resume --history @history.csv";
    assert_eq!(folder.spn(&format!("{train} 9 --out @long.spnb")).code, 0);
    let first = folder.spn(&format!("{train} 4 --out @model.spnb {saved}"));
    assert!(first.code == 0 && first.stderr.contains("no checkpoint yet"), "{first:?}");
    let more = folder.spn(&format!("{train} 9 --out @model.spnb {saved} --json"));
    assert!(more.stderr.contains("going on with epoch 5 of 9"), "{more:?}");
    let json: Value = serde_json::from_str(&more.stdout).unwrap();
    assert_eq!(json["epochs"].as_array().unwrap().len(), 9);
    assert!(folder.read("model.spnb") == folder.read("long.spnb"));
    assert_eq!(folder.read("history.csv").split(|byte| *byte == b'\n').count(), 11);
    // Nothing left to do: the model is written again.
    fs::remove_file(folder.path("model.spnb")).unwrap();
    let again = folder.spn(&format!("{train} 9 --out @model.spnb {saved}"));
    assert!(again.code == 0 && again.stderr.contains("had ended after epoch 9"), "{again:?}");
    assert!(folder.read("model.spnb") == folder.read("long.spnb"));
    folder.fails(&format!("{train} 8 --out @less.spnb {saved}"), 2, &["in epoch 9", "8 epochs"]);
}

#[test]
fn a_checkpoint_of_another_training_is_refused() {
    let folder = prepare("other");
    let saved = "--checkpoint @saved --out @model.spnb";
    let train = format!("{TRAIN} {saved}");
    assert_eq!(folder.spn(&train).code, 0);
    folder.fails(&train, 2, &["saved", "--resume"]);
    folder.write(
        "rows2.csv",
        String::from_utf8(folder.read("rows.csv")).unwrap().replace("0.9", "0.8"),
    );
    folder.write("labels2.csv", "1\n".repeat(12));
    folder.write(
        "net2.json",
        String::from_utf8(folder.read("net.json")).unwrap().replace("0.2}", "0.3}"),
    );
    let before = folder.read("saved/checkpoint.spnb");
    for (from, to, words) in [
        ("--learning-rate 0.05", "--learning-rate 0.06", ["learning_rate", "0.05 then, 0.06 now"]),
        ("--keep best", "--patience 3", ["patience", "none then, 3 now"]),
        ("--keep best", "--keep best --seed 3", ["seed (0 then, 3 now)", "initial parameters"]),
        ("--keep best", "--keep best --batch full", ["batch (2 then, \"full\" now)", "--epochs"]),
        ("--keep best", "--keep best --method sgd", ["method", "\"adam\" then, \"sgd\" now"]),
        ("--keep best", "--keep best --precision f64", ["precision", "f32 then, f64 now"]),
        ("@rows.csv", "@rows2.csv", ["data (12 rows of 4 values", "validation data"]),
        ("@labels.csv", "@labels2.csv", ["labels", "validation labels"]),
        ("--row-weights @weights.csv", "", ["row weights", "none now"]),
        ("--valid-rows 0..5", "--valid-rows 0..6", ["validation data (5 rows", "6 rows"]),
        ("@net.json", "@net2.json", ["network", "checksum"]),
    ] {
        let line = format!("{} --resume", train.replace(from, to));
        folder.fails(&line, 2, &words);
        folder.fails(&line, 2, &["checkpoint.spnb", "another training"]);
    }
    assert_eq!(folder.read("saved/checkpoint.spnb"), before);
    // The same training on other threads, or with another instruction set, which is told.
    assert_eq!(folder.spn(&format!("{train} --resume --threads 1")).code, 0);
    let other = folder.spn(&format!("{train} --resume --isa baseline"));
    assert!(other.code == 0 && other.stderr.contains("last digits"), "{other:?}");
}

#[test]
fn damaged_checkpoints_are_told() {
    let folder = prepare("damaged");
    let train = TRAIN.replace("--epochs 60", "--epochs 3");
    let train = format!("{train} --checkpoint @saved --resume --out @model.spnb");
    assert_eq!(folder.spn(&train).code, 0);
    fs::remove_file(folder.path("model.spnb")).unwrap();
    let whole = folder.read("saved/checkpoint.spnb");
    let mut versions: Vec<Vec<u8>> =
        [0, 3, 39, 44, whole.len() / 2, whole.len() - 1].map(|end| whole[..end].to_vec()).into();
    for at in [0, 4, 8, 12, 20, 41, 100, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 0x40;
        versions.push(changed);
    }
    versions.push([&whole[..], b"x"].concat());
    for damaged in versions {
        folder.write("saved/checkpoint.spnb", &damaged);
        folder.fails(&train, 2, &["checkpoint.spnb", "byte", "remove the file"]);
        assert_eq!(folder.read("saved/checkpoint.spnb"), damaged);
        assert!(!folder.path("model.spnb").exists());
    }
    // A model is no checkpoint, and a checkpoint no model.
    folder.write("saved/checkpoint.spnb", &whole);
    folder.fails("summary @saved/checkpoint.spnb", 2, &["a checkpoint of a training"]);
    assert_eq!(folder.spn(&train).code, 0);
    folder.write("saved/checkpoint.spnb", folder.read("model.spnb"));
    folder.fails(&train, 2, &["holds a network", "checkpoint"]);
}

#[test]
fn training_stops_early_and_says_what_it_kept() {
    let folder = prepare("early");
    let train = TRAIN.replace("--keep best", "--patience 2 --learning-rate 0.5");
    let train = train.replace(" --learning-rate 0.05", "");
    let run = folder.spn(&format!("{train} --out @model.spnb --json --curve @curve.png"));
    assert_eq!(run.code, 0, "{run:?}");
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    let epochs = json["epochs"].as_array().unwrap();
    assert!(epochs.len() < 60 && json["stopped_early"] == true, "{json}");
    assert_eq!(json["kept_epoch"], epochs.len() - 2);
    assert!(run.stderr.contains("did not get better for 2 epochs"), "{run:?}");
    assert!(run.stderr.contains(&format!("of epoch {}, whose", epochs.len() - 2)), "{run:?}");
    assert_eq!(json["training"]["patience"], 2);
    // The kept parameters are those of a training that ends there.
    let until = train.replace("--patience 2", "").replace("--epochs 60", "");
    let until = format!("{until} --epochs {} --out @until.spnb", epochs.len() - 2);
    assert_eq!(folder.spn(&until).code, 0);
    let loglik = |model: &str| {
        let line = format!("loglik @{model} --data @rows.csv --out @{model}.npy");
        assert_eq!(folder.spn(&line).code, 0);
        folder.read(&format!("{model}.npy"))
    };
    assert_eq!(loglik("model.spnb"), loglik("until.spnb"));
    // The model notes how it was trained; without validation rows that does not stand in the way.
    let again = "train @model.spnb --data @rows.csv --labels @labels.csv --epochs 1 --out @2.spnb";
    assert_eq!(folder.spn(again).code, 0);
}
