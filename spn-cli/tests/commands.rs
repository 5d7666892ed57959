//! The commands, end to end: the built program on small files, what it prints and writes, and its
//! exit codes.

mod commands_support;

use commands_support::{Folder, TINY_NETWORK, has, keys, repository, tiny};
use serde_json::{Value, json};
use spn_cli::data;

const COMMANDS: [&str; 16] = [
    "demo",
    "summary",
    "check",
    "compile",
    "loglik",
    "eval",
    "train",
    "predict",
    "complete",
    "conditional",
    "marginals",
    "moments",
    "mpe",
    "sample",
    "convert",
    "bench",
];

#[test]
fn every_command_explains_itself() {
    let folder = Folder::new("help");
    let all = folder.spn("--help");
    assert_eq!((all.code, all.stderr.as_str()), (0, ""));
    for command in COMMANDS {
        assert!(all.stdout.contains(command), "{command}");
        let help = folder.spn(&format!("{command} --help"));
        assert_eq!(help.code, 0);
        assert!(help.stdout.contains("Example") && help.stdout.contains("--threads"), "{command}");
    }
    assert!(folder.spn("--version").stdout.starts_with("spn "));
    folder.fails("", 2, &["Usage"]);
    folder.fails("summarise x", 2, &["summary"]);
}

#[test]
fn the_readme_network_has_the_reference_parameter_counts() {
    let folder = Folder::new("summary");
    let network = repository("examples/dgc_spn_mnist.json");
    let json = folder.json(&format!("summary {network}"));
    assert_eq!(json["total_params"], 1_214_498);
    assert_eq!(json["trainable_params"], 1_201_930);
    assert_eq!(json["layers"].as_array().unwrap().len(), 16);
    has(&json["layers"][0], &["name", "type", "output_shape", "params", "trainable_params"]);
    has(&json, &["nodes", "edges", "depth"]);
    let text = folder.spn(&format!("summary {network}")).stdout;
    assert!(text.contains("1,201,930") && text.contains("(14, 14, 64)"), "{text}");
}

#[test]
fn circuits_are_summarised_by_kind() {
    let folder = tiny("kinds");
    for (file, nodes) in [("circuit.spn", 4), ("nodes.json", 5)] {
        let json = folder.json(&format!("summary @{file}"));
        assert_eq!(json["nodes"], nodes, "{file}");
        has(&json, &["total_params", "trainable_params", "layers", "edges", "depth"]);
    }
    assert!(folder.spn("summary @nodes.json").stdout.contains("normal leaf"));
}

#[test]
fn every_example_is_valid() {
    let folder = Folder::new("examples");
    for entry in std::fs::read_dir(repository("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let json = folder.json(&format!("check {}", path.display()));
            has(&json, &["complete", "decomposable", "normalised", "problems"]);
            assert_eq!(json["valid"], true, "{}", path.display());
            assert_eq!(folder.spn(&format!("summary {}", path.display())).code, 0);
        }
    }
}

#[test]
fn invalid_circuits_are_told_with_a_witness() {
    let folder = tiny("invalid");
    let leaf = "spn 1\nvariables 2\na = leaf indicator(0) x2\nb = leaf indicator(1) x2\n";
    let cases = [
        (
            "product(a, a)",
            "sum(p) weights=[0.5 0.5]",
            "not-decomposable",
            "decomposable",
            json!([0]),
        ),
        (
            "product(a)",
            "sum(p, b) weights=[0.2 0.3 0.1 0.4]",
            "incomplete",
            "complete",
            json!([0, 1]),
        ),
        ("product(a, b)", "sum(p) weights=[0.5 0.6]", "not-normalised", "normalised", json!([])),
        ("product(a, b)", "sum(p) weights=[-0.5 1.5]", "negative-weight", "normalised", json!([])),
    ];
    for (product, sum, kind, property, variables) in cases {
        folder.write("bad.spn", format!("{leaf}p = {product}\ns = {sum}\nroot s\n"));
        let run = folder.spn("check @bad.spn --json");
        assert_eq!(run.code, 1, "{kind}: {run:?}");
        let json: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!((&json["valid"], &json[property]), (&json!(false), &json!(false)), "{kind}");
        let problem = &json["problems"][0];
        has(problem, &["kind", "node", "origin", "message", "variables"]);
        assert_eq!((&problem["kind"], &problem["variables"]), (&json!(kind), &variables));
        assert!(problem["origin"].as_str().unwrap().contains("line"), "{problem}");
        // Other commands refuse it, unless told to go on; an answer appears in one of the cases only.
        folder.fails(
            "loglik @bad.spn --data @bits.csv --out @ll.npy",
            1,
            &["invalid", "spn check"],
        );
        assert!(!folder.path("ll.npy").exists());
        assert_eq!(folder.spn("loglik @bad.spn --data @bits.csv --allow-invalid").code, 0);
    }
    let json = folder.json("compile @bad.spn --allow-invalid");
    assert!(json["remarks"][0].as_str().unwrap().contains("although"), "{json}");
}

#[test]
fn layers_that_make_no_network_are_told_with_their_place() {
    let folder = Folder::new("layers");
    folder.write(
        "overlap.json",
        r#"{"region_graph": [[0, 1], [1, 2]],
        "leaf": {"type": "NormalLeaf", "num_components": 2}, "num_sums": 2}"#,
    );
    folder.fails("check @overlap.json", 1, &["{x0, x1}", "[1]"]);
    let run = folder.spn("check @overlap.json --json");
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["decomposable"], false);
    assert_eq!(json["problems"][0]["variables"], json!([1]));

    let kernel = TINY_NETWORK.replace("\"kernel_size\": [2, 2]", "\"kernel_size\": [3, 2]");
    folder.write("kernel.json", kernel);
    for command in ["check", "summary", "compile"] {
        folder.fails(&format!("{command} @kernel.json"), 1, &["layer 1 (Conv2DProduct)", "kernel"]);
    }
    let zero = TINY_NETWORK.replace("\"num_sums\": 2", "\"num_sums\": 0");
    folder.write("zero.json", zero);
    folder.fails("check @zero.json", 1, &["layer 3 (DenseSum)", "num_sums"]);

    for (from, to, words) in [
        ("RootSum", "RotSum", ["layer 4", "RotSum"]),
        (
            "\"num_components\": 2",
            "\"num_component\": 2",
            ["layer 0 (NormalLeaf)", "num_component"],
        ),
        ("\"name\"", "\"title\"", ["unknown key", "title"]),
        ("[2, 2, 1],", "[2, 2, 1]", ["line 3", "column"]),
    ] {
        folder.write("unreadable.json", TINY_NETWORK.replace(from, to));
        folder.fails("check @unreadable.json", 2, &words);
    }
}

#[test]
fn compiling_shows_stages_and_the_plan_answers_like_the_model() {
    let folder = tiny("compile");
    let line = "compile @circuit.spn -o @plan --emit circuit,simplified,fused,plan,reverse";
    let json = folder.json(line);
    has(&json, &["compile_s", "steps", "arena_bytes"]);
    assert_eq!(keys(&json["stages"]), ["circuit", "simplified", "fused", "plan", "reverse"]);
    let text = folder.spn(line).stdout;
    assert!(text.contains("# plan\nplan: 2 variables"), "{text}");
    for model in ["circuit.spn", "plan"] {
        let json = folder.json(&format!("loglik @{model} --data @bits.csv --out @{model}.npy"));
        assert_eq!(json["rows"], 4);
    }
    assert_eq!(folder.read("circuit.spn.npy"), folder.read("plan.npy"));
    assert_eq!(folder.spn("summary @plan").code, 0);
    folder.fails("check @plan", 2, &["compiled plan"]);
    folder.fails("train @plan --data @bits.csv --out @no.spnb", 2, &["compiled plan"]);
}

#[test]
fn log_likelihoods_marginalise_missing_values() {
    let folder = tiny("loglik");
    let json = folder.json("loglik @circuit.spn --data @bits.csv --out @ll.npy");
    has(&json, &["mean", "rows", "rows_per_s"]);
    let values = data::read(folder.path("ll.npy").to_str().unwrap(), None).unwrap().values;
    let expected = [
        (0.3 * 0.2 * 0.5 + 0.7 * 0.6 * 0.9_f64).ln(),
        (0.3 * 0.2 * 0.5 + 0.7 * 0.6 * 0.1_f64).ln(),
        (0.3 * 0.8 + 0.7 * 0.4_f64).ln(),
        0.0,
    ];
    for (value, expected) in values.iter().zip(expected) {
        assert!((f64::from(*value) - expected).abs() < 1e-6, "{value} {expected}");
    }
    let single = folder.json("loglik @circuit.spn --data @bits.csv --precision f32 --rows 0..2");
    assert_eq!(single["rows"], 2);
    // An impossible row: -inf is no JSON number.
    folder.write(
        "sure.spn",
        "spn 1\nvariables 1\na = leaf categorical(0) x1 probabilities=[1 0]\nroot a\n",
    );
    folder.write("one.csv", "1\n0\n");
    let json = folder.json("eval @sure.spn --data @one.csv");
    assert_eq!((&json["log_likelihood"], &json["impossible_rows"]), (&Value::Null, &json!(1)));
}

#[test]
fn a_trained_model_is_accepted_everywhere() {
    let folder = tiny("train");
    let json = folder.json(
        "train @net.json --data @rows.csv --labels @labels.csv --epochs 40 --valid-rows 0..4 \
         --out @model.spnb --curve @curve.png --history @history.csv",
    );
    has(&json, &["epochs", "out", "files"]);
    let epochs = json["epochs"].as_array().unwrap();
    assert_eq!(epochs.len(), 40);
    has(&epochs[0], &["train", "valid", "seconds", "accuracy"]);
    assert_eq!(json["training"]["objective"], "discriminative");
    assert_eq!(json["training"]["learning_rate"], 0.1);
    assert!(folder.read("curve.png").starts_with(b"\x89PNG"));
    assert_eq!(folder.read("history.csv").split(|byte| *byte == b'\n').count(), 42);

    let quality = folder.json("eval @model.spnb --data @rows.csv --labels @labels.csv");
    has(&quality, &["log_likelihood", "bits_per_dim", "accuracy"]);
    assert_eq!(quality["accuracy"], 1.0);
    assert_eq!(folder.json("check @model.spnb")["valid"], true);
    assert_eq!(folder.json("summary @model.spnb")["name"], "tiny");
    let predicted = folder.json("predict @model.spnb --data @rows.csv --out @posteriors.npy");
    assert_eq!((&predicted["rows"], &predicted["classes"]), (&json!(6), &json!(2)));
    let posteriors = data::read(folder.path("posteriors.npy").to_str().unwrap(), None).unwrap();
    assert_eq!((posteriors.rows, posteriors.columns), (6, 2));
    assert!(posteriors.values.chunks(2).all(|row| (row[0] + row[1] - 1.0).abs() < 1e-5));
    assert_eq!(folder.spn("loglik @model.spnb --data @rows.csv").code, 0);
    assert_eq!(folder.spn("complete @model.spnb --data @rows.csv --hide left").code, 0);
    assert_eq!(folder.spn("compile @model.spnb -o @plan").code, 0);
    let line =
        "train @model.spnb --data @rows.csv --labels @labels.csv --epochs 1 --out @more.spnb";
    assert_eq!(folder.spn(line).code, 0);
}

#[test]
fn training_depends_on_the_seed_and_not_on_threads() {
    let folder = tiny("seed");
    let train = |out: &str, more: &str| {
        let line = format!(
            "train @net.json --data @rows.csv --labels @labels.csv --out @{out} --objective joint \
             {more}"
        );
        assert_eq!(folder.spn(&line).code, 0);
        folder.read(out)
    };
    for method in ["rmsprop", "adamw", "em", "hard-em", "unweighted-hard-em", "sampled-em"] {
        let first = train("a", &format!("--method {method} --seed 1 --threads 1"));
        assert!(
            first == train("b", &format!("--method {method} --seed 1 --threads 2")),
            "{method}"
        );
        assert!(first != train("c", &format!("--method {method} --seed 2")), "{method}");
    }
    let sgd = "--method sgd --momentum 0.5 --objective generative --precision f64";
    let line = format!("train @net.json --data @rows.csv --out @d {sgd} --history @h.json");
    assert_eq!(folder.spn(&line).code, 0);
    assert!(serde_json::from_slice::<Value>(&folder.read("h.json")).unwrap().is_array());
}

#[test]
fn wrong_use_of_training_is_told_and_nothing_is_written() {
    let folder = tiny("wrong");
    folder.write("three.csv", "0\n0\n2\n1\n0\n1\n");
    folder.write("wide.csv", "1,2,3\n");
    let train = "train @net.json --data @rows.csv --out @model.spnb";
    let cases: [(String, &[&str]); 9] = [
        (train.to_owned(), &["discriminative", "--labels"]),
        (format!("{train} --labels @three.csv"), &["row 2", "label is 2", "2 classes"]),
        (format!("{train} --labels @bits.csv"), &["labels need exactly one"]),
        (format!("{train} --labels @labels.csv --rows 0..9"), &["6 rows"]),
        (format!("{train} --labels @labels.csv --method em"), &["em", "adam"]),
        (format!("{train} --labels @labels.csv --batch 0"), &["at least 1"]),
        (
            "train @net.json --data @wide.csv --labels @labels.csv --out @model.spnb".to_owned(),
            &["3 values", "4 variables"],
        ),
        (
            "train @net.json --data @rows.csv --labels @labels.csv --out @no/model.spnb".to_owned(),
            &["folder", "does not exist"],
        ),
        (
            format!(
                "{train} --objective generative --method sgd --learning-rate 1e300 --epochs 50"
            ),
            &["NaN", "--learning-rate"],
        ),
    ];
    let before = folder.names();
    for (line, words) in cases {
        folder.fails(&line, 2, words);
        assert_eq!(folder.names(), before, "{line}");
    }
}

#[test]
fn circuits_train_only_with_constraints() {
    let folder = tiny("circuit");
    let train = "train @c.spn --data @bits.csv --epochs 2 --out @trained.spn";
    folder.write("c.spn", commands_support::CIRCUIT);
    folder.fails(train, 2, &["no constraint"]);
    folder.write(
        "c.spn",
        "spn 1\nvariables 2
parameter w [2 1] constraint=greater-equal-normalized(1e-10, -2) = [0.3 0.7]
quantity q = direct(w)
a = leaf indicator(0) x2
b = leaf indicator(1) x2
p = product(a, b)
s = sum(p) weights=q@0
root s
",
    );
    assert_eq!(folder.spn(train).code, 0, "{:?}", folder.spn(train));
    assert_eq!(folder.json("check @trained.spn")["valid"], true);
}

#[test]
fn networks_that_need_data_say_so_unless_their_structure_is_asked_for() {
    let folder = tiny("data");
    let normalize =
        "\"layers\": [{\"type\": \"NormalizeStandardScore\", \"axes\": \"variable-wise\"},";
    folder.write("net.json", TINY_NETWORK.replace("\"layers\": [", normalize));
    let asked = "loglik @net.json --data @rows.csv --out @x.npy";
    folder.fails(asked, 2, &["layer 0 (NormalizeStandardScore)", "spn train"]);
    assert_eq!(folder.json("summary @net.json")["total_params"], 8 + 8 + 8 + 4 + 4 + 2);
    assert_eq!(folder.json("check @net.json")["valid"], true);
    let line = "train @net.json --data @rows.csv --labels @labels.csv --out @model.spnb";
    assert_eq!(folder.spn(line).code, 0);
    assert_eq!(folder.json("summary @model.spnb")["total_params"], 8 + 8 + 8 + 4 + 4 + 2);
}

#[test]
fn with_json_standard_output_is_one_document_also_for_errors() {
    let folder = tiny("json");
    for line in ["summary @missing.json", "loglik @net.json", "nonsense", "check @rows.csv"] {
        let run = folder.spn(&format!("{line} --json"));
        assert_eq!(run.code, 2, "{run:?}");
        let json: Value = serde_json::from_str(&run.stdout).unwrap();
        assert!(json["error"].is_string(), "{json}");
    }
    folder.fails("check @net.json --threads 0", 2, &["--threads"]);
    folder.fails("check @net.json --isa mmx", 2, &["mmx", "avx2"]);
    assert_eq!(folder.spn("check @net.json --isa baseline --quiet").stderr, "");
}
