//! `spn compile`: compiles a model, and shows what the compiler makes of it.
//!
//! In: a MODEL. Out: a compiled plan as a file, stages of the compilation as text.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use spn_compiler::{Options, Stages, compile_stages};
use spn_ir::container::write_plan;
use spn_ir::plan::Plan;
use spn_ir::{Circuit, text};

use crate::arguments::{ModelArguments, PrecisionArguments};
use crate::format::{duration, facts, thousands};
use crate::model::{LoadOptions, LoadedModel};
use crate::output::write_atomically;
use crate::precision::Precision;
use crate::{Answer, Failure, Session};

/// Samples that the runtime takes through the plan at a time, at most.
const SAMPLES: u64 = 64;

/// Compiles a model to an execution plan.
///
/// The plan holds everything the runtime needs and loads without the compiler; it can be given
/// wherever a MODEL is asked questions. --emit prints what the passes make of the network: the
/// circuit as lowered, after simplification, after fusion, the plan's steps and its reverse pass.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  spn compile model.spnb -o model.plan\n  \
                        spn compile examples/dgc_spn_mnist.json --emit plan,reverse")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Where to write the plan.
    #[arg(long, short, value_name = "PLAN")]
    out: Option<PathBuf>,
    /// Stages to print, separated by commas.
    #[arg(long, value_name = "STAGES", value_delimiter = ',')]
    emit: Vec<Stage>,
    #[command(flatten)]
    precision: PrecisionArguments,
}

/// What a stage of the compilation gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// The circuit as it was read or lowered from layers.
    Circuit,
    /// The circuit after simplification.
    Simplified,
    /// Operations: sums with the products they read.
    Fused,
    /// The plan's steps.
    Plan,
    /// The plan's reverse pass.
    Reverse,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Circuit => "circuit",
            Self::Simplified => "simplified",
            Self::Fused => "fused",
            Self::Plan => "plan",
            Self::Reverse => "reverse",
        }
    }

    fn text(self, circuit: &Circuit, stages: &Stages) -> String {
        match self {
            Self::Circuit => text::print_structure(circuit),
            Self::Simplified => text::print_structure(&stages.simplified),
            Self::Fused => stages.fused.to_string(),
            Self::Plan => stages.plan.to_string(),
            Self::Reverse => stages.plan.reverse_text(),
        }
    }
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// If the model cannot be read or is invalid, or the file cannot be written.
    pub fn run(&self, session: &Session) -> Result<Answer, Failure> {
        let options = LoadOptions { seed: session.seed, ..LoadOptions::default() };
        let model = LoadedModel::read(&self.model.model, options)?;
        let circuit = model.circuit(None)?;
        let allow_invalid = self.model.allow_invalid;
        let start = Instant::now();
        let options = Options { allow_invalid, ..Options::default() };
        let stages = compile_stages(&circuit, &options)
            .map_err(|error| Failure::from(error).in_file(&model.path))?;
        let seconds = start.elapsed().as_secs_f64();
        let precision = self.precision.precision.unwrap_or(model.precision);
        if let Some(out) = &self.out {
            let stored = precision.stored();
            write_atomically(out, |writer| write_plan(writer, stored, &stages.plan))?;
        }
        let mut emitted = String::new();
        let mut texts = Map::new();
        for stage in &self.emit {
            let text = stage.text(&circuit, &stages);
            emitted.push_str(&format!("# {}\n{}\n\n", stage.name(), text.trim_end()));
            texts.insert(stage.name().to_owned(), json!(text));
        }
        let mut answer = self.answer(&circuit, &stages.plan, seconds, precision);
        answer.text.insert_str(0, &emitted);
        answer.json["stages"] = Value::Object(texts);
        Ok(answer)
    }

    fn answer(&self, circuit: &Circuit, plan: &Plan, seconds: f64, precision: Precision) -> Answer {
        let bytes = match precision {
            Precision::F32 => 4,
            Precision::F64 => 8,
        };
        let arena = |rows: u32| u64::from(rows) * SAMPLES * bytes;
        let (inference, training) = (arena(plan.inference.rows), arena(plan.training.rows));
        let mut lines = vec![
            ("nodes", thousands(circuit.nodes.len() as u64)),
            ("steps", thousands(plan.steps.len() as u64)),
            ("compiled in", duration(seconds)),
            ("arena for inference", format!("{} bytes", thousands(inference))),
            ("arena for training", format!("{} bytes", thousands(training))),
        ];
        lines.extend(plan.remarks.iter().map(|remark| ("remark", remark.clone())));
        lines.extend(self.out.iter().map(|out| ("written to", out.display().to_string())));
        let json = json!({
            "compile_s": seconds,
            "nodes": circuit.nodes.len(),
            "steps": plan.steps.len(),
            "arena_bytes": inference,
            "training_arena_bytes": training,
            "remarks": plan.remarks,
            "out": self.out,
        });
        Answer::new(json, facts(lines))
    }
}
