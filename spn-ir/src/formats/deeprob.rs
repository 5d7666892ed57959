//! deeprob-kit's JSON: a graph as networkx writes it, nodes in one list and edges in another.
//!
//! ```json
//! {"directed": true, "multigraph": false, "graph": {}, "nodes": [
//!   {"class": "Sum", "scope": [0], "weights": [0.4, 0.6], "id": 0},
//!   {"class": "Bernoulli", "scope": [0], "params": {"p": 0.9}, "id": 1},
//!   {"class": "Gaussian", "scope": [0], "params": {"mean": 0.0, "stddev": 1.0}, "id": 2}],
//!  "links": [{"idx": 0, "source": 1, "target": 0}, {"idx": 1, "source": 2, "target": 0}]}
//! ```
//!
//! An edge leads from the child (`source`) to its parent (`target`); `idx` is the child's position.
//! networkx from 3.4 on calls the list of edges `edges`: one of the two is read, both are written.
//! deeprob-kit rounds weights to 8 digits; weights that miss 1 by so little are divided by their sum.
//! The root is node 0, or the only node that is nobody's child. Leaves are `Bernoulli`,
//! `Categorical` and `Gaussian`; the other families are refused by name.

use std::collections::HashMap;

use serde_json::json;

use super::error::{ImportError, ImportProblem, WriteError, shortened};
use super::json::{self, Document, Object, Value};
use super::scalar::{MAXIMUM_INDICATOR, ScalarKind, Source, Unrolled, Values, unroll};
use super::{Format, Written, as_text, has_key, json_keys};
use crate::{Circuit, LocationScale};

const NAME: &str = "deeprob-json";

/// Sums of weights that miss 1 by more than rounding in double precision and less than rounding to
/// 8 digits are those of rounded weights.
const ROUNDED: std::ops::Range<f64> = 1e-12..1e-4;

/// deeprob-kit's JSON in the list of formats.
pub(super) static FORMAT: Format = Format {
    name: NAME,
    title: "deeprob-kit's JSON, a graph of networkx",
    extensions: &["deeprob.json"],
    recognise: |bytes| {
        let keys = json_keys(bytes);
        has_key(&keys, "nodes") && (has_key(&keys, "links") || has_key(&keys, "edges"))
    },
    read: Some(|bytes| Ok(read(as_text(NAME, bytes)?)?)),
    write: Some(write),
};

fn read(text: &str) -> Result<Circuit, ImportError> {
    let tree = json::parse(text)?;
    let document = Document { text };
    let file = document.object(&tree, "the file")?;
    let mut reader = Reader { document, source: Source::new(text), ids: HashMap::new() };
    let nodes = document.list(file.get("nodes")?, "`nodes`")?;
    for value in nodes {
        reader.node(value)?;
    }
    let edges = match file.find("links") {
        Some(edges) => edges,
        None => file.get("edges")?,
    };
    let mut children: Vec<Vec<(u64, u32)>> = vec![Vec::new(); nodes.len()];
    let mut is_child = vec![false; nodes.len()];
    for value in document.list(edges, "the list of edges")? {
        let (child, parent, position) = reader.edge(value)?;
        children[parent as usize].push((position, child));
        is_child[child as usize] = true;
    }
    for (node, mut edges) in children.into_iter().enumerate() {
        edges.sort_unstable();
        reader.set_children(node, &edges, &nodes[node])?;
    }
    let root = reader.root(&file, &is_child)?;
    let names: HashMap<u32, u64> = reader.ids.iter().map(|(id, node)| (*node, *id)).collect();
    let name = |node: usize| names.get(&(node as u32)).copied().unwrap_or(0).to_string();
    reader.source.build(reader.source.scalars.variables(), root, name)
}

struct Reader<'a> {
    document: Document<'a>,
    source: Source<'a>,
    /// Only looked up: its order is random.
    ids: HashMap<u64, u32>,
}

impl<'a> Reader<'a> {
    /// Adds a node, still without children.
    fn node(&mut self, value: &Value<'a>) -> Result<(), ImportError> {
        let node = self.document.object(value, "a node")?;
        let id = self.document.whole(node.get("id")?, "`id` of a node", u64::MAX)?;
        let node = self.document.object(value, format!("node {id}"))?;
        let kind = match node.string("class")? {
            "Product" => ScalarKind::Product(Vec::new()),
            "Sum" => {
                let weights = Values::Linear(self.weights(&node)?);
                ScalarKind::Sum { children: Vec::new(), weights }
            }
            class @ ("Bernoulli" | "Categorical" | "Gaussian") => self.leaf(class, &node)?,
            other => {
                let (node, family) = (id.to_string(), shortened(other));
                let known = "a Bernoulli, Categorical or Gaussian";
                let problem = ImportProblem::UnknownFamily { node, family, known };
                return Err(self.document.error(value, problem));
            }
        };
        let index = self.source.push(kind, value.offset);
        if self.ids.insert(id, index).is_some() {
            let problem = ImportProblem::Duplicate { what: "node", name: id.to_string() };
            return Err(self.document.error(value, problem));
        }
        Ok(())
    }

    /// The weights of a sum, with the digits that rounding took off.
    fn weights(&self, node: &Object<'_, 'a>) -> Result<Vec<f64>, ImportError> {
        let mut weights = node.numbers("weights", false)?;
        let total: f64 = weights.iter().sum();
        if let Some(&value) = weights.iter().find(|weight| **weight < 0.0) {
            let (what, allowed) = ("a weight".to_owned(), "not negative");
            let problem = ImportProblem::OutOfRange { what, allowed, value };
            return Err(self.document.error(node.get("weights")?, problem));
        }
        if ROUNDED.contains(&(total - 1.0).abs()) {
            weights.iter_mut().for_each(|weight| *weight /= total);
        }
        Ok(weights)
    }

    fn leaf(&self, class: &str, node: &Object<'_, 'a>) -> Result<ScalarKind, ImportError> {
        let scope = node.get("scope")?;
        let &[variable] = node.indices("scope")?.as_slice() else {
            let expected = "a list of one variable";
            return Err(self.document.expected(scope, &node.member("scope"), expected));
        };
        let params = self.document.object(node.get("params")?, node.member("params"))?;
        if class == "Gaussian" {
            let location = params.number("mean", false)?;
            let scale = params.number("stddev", false)?;
            if scale <= 0.0 {
                let what = params.member("stddev");
                return Err(self.document.expected(params.get("stddev")?, &what, "positive"));
            }
            let density = LocationScale::Normal;
            return Ok(ScalarKind::LocationScale { density, variable, location, scale });
        }
        let probabilities = match class {
            "Bernoulli" => {
                let p = params.number("p", false)?;
                self.probability(&params, "p", p)?;
                vec![1.0 - p, p]
            }
            _ => self.categories(&params)?,
        };
        Ok(ScalarKind::Categorical { variable, probabilities: Values::Linear(probabilities) })
    }

    /// The probability of each state from 0; states that are no category have 0.
    fn categories(&self, params: &Object<'_, 'a>) -> Result<Vec<f64>, ImportError> {
        let categories = params.indices("categories")?;
        let given = params.numbers("probabilities", false)?;
        if categories.len() != given.len() || given.is_empty() {
            let (what, found) = ("probabilities".to_owned(), given.len() as u64);
            let expected = format!("there are {} categories", categories.len());
            return Err(params.error(ImportProblem::Count { what, found, expected }));
        }
        let largest = categories.iter().copied().max().unwrap_or(0);
        if largest > MAXIMUM_INDICATOR {
            let expected = "numbers from 0 to 65535";
            let what = params.member("categories");
            return Err(self.document.expected(params.get("categories")?, &what, expected));
        }
        let mut probabilities = vec![None; largest as usize + 1];
        for (category, p) in categories.iter().zip(given) {
            self.probability(params, "probabilities", p)?;
            if probabilities[*category as usize].replace(p).is_some() {
                let (what, name) = ("category", category.to_string());
                return Err(params.error(ImportProblem::Duplicate { what, name }));
            }
        }
        Ok(probabilities.into_iter().map(|p| p.unwrap_or(0.0)).collect())
    }

    fn probability(
        &self,
        params: &Object<'_, 'a>,
        key: &'static str,
        value: f64,
    ) -> Result<(), ImportError> {
        if (0.0..=1.0).contains(&value) {
            return Ok(());
        }
        let (what, allowed) = (params.member(key), "from 0 to 1");
        let problem = ImportProblem::OutOfRange { what, allowed, value };
        Err(self.document.error(params.get(key)?, problem))
    }

    /// Child, parent and position of an edge.
    fn edge(&self, value: &Value<'a>) -> Result<(u32, u32, u64), ImportError> {
        let edge = self.document.object(value, "an edge")?;
        let find = |key: &'static str| {
            let place = edge.get(key)?;
            let id = self.document.whole(place, &edge.member(key), u64::MAX)?;
            self.ids.get(&id).copied().ok_or_else(|| {
                let (what, name, mend) = ("node", id.to_string(), ": list it in `nodes`");
                self.document.error(place, ImportProblem::Undefined { what, name, mend })
            })
        };
        let position = self.document.whole(edge.get("idx")?, &edge.member("idx"), u64::MAX)?;
        Ok((find("source")?, find("target")?, position))
    }

    /// Gives a node its children, which stand at the positions from 0 on.
    fn set_children(
        &mut self,
        node: usize,
        edges: &[(u64, u32)],
        value: &Value<'a>,
    ) -> Result<(), ImportError> {
        let wrong = edges.iter().enumerate().find(|(at, (position, _))| *at as u64 != *position);
        if let Some((at, (position, _))) = wrong {
            let (what, found) = ("`idx` of an edge to this node".to_owned(), *position);
            let expected = format!("{at} is next: its children are numbered from 0");
            return Err(self.document.error(value, ImportProblem::Count { what, found, expected }));
        }
        match &mut self.source.scalars.nodes[node].kind {
            ScalarKind::Product(children) | ScalarKind::Sum { children, .. } => {
                *children = edges.iter().map(|(_, child)| *child).collect();
                Ok(())
            }
            _ if edges.is_empty() => Ok(()),
            _ => {
                let (what, found) = ("children".to_owned(), edges.len() as u64);
                let expected = "a leaf has none".to_owned();
                Err(self.document.error(value, ImportProblem::Count { what, found, expected }))
            }
        }
    }

    fn root(&self, file: &Object<'_, 'a>, is_child: &[bool]) -> Result<u32, ImportError> {
        let first = self.ids.get(&0).copied().filter(|node| !is_child[*node as usize]);
        if let Some(first) = first {
            return Ok(first);
        }
        let mut roots = (0..is_child.len()).filter(|node| !is_child[*node]);
        match (roots.next(), roots.next()) {
            (Some(root), None) => Ok(root as u32),
            (first, _) => {
                let (what, found) = ("nodes that are nobody's child".to_owned(), roots.count());
                let found = found as u64 + 2 * u64::from(first.is_some());
                let expected = "the root must be the only one, or have the id 0".to_owned();
                Err(file.error(ImportProblem::Count { what, found, expected }))
            }
        }
    }
}

fn write(circuit: &Circuit) -> Result<Written, WriteError> {
    let mut unrolled = unroll(circuit, NAME, true)?;
    unrolled.forget_variables(circuit);
    unrolled.replace_indicators();
    unrolled.replace_logarithms();
    let (numbers, order) = unrolled.numbering();
    let scopes = unrolled.scopes();
    let Unrolled { scalars, lost, .. } = unrolled;
    let (mut nodes, mut edges) = (Vec::new(), Vec::new());
    for &node in &order {
        let id = numbers[node as usize];
        let scope: Vec<usize> = scopes[node as usize].variables().collect();
        let entry = &scalars.nodes[node as usize];
        nodes.push(match &entry.kind {
            ScalarKind::Product(_) => json!({"class": "Product", "scope": scope, "id": id}),
            ScalarKind::Sum { weights, .. } => {
                json!({"class": "Sum", "scope": scope, "weights": weights.linear(), "id": id})
            }
            leaf => match leaf_params(leaf) {
                Some((class, params)) => {
                    json!({"class": class, "scope": scope, "params": params, "id": id})
                }
                None => return Err(WriteError::leaf(NAME, leaf, circuit, entry.origin)),
            },
        });
        for (position, &child) in entry.kind.children().iter().enumerate() {
            let child = numbers[child as usize];
            edges.push(json!({"idx": position, "source": child, "target": id}));
        }
    }
    let lines = |list: Vec<serde_json::Value>| {
        let lines: Vec<String> = list.iter().map(|value| format!("\n {value}")).collect();
        format!("[{}]", lines.join(","))
    };
    let (nodes, edges) = (lines(nodes), lines(edges));
    let text = format!(
        "{{\"directed\": true, \"multigraph\": false, \"graph\": {{}},\n\"nodes\": {nodes},\n\
         \"links\": {edges},\n\"edges\": {edges}}}\n"
    );
    Ok(Written { bytes: text.into_bytes(), nodes: order.len(), lost })
}

/// The class and parameters of a leaf; `None` for other families.
fn leaf_params(kind: &ScalarKind) -> Option<(&'static str, serde_json::Value)> {
    match kind {
        ScalarKind::LocationScale { density: LocationScale::Normal, location, scale, .. } => {
            Some(("Gaussian", json!({"mean": location, "stddev": scale})))
        }
        ScalarKind::Categorical { probabilities, .. } => match probabilities.linear().as_slice() {
            // Read back as the same two numbers.
            &[q, p] if 1.0 - p == q => Some(("Bernoulli", json!({"p": p}))),
            list => {
                let categories: Vec<usize> = (0..list.len()).collect();
                Some(("Categorical", json!({"categories": categories, "probabilities": list})))
            }
        },
        _ => None,
    }
}
