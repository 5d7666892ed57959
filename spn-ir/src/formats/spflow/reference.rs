//! SPFlow's lists of named nodes, which keep shared nodes:
//!
//! ```text
//! SumNode_0 SumNode(0.25*ProductNode_1, 0.75*ProductNode_4){
//!     ProductNode_1 ProductNode(BernoulliNode_2, GaussianNode_3){ … }
//! }
//! # age;height
//! ```
//!
//! A node's block lists its children, each of them in one of its parents' blocks or in all of them.
//! The last line, with the names of variables in order, may be left out where they are `V0`, `V1`, …

use std::collections::BTreeMap;

use super::equation::leaf_text;
use super::tokens::Tokens;
use super::variables::Variables;
use crate::Circuit;
use crate::formats::error::{ImportError, ImportProblem, WriteError, shortened};
use crate::formats::scalar::{ScalarKind, Source, Unrolled, Values, unroll};
use crate::formats::{Format, Written, as_text};

const NAME: &str = "spflow-reference";

/// SPFlow's lists of named nodes in the list of formats.
pub(in crate::formats) static FORMAT: Format = Format {
    name: NAME,
    title: "SPFlow's named nodes, which may be shared",
    extensions: &["spn.txt", "spflow.ref"],
    recognise,
    read: Some(|bytes| Ok(Reader::new(as_text(NAME, bytes)?).file()?)),
    write: Some(write),
};

/// Two words, the second one with a parenthesis behind it.
fn recognise(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(256)];
    let text = String::from_utf8_lossy(head);
    let mut words = text.trim_start_matches('\u{feff}').split_whitespace();
    let first = words.next().unwrap_or_default();
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let second = words.next().unwrap_or_default().split_once('(').map(|(class, _)| class);
    is_word(first) && second.is_some_and(is_word)
}

struct Reader<'a> {
    tokens: Tokens<'a>,
    variables: Variables<'a>,
    source: Source<'a>,
    /// Each name with its node.
    nodes: BTreeMap<&'a str, u32>,
    /// For each node the names of its children, with the byte where they stand.
    children: Vec<Vec<(usize, &'a str)>>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let (nodes, variables) = Variables::split(text);
        Self {
            tokens: Tokens::new(nodes),
            variables,
            source: Source::new(text),
            nodes: BTreeMap::new(),
            children: Vec::new(),
        }
    }

    fn file(mut self) -> Result<Circuit, ImportError> {
        let mut depth = 0_u64;
        self.node(&mut depth)?;
        while self.tokens.peek().is_some() {
            if depth > 0 && self.tokens.accept(b'}') {
                depth -= 1;
            } else {
                self.node(&mut depth)?;
            }
        }
        if depth > 0 {
            return Err(self.tokens.expected("`}`"));
        }
        self.resolve()?;
        let variables = self.source.scalars.variables().max(self.variables.count());
        let names: BTreeMap<u32, &str> = self.nodes.iter().map(|(name, id)| (*id, *name)).collect();
        let name = |node: usize| names.get(&(node as u32)).map_or("?", |name| name).to_owned();
        self.source.build(variables, 0, name)
    }

    /// A name, what it stands for, and the `{` of its block.
    fn node(&mut self, depth: &mut u64) -> Result<(), ImportError> {
        let start = self.tokens.offset();
        let name = self.tokens.word("the name of a node")?;
        let place = self.tokens.offset();
        let class = self.tokens.word("`SumNode`, `ProductNode` or the class of a leaf")?;
        let mut children = Vec::new();
        let kind = match class {
            "SumNode" | "ProductNode" => {
                let weights = self.edges(class == "SumNode", &mut children)?;
                if self.tokens.accept(b'{') {
                    *depth += 1;
                }
                let weights = Values::Linear(weights);
                match class {
                    "SumNode" => ScalarKind::Sum { children: Vec::new(), weights },
                    _ => ScalarKind::Product(Vec::new()),
                }
            }
            _ => self.tokens.leaf(place, class, &self.variables)?,
        };
        self.define(name, start, kind, children)
    }

    /// The children in parentheses, for sums with weights.
    fn edges(
        &mut self,
        weighted: bool,
        children: &mut Vec<(usize, &'a str)>,
    ) -> Result<Vec<f64>, ImportError> {
        let mut weights = Vec::new();
        self.tokens.expect(b'(')?;
        loop {
            if weighted {
                weights.push(self.tokens.weight()?);
            }
            let place = self.tokens.offset();
            children.push((place, self.tokens.word("the name of a node")?));
            if !self.tokens.accept(b',') {
                break;
            }
        }
        self.tokens.expect(b')')?;
        Ok(weights)
    }

    /// A shared child may be written in every parent's block, each time the same.
    fn define(
        &mut self,
        name: &'a str,
        start: usize,
        kind: ScalarKind,
        children: Vec<(usize, &'a str)>,
    ) -> Result<(), ImportError> {
        if let Some(&node) = self.nodes.get(name) {
            let names = |list: &[(usize, &'a str)]| -> Vec<&str> {
                list.iter().map(|(_, name)| *name).collect()
            };
            let same = self.source.scalars.nodes[node as usize].kind == kind
                && names(&self.children[node as usize]) == names(&children);
            if same {
                return Ok(());
            }
            let problem = ImportProblem::Duplicate { what: "node", name: shortened(name) };
            return Err(self.tokens.error(start, problem));
        }
        let node = self.source.push(kind, start);
        self.nodes.insert(name, node);
        self.children.push(children);
        Ok(())
    }

    /// Puts nodes in the place of names.
    fn resolve(&mut self) -> Result<(), ImportError> {
        for (node, named) in self.children.iter().enumerate() {
            let mut found = Vec::with_capacity(named.len());
            for (place, name) in named {
                let Some(&child) = self.nodes.get(name) else {
                    let (what, name) = ("node", shortened(name));
                    let mend = ": list it in a block";
                    let problem = ImportProblem::Undefined { what, name, mend };
                    return Err(self.source.error(*place, problem));
                };
                found.push(child);
            }
            match &mut self.source.scalars.nodes[node].kind {
                ScalarKind::Product(children) | ScalarKind::Sum { children, .. } => {
                    *children = found;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn write(circuit: &Circuit) -> Result<Written, WriteError> {
    let mut unrolled = unroll(circuit, NAME, true)?;
    unrolled.forget_variables(circuit);
    unrolled.replace_indicators();
    unrolled.replace_logarithms();
    let (numbers, order) = unrolled.numbering();
    let Unrolled { scalars, lost, .. } = unrolled;
    let mut text = String::new();
    // All nodes stand in the root's block.
    for &node in &order {
        let entry = &scalars.nodes[node as usize];
        let name = |node: u32| {
            let class = match &scalars.nodes[node as usize].kind {
                ScalarKind::Product(_) => "ProductNode",
                ScalarKind::Sum { .. } => "SumNode",
                _ => "Leaf",
            };
            format!("{class}_{}", numbers[node as usize])
        };
        let body = match &entry.kind {
            ScalarKind::Product(children) => {
                let names: Vec<String> = children.iter().map(|child| name(*child)).collect();
                format!("ProductNode({})", names.join(", "))
            }
            ScalarKind::Sum { children, weights } => {
                let edges = children.iter().zip(weights.linear());
                let edges: Vec<String> =
                    edges.map(|(child, weight)| format!("{weight:?}*{}", name(*child))).collect();
                format!("SumNode({})", edges.join(", "))
            }
            leaf => leaf_text(leaf)
                .ok_or_else(|| WriteError::leaf(NAME, leaf, circuit, entry.origin))?,
        };
        let inner = matches!(entry.kind, ScalarKind::Product(_) | ScalarKind::Sum { .. });
        let end = match (order.len() > 1 && numbers[node as usize] == 0, inner) {
            (true, _) => "{",
            (false, true) => "{}",
            (false, false) => "",
        };
        text.push_str(&format!("{} {body}{end}\n", name(node)));
    }
    if order.len() > 1 {
        text.push_str("}\n");
    }
    Ok(Written { bytes: text.into_bytes(), nodes: order.len(), lost })
}
