//! `spn convert`: a model in another format.
//!
//! In: a MODEL and the name of a file. Out: that file, and what the new format could not hold.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use spn_ir::Circuit;
use spn_ir::formats::{self, FORMATS, Format, Vtree, Written};

use crate::format::{facts, thousands};
use crate::model::{LoadOptions, LoadedModel, ModelKind};
use crate::output::write_atomically;
use crate::{Answer, Failure, Session};

/// Writes a model in another format.
///
/// The format of IN is recognised by content; that of OUT follows from its name (compressed if that
/// ends in .gz) or from --to. A format that cannot hold the function that the network computes is
/// refused, with the node that is to blame. What is lost beside the function, tied parameters or
/// blocks of units for instance, is listed, and `lossless` is false; --strict makes that an error.
/// Networks of layers become circuits, layer by layer.
#[derive(Args, Debug)]
#[command(after_help = examples())]
pub struct Arguments {
    /// The network: a layer file, a circuit or a trained model; also .gz.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The file to write.
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// The format to write, one of those below; default the one OUT's name ends with.
    #[arg(long, value_name = "FORMAT")]
    to: Option<String>,
    /// The format that IN is read as, where it is not recognised.
    #[arg(long, value_name = "FORMAT")]
    from: Option<String>,
    /// A variable tree (.vtree): products of two must split their variables as it does.
    #[arg(long, value_name = "FILE")]
    vtree: Option<PathBuf>,
    /// Refuse to write if anything is lost.
    #[arg(long)]
    strict: bool,
}

/// The examples and the list of formats.
fn examples() -> String {
    let mut text = String::from(
        "Examples:\n  spn convert learned.json circuit.spn\n  \
         spn convert examples/rat_spn.json rat.json.gz --to spn-circuit-v1\n\nFormats:\n",
    );
    for format in FORMATS {
        let extensions: Vec<String> =
            format.extensions.iter().map(|extension| format!(".{extension}")).collect();
        let only = match (format.read.is_some(), format.write.is_some()) {
            (true, true) => "",
            (true, false) => " (read only)",
            _ => " (write only)",
        };
        let (name, title) = (format.name, format.title);
        text.push_str(&format!("  {name:<16}{title}{only}; {}\n", extensions.join(", ")));
    }
    text
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// If the model cannot be read, the format cannot hold it, or the file cannot be written.
    pub fn run(&self, session: &Session) -> Result<Answer, Failure> {
        let format = self.format()?;
        let options = LoadOptions { seed: session.seed, ..LoadOptions::default() };
        let from = self.from.as_deref().map(known).transpose()?;
        let model = LoadedModel::read_as(&self.input, from, options)?;
        let circuit = model.circuit(None)?;
        if let Some(path) = &self.vtree {
            check_vtree(path, &circuit).map_err(|failure| failure.in_file(path))?;
        }
        let mut written =
            format.write(&circuit).map_err(|error| Failure::from(error).in_file(&self.input))?;
        if !matches!(model.kind, ModelKind::Circuit(_)) {
            written.lost.push("layers: their nodes are written, not their options".to_owned());
        }
        if self.strict && !written.lost.is_empty() {
            return Err(Failure::misuse(format!(
                "{} would lose: {}; leave --strict out, or choose another format",
                format.name,
                written.lost.join("; ")
            )));
        }
        let compressed = self.output.extension().is_some_and(|end| end.eq_ignore_ascii_case("gz"));
        write_atomically(&self.output, |writer| {
            if !compressed {
                return writer.write_all(&written.bytes);
            }
            let mut encoder = GzEncoder::new(writer, Compression::default());
            encoder.write_all(&written.bytes)?;
            encoder.finish().map(drop)
        })?;
        Ok(self.answer(format, &written))
    }

    /// The format that is to be written.
    fn format(&self) -> Result<&'static Format, Failure> {
        if let Some(name) = &self.to {
            return known(name);
        }
        let name = self.output.file_name().map(|name| name.to_string_lossy().into_owned());
        formats::for_file_name(&name.unwrap_or_default()).ok_or_else(|| {
            Failure::misuse(format!(
                "{} does not tell the format; give one with --to: {}",
                self.output.display(),
                names()
            ))
        })
    }

    fn answer(&self, format: &Format, written: &Written) -> Answer {
        let mut lines = vec![
            ("format", format.name.to_owned()),
            ("nodes", thousands(written.nodes as u64)),
            ("bytes", thousands(written.bytes.len() as u64)),
            ("lossless", if written.lost.is_empty() { "yes" } else { "no" }.to_owned()),
        ];
        lines.extend(written.lost.iter().map(|lost| ("lost", lost.clone())));
        lines.push(("written to", self.output.display().to_string()));
        let json = json!({
            "format": format.name,
            "nodes": written.nodes,
            "bytes": written.bytes.len(),
            "lossless": written.lost.is_empty(),
            "lost": written.lost,
            "out": self.output,
        });
        Answer::new(json, facts(lines))
    }
}

/// Checks that a circuit follows the variable tree of a file.
fn check_vtree(path: &Path, circuit: &Circuit) -> Result<(), Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::misuse(format!("cannot read it: {error}")))?;
    Vtree::read(&text)?.check(circuit).map_err(Failure::invalid)
}

/// The format with this name.
fn known(name: &str) -> Result<&'static Format, Failure> {
    formats::find(name).ok_or_else(|| {
        Failure::misuse(format!("there is no format `{name}`; known are {}", names()))
    })
}

fn names() -> String {
    FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(", ")
}
