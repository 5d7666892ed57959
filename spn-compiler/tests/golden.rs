//! Golden files: circuit text in, the text of one stage of the compiler out. One directory for
//! each stage; `SPN_BLESS=1 cargo test -p spn-compiler --test golden` rewrites expectations.
//!
//! The line `test <stage>` may be followed by options of the compiler: `dropout`,
//! `allow-invalid`, `outputs=2,3`; for `order` by `small=8`, see [`order::SMALL`].

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use spn_compiler::{Options, compile, fuse, order, schedule, simplify};
use spn_ir::plan::Plan;
use spn_ir::{Circuit, NodeId, ParameterId, text};
use spn_testkit::golden::run_directory;

/// Runs the stage that a test file names.
fn run(command: &str, circuit: &str) -> Result<String, String> {
    let circuit = text::parse(circuit).map_err(|error| error.to_string())?;
    let mut words = command.split_whitespace();
    let stage = words.next().ok_or("no stage")?;
    let (small, words): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with("small="));
    let words = words.into_iter();
    let options = options(words)?;
    let plan = || verified_plan(&circuit, &options);
    match stage {
        "check" => Ok(spn_compiler::check(&circuit).to_string()),
        "simplify" => Ok(simplified_text(&circuit, &options)),
        "fuse" => Ok(fuse::run(simplify::run(&circuit, &options)).to_string()),
        "schedule" => Ok(schedule::run(&fuse::run(simplify::run(&circuit, &options))).to_string()),
        "order" => ordered_text(&circuit, &options, &small),
        "memory" => Ok(plan()?.memory_text()),
        "plan" => Ok(plan()?.to_string()),
        "scalar" => Ok(plan()?.scalar_text()),
        "reverse" => Ok(plan()?.reverse_text()),
        other => Err(format!("unknown stage `{other}`")),
    }
}

fn options<'a>(words: impl Iterator<Item = &'a str>) -> Result<Options, String> {
    let mut options = Options::default();
    for word in words {
        match (word, word.strip_prefix("outputs=")) {
            ("dropout", _) => options.dropout = true,
            ("allow-invalid", _) => options.allow_invalid = true,
            (_, Some(list)) => {
                for id in list.split(',') {
                    options.outputs.push(NodeId(id.parse().map_err(|e| format!("{id}: {e}"))?));
                }
            }
            _ => return Err(format!("unknown option `{word}`")),
        }
    }
    Ok(options)
}

/// A plan; what the compiler emits must pass the verification of plans from outside.
fn verified_plan(circuit: &Circuit, options: &Options) -> Result<Plan, String> {
    let plan = compile(circuit, options).map_err(|error| error.to_string())?;
    plan.verify().map_err(|error| format!("NOT VERIFIED: {error}"))?;
    Ok(plan)
}

/// The runs, then the steps with their instances in the order in which they run.
fn ordered_text(circuit: &Circuit, options: &Options, small: &[&str]) -> Result<String, String> {
    let fused = fuse::run(simplify::run(circuit, options));
    let mut schedule = schedule::run(&fused);
    let small = small.first().and_then(|word| word.strip_prefix("small=")).unwrap_or("0");
    let small = small.parse().map_err(|error| format!("small={small}: {error}"))?;
    let runs = order::run(&mut schedule, &fused.read_last(), small);
    let runs = runs.iter().enumerate().map(|(index, run)| format!("run {index}: {run}\n"));
    Ok(runs.collect::<String>() + &schedule.to_string())
}

/// The nodes of the simplified circuit, the root and the outputs, without parameters.
fn simplified_text(circuit: &Circuit, options: &Options) -> String {
    let mut simplified = simplify::run(circuit, options);
    // Under other names, so that nodes show which quantity they read and not `[…]`.
    let parameters = &mut simplified.circuit.parameters;
    for index in 0..parameters.len() {
        parameters.get_mut(ParameterId(index as u32)).name = format!("p{index}");
    }
    let structure = text::print_structure(&simplified.circuit);
    let nodes = structure.lines().filter(|line| line.starts_with('n') || line.starts_with("root"));
    let nodes = nodes.map(|line| format!("{line}\n"));
    let outputs = simplified.outputs.iter().map(|id| format!("output n{}\n", id.0));
    nodes.chain(outputs).collect()
}

/// Every file of one directory; there are at least five, so that none is lost unnoticed.
fn directory(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    assert!(path.join("README.md").exists(), "say in a README.md what the files are about");
    assert!(run_directory(path, run).unwrap() >= 5);
}

#[test]
fn check() {
    directory("check");
}

#[test]
fn simplify() {
    directory("simplify");
}

#[test]
fn fuse() {
    directory("fuse");
}

#[test]
fn schedule() {
    directory("schedule");
}

#[test]
fn order() {
    directory("order");
}

#[test]
fn memory() {
    directory("memory");
}

#[test]
fn plan() {
    directory("plan");
}

#[test]
fn reverse() {
    directory("reverse");
}

#[test]
fn scalar() {
    directory("scalar");
}
