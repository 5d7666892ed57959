//! `spn check`: is a model a valid sum-product network?
//!
//! In: a MODEL. Out: "valid", or every problem with its witness and exit code 1.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use spn_compiler::{Problem, ProblemKind, Report};
use spn_ir::LayerError;
use spn_ir::layers::RegionError;

use crate::model::{LoadOptions, LoadedModel};
use crate::{Answer, Exit, Failure, Session};

/// Checks whether a model is a valid sum-product network.
///
/// Valid means complete (the children of every sum have the same variables), decomposable (those of
/// every product share none) and normalised (weights are probabilities, scales are positive). For
/// each violation the smallest evidence is shown: which node, which children, which variables.
/// Exits with 0 if the network is valid, with 1 if not, with 2 if the file cannot be read.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  spn check examples/rat_spn.json")]
pub struct Arguments {
    /// The network: a layer file, a circuit or a trained model; also .gz.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// If the model cannot be read.
    pub fn run(&self, session: &Session) -> Result<Answer, Failure> {
        let options =
            LoadOptions { seed: session.seed, structure_only: true, ..LoadOptions::default() };
        let circuit = LoadedModel::read(&self.model, options).and_then(|model| model.circuit(None));
        match circuit {
            Ok(circuit) => Ok(self.answer(&spn_compiler::check(&circuit))),
            // Layers that make no network are an answer, too.
            Err(failure) if failure.exit() == Exit::Invalid => Ok(no_network(&failure)),
            Err(failure) => Err(failure),
        }
    }

    fn answer(&self, report: &Report) -> Answer {
        let path = self.model.display();
        let mut text = if report.is_valid() {
            format!("{path}: valid: complete, decomposable, normalised\n")
        } else {
            let count = report.problems.len();
            format!("{path}: invalid, {count} problem{}\n", if count == 1 { "" } else { "s" })
        };
        for problem in &report.problems {
            text.push_str(&format!("  {problem}\n"));
        }
        for note in &report.notes {
            text.push_str(&format!("  note: {note}\n"));
        }
        let json = json!({
            "valid": report.is_valid(),
            "complete": report.complete,
            "decomposable": report.decomposable,
            "normalised": report.normalised,
            "problems": report.problems.iter().map(problem_json).collect::<Vec<_>>(),
            "notes": report.notes.iter().map(problem_json).collect::<Vec<_>>(),
        });
        Answer { yes: report.is_valid(), ..Answer::new(json, text) }
    }
}

fn problem_json(problem: &Problem) -> Value {
    let (kind, variables) = match &problem.kind {
        ProblemKind::Incomplete { variables, .. } => ("incomplete", Some(variables)),
        ProblemKind::NotDecomposable { variables, .. } => ("not-decomposable", Some(variables)),
        ProblemKind::NotNormalised { .. } => ("not-normalised", None),
        ProblemKind::NegativeWeight { .. } => ("negative-weight", None),
        ProblemKind::NotFinite { .. } => ("not-finite", None),
        ProblemKind::NotPositive { .. } => ("not-positive", None),
        ProblemKind::UnusedVariables { variables } => ("unused-variables", Some(variables)),
    };
    json!({
        "kind": kind,
        "node": problem.node.0,
        "origin": problem.origin,
        "message": problem.to_string(),
        "variables": variables.cloned().unwrap_or_default(),
    })
}

/// The answer for layers that do not even make a circuit; what was not looked at is `null`.
fn no_network(failure: &Failure) -> Answer {
    let (mut decomposable, mut variables) = (Value::Null, Vec::new());
    let (mut kind, mut origin) = ("structure", Value::Null);
    match failure.layer_error() {
        Some(LayerError::Region(RegionError::OverlappingScopes { shared, .. })) => {
            (decomposable, kind) = (json!(false), "not-decomposable");
            variables.clone_from(shared);
        }
        Some(LayerError::Layer { place, .. }) => origin = json!(place.to_string()),
        _ => {}
    }
    let message = failure.to_string();
    let text = format!("{message}\n");
    let json = json!({
        "valid": false,
        "complete": Value::Null,
        "decomposable": decomposable,
        "normalised": Value::Null,
        "problems": [{
            "kind": kind,
            "node": Value::Null,
            "origin": origin,
            "message": message,
            "variables": variables,
        }],
        "notes": [],
    });
    Answer { yes: false, ..Answer::new(json, text) }
}
