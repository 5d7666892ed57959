//! SPFlow's equations: `(0.25*((Bernoulli(V0|p=0.9) * Gaussian(V1|mean=0;stdev=1))) + 0.75*(…))`.
//!
//! The form is a tree: a shared node is written wherever it is used, and a product of one child is
//! read as the child. A last line `# name;name;…` may give variables names.

use super::leaf::{Attribute, class_of};
use super::tokens::Tokens;
use super::variables::Variables;
use crate::Circuit;
use crate::formats::error::{ImportError, WriteError};
use crate::formats::scalar::{ScalarKind, Source, Unrolled, Values, unroll};
use crate::formats::{Format, FormatError, Written, as_text, first_word};

const NAME: &str = "spflow-text";

/// SPFlow equations in the list of formats.
pub(in crate::formats) static FORMAT: Format = Format {
    name: NAME,
    title: "SPFlow's equations, a tree of scalar nodes",
    extensions: &["spflow", "spflow.txt"],
    recognise,
    read: Some(read),
    write: Some(write),
};

fn recognise(bytes: &[u8]) -> bool {
    let word = first_word(bytes);
    // A single leaf, or anything in parentheses.
    let is_leaf = || {
        word.split_once('(').is_some_and(|(class, _)| {
            !class.is_empty() && class.bytes().all(|byte| byte.is_ascii_alphabetic())
        })
    };
    word.starts_with('(') || is_leaf()
}

fn read(bytes: &[u8]) -> Result<Circuit, FormatError> {
    Ok(Reader::new(as_text(NAME, bytes)?).file()?)
}

/// A sum or product that is not closed yet, with the byte where it begins.
enum Open {
    Product(usize, Vec<u32>),
    Sum(usize, Vec<u32>, Vec<f64>),
}

struct Reader<'a> {
    tokens: Tokens<'a>,
    variables: Variables<'a>,
    source: Source<'a>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let (equation, variables) = Variables::split(text);
        Self { tokens: Tokens::new(equation), variables, source: Source::new(text) }
    }

    fn file(mut self) -> Result<Circuit, ImportError> {
        let mut stack = Vec::new();
        let root = loop {
            let start = self.tokens.offset();
            if self.tokens.accept(b'(') {
                let open = match self.tokens.is_number() {
                    true => Open::Sum(start, Vec::new(), vec![self.tokens.weight()?]),
                    false => Open::Product(start, Vec::new()),
                };
                stack.push(open);
                continue;
            }
            let class = self.tokens.word("`(` or the class of a leaf")?;
            let leaf = self.tokens.leaf(start, class, &self.variables)?;
            let leaf = self.source.push(leaf, start);
            if let Some(root) = self.close(leaf, &mut stack)? {
                break root;
            }
        };
        if self.tokens.peek().is_some() {
            return Err(self.tokens.expected("the end of the file"));
        }
        let variables = self.source.scalars.variables().max(self.variables.count());
        self.source.build(variables, root, |_| "of the equation".to_owned())
    }

    /// Puts a node where it belongs and closes what ends behind it; the root if that is all.
    fn close(&mut self, node: u32, stack: &mut Vec<Open>) -> Result<Option<u32>, ImportError> {
        let mut node = node;
        loop {
            node = match stack.pop() {
                None => return Ok(Some(node)),
                Some(Open::Product(start, mut children)) => {
                    children.push(node);
                    if self.tokens.accept(b'*') {
                        stack.push(Open::Product(start, children));
                        return Ok(None);
                    }
                    if !self.tokens.accept(b')') {
                        return Err(self.tokens.expected("`*` or `)`"));
                    }
                    match children.as_slice() {
                        &[child] => child,
                        _ => self.source.push(ScalarKind::Product(children), start),
                    }
                }
                Some(Open::Sum(start, mut children, mut weights)) => {
                    children.push(node);
                    if self.tokens.accept(b'+') {
                        weights.push(self.tokens.weight()?);
                        stack.push(Open::Sum(start, children, weights));
                        return Ok(None);
                    }
                    if !self.tokens.accept(b')') {
                        return Err(self.tokens.expected("`+` or `)`"));
                    }
                    let weights = Values::Linear(weights);
                    self.source.push(ScalarKind::Sum { children, weights }, start)
                }
            }
        }
    }
}

fn write(circuit: &Circuit) -> Result<Written, WriteError> {
    let mut unrolled = unroll(circuit, NAME, true)?;
    unrolled.forget_variables(circuit);
    unrolled.replace_indicators();
    unrolled.replace_logarithms();
    let tree = unrolled.tree()?;
    let Unrolled { scalars, root, mut lost } = unrolled;
    if tree.nodes > scalars.nodes.len() as u64 {
        lost.push("shared nodes: each parent gets its own copy".to_owned());
    }
    let mut alone = 0;
    let mut text = String::new();
    let mut tasks = vec![Task::Node(root)];
    while let Some(task) = tasks.pop() {
        let node = match task {
            Task::Text(part) => {
                text.push_str(&part);
                continue;
            }
            Task::Node(node) => &scalars.nodes[node as usize],
        };
        match &node.kind {
            ScalarKind::Product(children) if children.len() == 1 => {
                alone += 1;
                tasks.push(Task::Node(children[0]));
            }
            ScalarKind::Product(children) => {
                surround(&mut tasks, children.iter().map(|child| (String::new(), *child)), " * ");
            }
            // A sum's child stands in parentheses, as SPFlow writes it.
            ScalarKind::Sum { children, weights } => {
                let weights = weights.linear();
                let parts = children.iter().zip(weights);
                surround(&mut tasks, parts.map(|(child, w)| (format!("{w:?}*"), *child)), " + ");
            }
            leaf => match leaf_text(leaf) {
                Some(leaf) => text.push_str(&leaf),
                None => return Err(WriteError::leaf(NAME, leaf, circuit, node.origin)),
            },
        }
    }
    if alone > 0 {
        lost.push(format!("products of one child: {alone} are left out"));
    }
    text.push('\n');
    let nodes = tree.nodes as usize - alone;
    Ok(Written { bytes: text.into_bytes(), nodes, lost })
}

/// What is still to be written, the next thing last.
enum Task {
    Node(u32),
    Text(String),
}

/// Children with something in front of each, between parentheses.
fn surround(
    tasks: &mut Vec<Task>,
    parts: impl DoubleEndedIterator<Item = (String, u32)> + ExactSizeIterator,
    between: &str,
) {
    tasks.push(Task::Text(")".to_owned()));
    let last = parts.len().saturating_sub(1);
    for (index, (front, child)) in parts.rev().enumerate() {
        tasks.push(Task::Node(child));
        let between = if index == last { "(" } else { between };
        tasks.push(Task::Text(format!("{between}{front}")));
    }
}

/// A leaf as SPFlow writes it.
pub(super) fn leaf_text(kind: &ScalarKind) -> Option<String> {
    let (class, attributes) = class_of(kind)?;
    let variable = kind.variable()?;
    let attributes: Vec<String> = attributes
        .iter()
        .map(|(key, value)| match value {
            Attribute::Number(value) => format!("{key}={value:?}"),
            Attribute::List(values) => {
                let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
                format!("{key}=[{}]", values.join(","))
            }
        })
        .collect();
    Some(format!("{class}(V{variable}|{})", attributes.join(";")))
}
