//! What is in a MODEL file, told by its bytes.
//!
//! In: a path. Out: a [`Content`]. The kind shows in the first bytes: gzip is undone, `SPNB` is a
//! container, circuits are recognised by the formats of [`spn_ir::formats`], what is left of JSON
//! is a layer file. Names do not matter.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use spn_ir::container::{self, Kind};
use spn_ir::formats::Format;
use spn_ir::layers::LayerProblem;
use spn_ir::plan::Plan;
use spn_ir::{Circuit, LayerError, LayerFile, formats};

use super::{ModelKind, network_file};
use crate::Failure;
use crate::precision::Precision;

/// Bytes that a compressed model may decompress to: a small file must not fill the memory.
const DECOMPRESSED_LIMIT: u64 = 2 << 30;

/// Where the flags of a container stand, and the one that says single precision
/// (`docs/format-spnb.md`).
const CONTAINER_FLAGS: (usize, u8) = (12, 1);

/// What is in a MODEL file.
pub(super) enum Content {
    /// A layer file, without parameters.
    Layers(LayerFile),
    /// A trained network.
    Network(ModelKind, Precision),
    /// A circuit.
    Circuit(Circuit),
    /// A compiled plan.
    Plan(Box<Plan>, Precision),
}

impl Content {
    /// Reads a file, as a circuit in the given format if there is one.
    pub(super) fn read(path: &Path, format: Option<&Format>) -> Result<Self, Failure> {
        let bytes = read_bytes(path)?;
        match format {
            Some(format) => Ok(Self::Circuit(format.read(&bytes)?)),
            None => Self::from_bytes(&bytes),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Failure> {
        if let Some(format) = formats::recognise(bytes) {
            return Ok(Self::Circuit(format.read(bytes)?));
        }
        if bytes.starts_with(b"SPNB") {
            return Self::from_container(bytes);
        }
        match std::str::from_utf8(bytes) {
            Ok(text) if text.trim_start_matches('\u{feff}').trim_start().starts_with('{') => {
                Ok(Self::Layers(LayerFile::from_json(text.trim_start_matches('\u{feff}'))?))
            }
            _ => Err(unknown(bytes)),
        }
    }

    fn from_container(bytes: &[u8]) -> Result<Self, Failure> {
        let (flags, single) = CONTAINER_FLAGS;
        let precision = match bytes.get(flags) {
            Some(flags) if flags & single != 0 => Precision::F32,
            _ => Precision::F64,
        };
        if container::sniff(bytes) == Some(Kind::Plan) {
            return Ok(Self::Plan(Box::new(container::read_plan(bytes)?), precision));
        }
        Ok(Self::Network(network_file::read(bytes)?, precision))
    }
}

/// Whether building the network failed for want of training data.
pub(super) fn needs_data(error: &LayerError) -> bool {
    matches!(error, LayerError::Layer { problem, .. }
        if matches!(**problem, LayerProblem::NeedsData { .. }))
}

fn unknown(bytes: &[u8]) -> Failure {
    let what = match bytes {
        [] => "the file is empty".to_owned(),
        _ => {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(12)]);
            format!("the file begins with `{}`", start.escape_debug())
        }
    };
    let circuits: Vec<&str> = formats::FORMATS.iter().map(|format| format.name).collect();
    let circuits = circuits.join(", ");
    Failure::misuse(format!(
        "this is no model: {what}; a layer file (JSON), a circuit ({circuits}), a trained model or a \
         compiled plan (.spnb) is needed"
    ))
}

/// The bytes of a file, decompressed.
fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = |error: std::io::Error| Failure::misuse(format!("cannot read it: {error}"));
    let mut file = File::open(path).map_err(cannot)?;
    if file.metadata().map_err(cannot)?.is_dir() {
        return Err(Failure::misuse("this is a folder; give a file"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(cannot)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut whole = Vec::new();
    let limited = MultiGzDecoder::new(bytes.as_slice()).take(DECOMPRESSED_LIMIT + 1);
    let damaged = |error: std::io::Error| {
        Failure::misuse(format!("the gzip data are damaged: {error}; copy the file again"))
    };
    { limited }.read_to_end(&mut whole).map_err(damaged)?;
    if whole.len() as u64 > DECOMPRESSED_LIMIT {
        return Err(Failure::misuse(format!(
            "it decompresses to more than {DECOMPRESSED_LIMIT} bytes; decompress it yourself"
        )));
    }
    Ok(whole)
}
