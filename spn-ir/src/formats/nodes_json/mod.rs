//! Circuits as JSON node lists, `spn-nodes-v1`: what other programs write most easily.
//!
//! ```json
//! {"format": "spn-nodes-v1", "name": "…", "num_vars": 2, "root": 4, "nodes": [
//!   {"id": 0, "type": "bernoulli", "scope": [0], "p": 0.3},
//!   {"id": 1, "type": "categorical", "scope": [1], "probs": [0.2, 0.5, 0.3]},
//!   {"id": 2, "type": "gaussian", "scope": [1], "mean": 1.0, "std": 0.5},
//!   {"id": 3, "type": "sum", "scope": [1], "children": [1, 2], "weights": [0.4, 0.6]},
//!   {"id": 4, "type": "product", "scope": [0, 1], "children": [0, 3]}]}
//! ```
//!
//! In: the text. Out: a [`Circuit`] of scalar nodes, one for each entry and in the same order, so
//! that a node's number in messages is its place in the list; or an error that names the entry by
//! its id. Children precede parents, ids are unique, and a `scope` is what the children make it.
//! Weights need not sum to 1 here, nor need products be decomposable: that is for the compiler's
//! checks to say, with a witness. Other keys (`info`, say) are passed over.
//!
//! A Bernoulli variable becomes a categorical one with the states 0 and 1. All sums' weights are
//! one parameter `weights`, all tables one parameter `probabilities`, and so are `location` and
//! `scale`: thousands of nodes with a tensor each would be slow.
//!
//! No text makes the reader panic, and memory stays within a multiple of the text's length and
//! [`MAXIMUM_SCOPE_BYTES`](crate::text::MAXIMUM_SCOPE_BYTES).

mod error;
mod place;
#[cfg(test)]
mod tests;
mod write;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::ImportProblem;
use super::scalar::{ScalarKind, Scalars, Values};
use super::{as_text, has_key, json_keys};
use crate::text::MAXIMUM_VARIABLES;
use crate::{Circuit, LocationScale, Scope};

pub use error::NodesError;

/// The format's name in its files.
pub const FORMAT_NAME: &str = "spn-nodes-v1";

/// `spn-nodes-v1` JSON in the list of formats. Of JSON files with nodes it is the one that is left
/// when none of the others fits, so that a wrong `format` is told.
pub(super) static FORMAT: super::Format = super::Format {
    name: FORMAT_NAME,
    title: "a JSON list of scalar nodes, easily written by other programs",
    extensions: &["nodes.json"],
    recognise: |bytes| {
        let keys = json_keys(bytes);
        has_key(&keys, "format") || (has_key(&keys, "nodes") && has_key(&keys, "num_vars"))
    },
    read: Some(|bytes| {
        let text = as_text(FORMAT_NAME, bytes)?;
        read(text).map_err(|error| place::placed(text, error))
    }),
    write: Some(write::write),
};

/// Reads a circuit.
///
/// ```
/// let text = r#"{"format": "spn-nodes-v1", "num_vars": 1, "root": 7, "nodes": [
///     {"id": 7, "type": "bernoulli", "scope": [0], "p": 0.25}]}"#;
/// let circuit = spn_ir::nodes_json::read(text)?;
/// assert_eq!(circuit.nodes.len(), 1);
/// # Ok::<(), spn_ir::nodes_json::NodesError>(())
/// ```
///
/// # Errors
/// If the text is not JSON, not of this format, or a node is wrong.
pub fn read(text: &str) -> Result<Circuit, NodesError> {
    let file: File<'_> = serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        let reason = message.rsplit_once(" at line").map_or(message.as_str(), |(text, _)| text);
        let reason = reason.to_owned();
        NodesError::Syntax { line: error.line(), column: error.column(), reason }
    })?;
    if file.format != FORMAT_NAME {
        return Err(NodesError::Format { found: file.format.into_owned() });
    }
    let found = file.num_vars;
    let variables = u32::try_from(found).ok().filter(|count| *count <= MAXIMUM_VARIABLES);
    let variables = variables.ok_or(NodesError::TooManyVariables { found })?;
    let entries = file.nodes.into_iter().map(Entry::checked).collect::<Result<Vec<_>, _>>()?;
    let mut scalars = Scalars::default();
    let mut ids = BTreeMap::new();
    for entry in &entries {
        let node = scalars.push(entry.scalar(&ids)?, 0);
        if ids.insert(entry.id, node).is_some() {
            return Err(NodesError::DuplicateId { id: entry.id });
        }
    }
    let id = file.root;
    let root = *ids.get(&id).ok_or(NodesError::UnknownRoot { id })?;
    let built = scalars.build(variables, root, |node| entries[node].id.to_string());
    let circuit = built.map_err(|problem| entries[problem.node].refused(problem.problem))?;
    for (entry, (node, _)) in entries.iter().zip(circuit.iter()) {
        check_scope(entry, circuit.scope(node))?;
    }
    Ok(circuit)
}

/// The file as it stands.
#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    format: Cow<'a, str>,
    num_vars: u64,
    root: u64,
    #[serde(borrow)]
    nodes: Vec<RawEntry<'a>>,
}

/// A node as it stands: keys of all types.
#[derive(Deserialize)]
struct RawEntry<'a> {
    id: u64,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    scope: Vec<u64>,
    p: Option<f64>,
    probs: Option<Vec<f64>>,
    mean: Option<f64>,
    std: Option<f64>,
    children: Option<Vec<u64>>,
    weights: Option<Vec<f64>>,
}

/// A node whose own values are checked.
struct Entry {
    id: u64,
    scope: Vec<u64>,
    kind: Kind,
}

enum Kind {
    Categorical(Vec<f64>),
    Gaussian { mean: f64, deviation: f64 },
    Product(Vec<u64>),
    Sum { children: Vec<u64>, weights: Vec<f64> },
}

impl Entry {
    fn checked(raw: RawEntry<'_>) -> Result<Self, NodesError> {
        let id = raw.id;
        let probability = |key, value| {
            let allowed = "a probability between 0 and 1";
            in_range(id, key, value, allowed, |value| (0.0..=1.0).contains(&value))
        };
        let positive = |key, value| {
            in_range(id, key, value, "a positive number", |v| v > 0.0 && v.is_finite())
        };
        let kind = match raw.kind.as_ref() {
            "bernoulli" => {
                let p = probability("p", needed(id, "bernoulli", "p", raw.p)?)?;
                Kind::Categorical(vec![1.0 - p, p])
            }
            "categorical" => {
                let given = raw.probs.filter(|list| !list.is_empty());
                let probabilities = needed(id, "categorical", "probs", given)?;
                for &value in &probabilities {
                    probability("probs", value)?;
                }
                Kind::Categorical(probabilities)
            }
            "gaussian" => {
                let mean = needed(id, "gaussian", "mean", raw.mean)?;
                let mean = in_range(id, "mean", mean, "a finite number", f64::is_finite)?;
                let deviation = positive("std", needed(id, "gaussian", "std", raw.std)?)?;
                Kind::Gaussian { mean, deviation }
            }
            "product" => Kind::Product(needed(id, "product", "children", raw.children)?),
            "sum" => {
                let children = needed(id, "sum", "children", raw.children)?;
                let weights = needed(id, "sum", "weights", raw.weights)?;
                if children.len() != weights.len() {
                    let (weights, children) = (weights.len(), children.len());
                    return Err(NodesError::WeightCount { id, weights, children });
                }
                for &weight in &weights {
                    positive("weights", weight)?;
                }
                Kind::Sum { children, weights }
            }
            other => return Err(NodesError::UnknownType { id, found: other.to_owned() }),
        };
        Ok(Self { id, scope: raw.scope, kind })
    }

    /// The node, with its children among those before it.
    fn scalar(&self, ids: &BTreeMap<u64, u32>) -> Result<ScalarKind, NodesError> {
        let id = self.id;
        let nodes = |children: &[u64]| {
            let known = |&child: &u64| {
                ids.get(&child).copied().ok_or(NodesError::UnknownChild { id, child })
            };
            children.iter().map(known).collect::<Result<Vec<_>, _>>()
        };
        Ok(match &self.kind {
            Kind::Categorical(probabilities) => ScalarKind::Categorical {
                variable: self.variable("categorical leaf")?,
                probabilities: Values::Linear(probabilities.clone()),
            },
            Kind::Gaussian { mean, deviation } => ScalarKind::LocationScale {
                density: LocationScale::Normal,
                variable: self.variable("gaussian leaf")?,
                location: *mean,
                scale: *deviation,
            },
            Kind::Product(children) => ScalarKind::Product(nodes(children)?),
            Kind::Sum { children, weights } => ScalarKind::Sum {
                children: nodes(children)?,
                weights: Values::Linear(weights.clone()),
            },
        })
    }

    /// The variable of a leaf.
    fn variable(&self, kind: &'static str) -> Result<u32, NodesError> {
        match *self.scope.as_slice() {
            // What exceeds the range is refused as a variable that does not exist.
            [variable] => Ok(u32::try_from(variable).unwrap_or(u32::MAX)),
            _ => Err(NodesError::LeafScope { id: self.id, kind, found: self.scope.len() }),
        }
    }

    /// The error of a node that no circuit can have.
    fn refused(&self, problem: ImportProblem) -> NodesError {
        let id = self.id;
        match problem {
            ImportProblem::ScopesTooLarge => NodesError::ScopesTooLarge { id },
            ImportProblem::TooManyVariables { found } => NodesError::TooManyVariables { found },
            ImportProblem::Circuit(error) => NodesError::Refused { id, error },
            other => NodesError::Unreadable { id, problem: Box::new(other) },
        }
    }
}

fn needed<T>(
    id: u64,
    kind: &'static str,
    key: &'static str,
    value: Option<T>,
) -> Result<T, NodesError> {
    value.ok_or(NodesError::Missing { id, kind, key })
}

fn in_range(
    id: u64,
    key: &'static str,
    value: f64,
    allowed: &'static str,
    fits: impl Fn(f64) -> bool,
) -> Result<f64, NodesError> {
    if fits(value) { Ok(value) } else { Err(NodesError::BadValue { id, key, value, allowed }) }
}

/// Checks what the file says about a node's scope; `actual` are variables that exist.
fn check_scope(entry: &Entry, actual: &Scope) -> Result<(), NodesError> {
    /// Variables shown in a message.
    const SHOWN: usize = 12;
    let mut declared: Vec<usize> =
        entry.scope.iter().map(|v| usize::try_from(*v).unwrap_or(usize::MAX)).collect();
    declared.sort_unstable();
    declared.dedup();
    let same = declared.len() == actual.len() && declared.iter().all(|v| actual.contains(*v));
    if same {
        return Ok(());
    }
    declared.truncate(SHOWN);
    let actual = actual.variables().take(SHOWN).collect();
    Err(NodesError::WrongScope { id: entry.id, declared, actual })
}
