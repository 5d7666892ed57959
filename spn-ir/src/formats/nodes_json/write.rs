//! Writing a circuit as `spn-nodes-v1`, unit by unit.

use serde_json::json;

use super::FORMAT_NAME;
use crate::formats::scalar::{ScalarKind, Unrolled, unroll};
use crate::formats::{WriteError, Written};
use crate::{Circuit, LocationScale};

/// The circuit as the bytes of a file, one node in each line.
pub(super) fn write(circuit: &Circuit) -> Result<Written, WriteError> {
    let mut unrolled = unroll(circuit, FORMAT_NAME, false)?;
    unrolled.replace_indicators();
    unrolled.replace_logarithms();
    let scopes = unrolled.scopes();
    let Unrolled { scalars, root, lost } = unrolled;
    let variables = circuit.variables;
    let mut text = format!(
        "{{\"format\": \"{FORMAT_NAME}\", \"num_vars\": {variables}, \"root\": {root}, \"nodes\": ["
    );
    for (id, node) in scalars.nodes.iter().enumerate() {
        let scope: Vec<usize> = scopes[id].variables().collect();
        let entry = match &node.kind {
            ScalarKind::Categorical { probabilities, .. } => {
                json!({"id": id, "type": "categorical", "scope": scope,
                    "probs": probabilities.linear()})
            }
            ScalarKind::LocationScale {
                density: LocationScale::Normal, location, scale, ..
            } => {
                json!({"id": id, "type": "gaussian", "scope": scope, "mean": location,
                    "std": scale})
            }
            kind @ (ScalarKind::LocationScale { .. } | ScalarKind::Indicator { .. }) => {
                return Err(WriteError::leaf(FORMAT_NAME, kind, circuit, node.origin));
            }
            ScalarKind::Product(children) => {
                json!({"id": id, "type": "product", "scope": scope, "children": children})
            }
            ScalarKind::Sum { children, weights } => {
                json!({"id": id, "type": "sum", "scope": scope, "children": children,
                    "weights": weights.linear()})
            }
        };
        text.push_str(if id == 0 { "\n " } else { ",\n " });
        text.push_str(&entry.to_string());
    }
    text.push_str("]}\n");
    Ok(Written { bytes: text.into_bytes(), nodes: scalars.nodes.len(), lost })
}
