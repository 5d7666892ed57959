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
//! [`MAXIMUM_SCOPE_BYTES`].

mod error;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use smallvec::SmallVec;

use crate::text::{MAXIMUM_SCOPE_BYTES, MAXIMUM_VARIABLES};
use crate::{
    Circuit, CircuitBuilder, Leaf, LeafFamily, LocationScale, NodeId, Origin, Parameter,
    QuantityId, Scope, VariableId,
};

pub use error::NodesError;

/// The format's name in its files.
pub const FORMAT: &str = "spn-nodes-v1";

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
    if file.format != FORMAT {
        return Err(NodesError::Format { found: file.format.into_owned() });
    }
    let found = file.num_vars;
    let variables = u32::try_from(found).ok().filter(|count| *count <= MAXIMUM_VARIABLES);
    let variables = variables.ok_or(NodesError::TooManyVariables { found })?;
    let entries = file.nodes.into_iter().map(Entry::checked).collect::<Result<Vec<_>, _>>()?;
    let mut builder = CircuitBuilder::new(variables);
    let mut reader = Reader { pools: Pools::new(&entries, &mut builder), ids: BTreeMap::new() };
    for entry in &entries {
        reader.add(entry, &mut builder)?;
    }
    let id = file.root;
    let root = *reader.ids.get(&id).ok_or(NodesError::UnknownRoot { id })?;
    builder.finish(root).map_err(|error| NodesError::Refused { id, error })
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

    /// The variable of a leaf.
    fn variable(&self, kind: &'static str) -> Result<VariableId, NodesError> {
        match *self.scope.as_slice() {
            // What exceeds the range is refused as a variable that does not exist.
            [variable] => Ok(VariableId(u32::try_from(variable).unwrap_or(u32::MAX))),
            _ => Err(NodesError::LeafScope { id: self.id, kind, found: self.scope.len() }),
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

/// The tensors that hold the values of all nodes, and how much of each is given out.
struct Pools {
    weights: Pool,
    probabilities: Pool,
    location: Pool,
    scale: Pool,
}

/// One of them.
struct Pool {
    quantity: QuantityId,
    next: u32,
}

impl Pools {
    /// Collects the values of all nodes, in their order.
    fn new(entries: &[Entry], builder: &mut CircuitBuilder) -> Self {
        let (mut weights, mut tables) = (Vec::new(), Vec::new());
        let (mut means, mut deviations) = (Vec::new(), Vec::new());
        for entry in entries {
            match &entry.kind {
                Kind::Categorical(probabilities) => tables.extend_from_slice(probabilities),
                Kind::Gaussian { mean, deviation } => {
                    means.push(*mean);
                    deviations.push(*deviation);
                }
                Kind::Product(_) => {}
                Kind::Sum { weights: own, .. } => weights.extend_from_slice(own),
            }
        }
        let mut pool = |name: &str, values: Vec<f64>| {
            let parameter = Parameter::new(name, vec![values.len()], values);
            // A tensor without values is nobody's; the circuit does without it.
            let empty = parameter.values.is_empty();
            let quantity =
                if empty { QuantityId(u32::MAX) } else { builder.quantity_of(parameter) };
            Pool { quantity, next: 0 }
        };
        Self {
            weights: pool("weights", weights),
            probabilities: pool("probabilities", tables),
            location: pool("location", means),
            scale: pool("scale", deviations),
        }
    }
}

impl Pool {
    /// The next `count` values. Offsets saturate, and are then refused as outside the tensor.
    fn take(&mut self, count: usize) -> crate::Slice {
        let slice = self.quantity.at(self.next);
        self.next = self.next.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        slice
    }
}

/// What is known while nodes are added.
struct Reader {
    pools: Pools,
    ids: BTreeMap<u64, NodeId>,
}

impl Reader {
    /// Adds one node.
    fn add(&mut self, entry: &Entry, builder: &mut CircuitBuilder) -> Result<(), NodesError> {
        let id = entry.id;
        check_memory(id, builder)?;
        let refused = |error| NodesError::Refused { id, error };
        let origin = Origin::Unknown;
        let node = match &entry.kind {
            Kind::Categorical(table) => {
                let variable = entry.variable("categorical leaf")?;
                let probabilities = self.pools.probabilities.take(table.len());
                let states = u32::try_from(table.len()).unwrap_or(u32::MAX);
                builder
                    .categorical(variable.0, states, 1, probabilities, origin)
                    .map_err(refused)?
            }
            Kind::Gaussian { .. } => {
                let variables = SmallVec::from_slice(&[entry.variable("gaussian leaf")?]);
                let location = self.pools.location.take(1);
                let scale = self.pools.scale.take(1);
                let density = LocationScale::Normal;
                let family = LeafFamily::LocationScale { density, location, scale };
                builder.leaf(Leaf { family, variables }, 1, origin).map_err(refused)?
            }
            Kind::Product(children) => {
                let children = self.children(id, children)?;
                builder.element_wise(&children, origin).map_err(refused)?
            }
            Kind::Sum { children, weights } => {
                let children = self.children(id, children)?;
                let weights = self.pools.weights.take(weights.len());
                builder.sum(&children, 1, weights, origin).map_err(refused)?
            }
        };
        check_scope(entry, builder.circuit().scope(node))?;
        match self.ids.insert(id, node) {
            None => Ok(()),
            Some(_) => Err(NodesError::DuplicateId { id }),
        }
    }

    fn children(&self, id: u64, children: &[u64]) -> Result<Vec<NodeId>, NodesError> {
        let known = |&child: &u64| {
            self.ids.get(&child).copied().ok_or(NodesError::UnknownChild { id, child })
        };
        children.iter().map(known).collect()
    }
}

/// Refuses to let a short text ask for very many bits of scopes.
fn check_memory(id: u64, builder: &CircuitBuilder) -> Result<(), NodesError> {
    let circuit = builder.circuit();
    // Each scope is kept twice: in a list and as a key.
    let each = circuit.variables as usize / 4 + 16;
    if (circuit.scopes.len() + 1).saturating_mul(each) > MAXIMUM_SCOPE_BYTES {
        return Err(NodesError::ScopesTooLarge { id });
    }
    Ok(())
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
