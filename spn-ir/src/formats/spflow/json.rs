//! SPFlow's JSON: every node is an object with one key, its class; children lie in their parents.
//!
//! ```json
//! {"Sum": {"children": [{"Bernoulli": {"id": 1, "p": 0.9, "scope": [0]}}], "id": 0, "scope": [0],
//!          "weights": [1.0]}}
//! ```
//!
//! A shared node is written wherever it is used, each time with the same `id`: it is read once and
//! shared again. Lists may be texts, `"[0.2 0.8]"`, as SPFlow writes arrays of numpy. Scopes may be
//! names; then the scope of the outermost node says which variable is which.

use std::collections::BTreeMap;

use super::leaf::{self, Attribute, class_of, unknown_family};
use super::tokens::Tokens;
use crate::Circuit;
use crate::formats::error::{ImportError, ImportProblem, Place, WriteError, shortened};
use crate::formats::json::{self, Document, Kind, Object, Value, describe};
use crate::formats::scalar::{ScalarKind, Source, Unrolled, Values, unroll};
use crate::formats::{Format, Written, as_text, json_keys};

const NAME: &str = "spflow-json";

/// The deepest network that is written: readers of JSON, SPFlow's Python among them, have limits.
const MAXIMUM_DEPTH: u64 = 600;

/// SPFlow JSON in the list of formats.
pub(in crate::formats) static FORMAT: Format = Format {
    name: NAME,
    title: "SPFlow's JSON, nodes inside their parents",
    extensions: &["spflow.json"],
    recognise,
    read: Some(|bytes| Ok(read(as_text(NAME, bytes)?)?)),
    write: Some(write),
};

/// One key, with a capital letter.
fn recognise(bytes: &[u8]) -> bool {
    let keys = json_keys(bytes);
    matches!(keys.as_slice(), [(class, rest)]
        if class.starts_with(|c: char| c.is_ascii_uppercase()) && rest.trim_start().starts_with('{'))
}

fn read(text: &str) -> Result<Circuit, ImportError> {
    let tree = json::parse(text)?;
    let document = Document { text };
    let mut reader = Reader {
        text,
        document,
        source: Source::new(text),
        ids: BTreeMap::new(),
        names: BTreeMap::new(),
    };
    let (_, root) = reader.class(&tree)?;
    reader.name_variables(&root)?;
    let id = reader.node(&tree)?;
    let variables = reader.source.scalars.variables().max(reader.names.len() as u32);
    reader.source.build(variables, id, |_| "of the file".to_owned())
}

struct Reader<'a> {
    text: &'a str,
    document: Document<'a>,
    source: Source<'a>,
    /// The node that each `id` stands for.
    ids: BTreeMap<u64, u32>,
    /// The variables by name.
    names: BTreeMap<String, u32>,
}

impl<'a> Reader<'a> {
    /// A node's class and attributes.
    fn class<'v>(&self, value: &'v Value<'a>) -> Result<(&'v str, Object<'v, 'a>), ImportError> {
        match &value.kind {
            Kind::Object(members) if members.len() == 1 => {
                let (class, inner) = &members[0];
                let what = format!("a {} node", shortened(class));
                Ok((class, self.document.object(inner, what)?))
            }
            _ => {
                let expected = "an object with one key, its class";
                Err(self.document.expected(value, "a node", expected))
            }
        }
    }

    /// Takes names of variables from the outermost scope.
    fn name_variables(&mut self, root: &Object<'_, 'a>) -> Result<(), ImportError> {
        let Some(value) = root.find("scope") else { return Ok(()) };
        for (index, value) in self.document.list(value, "`scope`")?.iter().enumerate() {
            if let Kind::String(name) = &value.kind {
                self.names.insert(name.clone().into_owned(), index as u32);
            }
        }
        Ok(())
    }

    /// Reads a node with everything below it. The parser limits how deep that is.
    fn node(&mut self, value: &Value<'a>) -> Result<u32, ImportError> {
        let (class, node) = self.class(value)?;
        let id = match node.find("id") {
            Some(id) => Some(self.document.whole(id, &node.member("id"), u64::MAX)?),
            None => None,
        };
        if let Some(found) = id.and_then(|id| self.ids.get(&id)) {
            return Ok(*found);
        }
        let kind = match class {
            "Sum" | "Product" => self.inner(class, &node)?,
            _ => self.leaf(value, class, &node, id)?,
        };
        let index = self.source.push(kind, value.offset);
        if let Some(id) = id {
            self.ids.insert(id, index);
        }
        Ok(index)
    }

    fn inner(&mut self, class: &str, node: &Object<'_, 'a>) -> Result<ScalarKind, ImportError> {
        let list = node.get("children")?;
        let mut children = Vec::new();
        for child in self.document.list(list, &node.member("children"))? {
            children.push(self.node(child)?);
        }
        if class == "Product" {
            return Ok(ScalarKind::Product(children));
        }
        let value = node.get("weights")?;
        let weights = self.numbers(value, &node.member("weights"))?;
        weights
            .iter()
            .try_for_each(|weight| leaf::weight(*weight))
            .map_err(|problem| self.document.error(value, problem))?;
        Ok(ScalarKind::Sum { children, weights: Values::Linear(weights) })
    }

    fn leaf(
        &self,
        value: &Value<'a>,
        class: &str,
        node: &Object<'_, 'a>,
        id: Option<u64>,
    ) -> Result<ScalarKind, ImportError> {
        if !leaf::is_family(class) {
            let name = id.map_or_else(|| "without `id`".to_owned(), |id| id.to_string());
            return Err(self.document.error(value, unknown_family(class, name)));
        }
        let scope = node.get("scope")?;
        let variable = match self.document.list(scope, &node.member("scope"))? {
            [variable] => self.variable(variable)?,
            _ => {
                let expected = "a list of one variable";
                return Err(self.document.expected(scope, &node.member("scope"), expected));
            }
        };
        let mut attributes = Vec::new();
        for key in ["mean", "stdev", "p"] {
            if let Some(value) = node.find(key) {
                let what = node.member(key);
                let attribute = match &value.kind {
                    Kind::Number { value, .. } => Attribute::Number(*value),
                    _ => Attribute::List(self.numbers(value, &what)?),
                };
                attributes.push((key.to_owned(), attribute));
            }
        }
        leaf::leaf(class, variable, &attributes)
            .map_err(|problem| self.document.error(value, problem))
    }

    fn variable(&self, value: &Value<'a>) -> Result<u32, ImportError> {
        match &value.kind {
            Kind::String(name) => self.names.get(name.as_ref()).copied().ok_or_else(|| {
                let (what, name) = ("the variable", shortened(name));
                let mend = ": the scope of the outermost node names all variables";
                self.document.error(value, ImportProblem::Undefined { what, name, mend })
            }),
            _ => {
                let limit = u64::from(u32::MAX);
                self.document.whole(value, "a variable", limit).map(|whole| whole as u32)
            }
        }
    }

    /// A list of numbers, or one in a text.
    fn numbers(&self, value: &Value<'a>, what: &str) -> Result<Vec<f64>, ImportError> {
        let Kind::String(list) = &value.kind else {
            return self.document.numbers(value, what, false);
        };
        let mut tokens = Tokens::new(list);
        let numbers = tokens.list().map_err(|error| self.inside(value, error))?;
        match tokens.peek() {
            None => Ok(numbers),
            Some(_) => Err(self.document.error(
                value,
                ImportProblem::Expected {
                    expected: format!("{what} to be one list"),
                    found: describe(value),
                },
            )),
        }
    }

    /// An error inside a text, at its place in the file.
    fn inside(&self, value: &Value<'_>, error: ImportError) -> ImportError {
        let column = match error.place {
            Place::Text { column, .. } => column as usize,
            Place::Byte(at) => at,
        };
        ImportError::at(self.text, value.offset + column, error.problem)
    }
}

fn write(circuit: &Circuit) -> Result<Written, WriteError> {
    let mut unrolled = unroll(circuit, NAME, true)?;
    unrolled.forget_variables(circuit);
    unrolled.replace_indicators();
    unrolled.replace_logarithms();
    if unrolled.tree()?.depth > MAXIMUM_DEPTH {
        let mend = "on a path from the root to a leaf; write it in a format with a list of nodes";
        return Err(WriteError::TooLarge { what: "nodes", limit: MAXIMUM_DEPTH, mend });
    }
    let (numbers, order) = unrolled.numbering();
    let scopes = unrolled.scopes();
    let Unrolled { scalars, root, lost } = unrolled;
    let mut text = String::new();
    let mut tasks = vec![Task::Node(root)];
    while let Some(task) = tasks.pop() {
        let node = match task {
            Task::Text(part) => {
                text.push_str(&part);
                continue;
            }
            Task::Node(node) => node as usize,
        };
        let scope: Vec<usize> = scopes[node].variables().collect();
        let tail = format!("\"id\":{},\"scope\":{scope:?}", numbers[node]).replace(' ', "");
        let entry = &scalars.nodes[node];
        let (class, end) = match &entry.kind {
            ScalarKind::Product(_) => ("Product", format!("],{tail}}}}}")),
            ScalarKind::Sum { weights, .. } => {
                ("Sum", format!("],{tail},\"weights\":{:?}}}}}", weights.linear()))
            }
            leaf => {
                let Some((class, attributes)) = class_of(leaf) else {
                    return Err(WriteError::leaf(NAME, leaf, circuit, entry.origin));
                };
                text.push_str(&leaf_json(class, &attributes, &tail));
                continue;
            }
        };
        text.push_str(&format!("{{\"{class}\":{{\"children\":["));
        tasks.push(Task::Text(end));
        for (position, &child) in entry.kind.children().iter().enumerate().rev() {
            tasks.push(Task::Node(child));
            if position > 0 {
                tasks.push(Task::Text(",".to_owned()));
            }
        }
    }
    text.push('\n');
    Ok(Written { bytes: text.into_bytes(), nodes: order.len(), lost })
}

/// What is still to be written, the next thing last.
enum Task {
    Node(u32),
    Text(String),
}

/// A leaf with its keys in alphabetical order, as SPFlow sorts them.
fn leaf_json(class: &str, attributes: &[(&str, Attribute)], tail: &str) -> String {
    let mut members: Vec<String> = attributes
        .iter()
        .map(|(key, value)| match value {
            Attribute::Number(value) => format!("\"{key}\":{value:?}"),
            Attribute::List(values) => format!("\"{key}\":{values:?}"),
        })
        .collect();
    let (id, scope) = tail.split_once(",\"scope\"").unwrap_or((tail, ""));
    members.push(id.to_owned());
    members.push(format!("\"scope\"{scope}"));
    members.sort();
    format!("{{\"{class}\":{{{}}}}}", members.join(","))
}
