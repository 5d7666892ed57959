//! Trained networks: `.spnb` containers of the kind *network*.
//!
//! The structure is one [`Structure`]: the layer file in its resolved form (random permutations
//! are drawn, the `training` object says how it was trained) as JSON text, and the program that
//! wrote it. The parameters are the container's tensors, under their names `<layer>/<variable>`.
//! Values are stored in the precision they were trained in, so that reading gives back exactly
//! what training left.

use std::path::Path;

use serde::{Deserialize, Serialize};
use spn_ir::container::{Kind, read_container, write_container};
use spn_ir::layers::{DynamicModel, Model};
use spn_ir::{LayerFile, Parameters};

use super::ModelKind;
use crate::Failure;
use crate::output::{OutputError, write_atomically};
use crate::precision::Precision;

/// The structure part of the container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Structure {
    /// The layer file as JSON text.
    pub layer_file: String,
    /// The program that wrote the file, for people.
    pub program: String,
}

/// Reads a trained network.
///
/// # Errors
/// If the container is damaged, or its layers and parameters do not fit each other.
pub fn read(bytes: &[u8]) -> Result<ModelKind, Failure> {
    let (structure, parameters): (Structure, Parameters) = read_container(bytes, Kind::Network)?;
    let inside = |error: spn_ir::LayerError| {
        Failure::misuse(format!("the file is whole, but {error}; train the network again"))
    };
    let kind = match LayerFile::from_json(&structure.layer_file).map_err(inside)? {
        LayerFile::Network(network) => {
            let model = Model::new(network, parameters).map_err(inside)?;
            model.lower().map_err(inside)?;
            ModelKind::Layers(model)
        }
        LayerFile::Dynamic(network) => {
            let model = DynamicModel::new(network, parameters).map_err(inside)?;
            model.unroll(1).map_err(inside)?;
            ModelKind::Dynamic(model)
        }
    };
    Ok(kind)
}

/// Writes a network with the parameters it has now. Other models have a form of their own, for
/// which `None` is given back.
///
/// # Errors
/// If the file cannot be written.
pub fn write(
    path: &Path,
    kind: &ModelKind,
    precision: Precision,
) -> Option<Result<(), OutputError>> {
    let (layer_file, parameters) = match kind {
        ModelKind::Layers(model) => (model.network.to_json(), &model.parameters),
        ModelKind::Dynamic(model) => (model.network.to_json(), &model.parameters),
        ModelKind::Circuit(_) | ModelKind::Plan(_) => return None,
    };
    let structure = Structure { layer_file, program: PROGRAM.to_owned() };
    Some(write_atomically(path, |writer| {
        write_container(writer, Kind::Network, precision.stored(), &structure, parameters)
    }))
}

const PROGRAM: &str = concat!("spn ", env!("CARGO_PKG_VERSION"));
