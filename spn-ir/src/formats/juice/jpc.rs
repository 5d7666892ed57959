//! Juice circuits, `.jpc`:
//!
//! ```text
//! jpc 5                            number of nodes
//! L 0 0 -1                         literal: number, vtree node, variable with sign
//! I 1 0 1 1                        indicator: …, variable, value
//! C 2 0 2 -0.1054 -2.3026          categorical: …, variable, log probabilities
//! S 3 0 2 0 -1.2 1 -0.35           sum: …, number of children, (child, log weight) each
//! P 4 0 2 2 3                      product: …, number of children, children
//! ```
//!
//! Binomial leaves (`B`) are refused: circuits have no such family. The numbers of vtree nodes are
//! not used and written as 0.

use super::lines::Lines;
use super::nodes::Nodes;
use crate::Circuit;
use crate::formats::error::{ImportError, ImportProblem, WriteError, shortened};
use crate::formats::scalar::{ScalarKind, Unrolled, Values, unroll};
use crate::formats::{Format, Written, as_text};

const NAME: &str = "jpc";

/// Juice circuits in the list of formats.
pub(in crate::formats) static FORMAT: Format = Format {
    name: NAME,
    title: "circuits of Juice (ProbabilisticCircuits.jl)",
    extensions: &["jpc"],
    recognise: |bytes| super::lines::begins_with(bytes, NAME),
    read: Some(|bytes| Ok(read(as_text(NAME, bytes)?)?)),
    write: Some(write),
};

fn read(text: &str) -> Result<Circuit, ImportError> {
    let mut lines = Lines::new(text);
    let Some(mut head) = lines.next() else { return Err(lines.expected_at_end("`jpc`")) };
    if head.word("`jpc`")? != NAME {
        return Err(head.error(ImportProblem::Expected {
            expected: "`jpc` and the number of nodes".to_owned(),
            found: "another line".to_owned(),
        }));
    }
    let declared = head.whole("the number of nodes")?;
    head.end()?;
    let mut nodes = Nodes::new(text);
    while let Some(mut words) = lines.next() {
        let tag = words.word("a node")?;
        let known = "L, I, C, P or S";
        if !matches!(tag, "L" | "I" | "C" | "B" | "P" | "S") {
            let (expected, found) = (known.to_owned(), format!("`{}`", shortened(tag)));
            return Err(words.error(ImportProblem::Expected { expected, found }));
        }
        let id = Nodes::id(&mut words)?;
        words.whole("the number of a vtree node, 0 if there is none")?;
        let kind = match tag {
            "L" => Nodes::literal(&mut words)?,
            "I" => {
                let variable = words.variable()?;
                let value = words.whole("a value: a whole number from 0")?;
                let value = u32::try_from(value).unwrap_or(u32::MAX);
                ScalarKind::Indicator { variable, value, states: value.saturating_add(1).max(2) }
            }
            "C" => {
                let variable = words.variable()?;
                let mut logs = vec![words.logarithm(0.0)?];
                while words.more() {
                    logs.push(words.logarithm(0.0)?);
                }
                ScalarKind::Categorical { variable, probabilities: Values::Log(logs) }
            }
            "B" => {
                let (node, family) = (id.to_string(), "binomial (B)".to_owned());
                let known = "a categorical (C)";
                return Err(words.error(ImportProblem::UnknownFamily { node, family, known }));
            }
            tag => inner(&nodes, &mut words, tag == "S")?,
        };
        words.end()?;
        nodes.define(id, kind, &words)?;
    }
    if nodes.count() != declared {
        let (what, found) = ("nodes".to_owned(), nodes.count());
        let expected = format!("the first line says {declared}");
        return Err(head.error(ImportProblem::Count { what, found, expected }));
    }
    nodes.finish(&lines, 0)
}

/// A sum or product behind its vtree number.
fn inner<'a>(
    nodes: &Nodes<'a>,
    words: &mut super::lines::Words<'a>,
    is_sum: bool,
) -> Result<ScalarKind, ImportError> {
    let offset = words.offset();
    let declared = words.whole("the number of children")?;
    let (mut children, mut weights) = (Vec::new(), Vec::new());
    while words.more() {
        children.push(nodes.child(words)?);
        if is_sum {
            weights.push(words.logarithm(f64::INFINITY)?);
        }
    }
    if children.len() as u64 != declared {
        let (what, found) = ("children".to_owned(), children.len() as u64);
        let expected = format!("{declared} are announced");
        return Err(nodes.source.error(offset, ImportProblem::Count { what, found, expected }));
    }
    Ok(match is_sum {
        true => ScalarKind::Sum { children, weights: Values::Log(weights) },
        false => ScalarKind::Product(children),
    })
}

fn write(circuit: &Circuit) -> Result<Written, WriteError> {
    let mut unrolled = unroll(circuit, NAME, false)?;
    unrolled.forget_variables(circuit);
    unrolled.round_logarithms();
    let Unrolled { scalars, lost, .. } = unrolled;
    let mut text = format!("jpc {}\n", scalars.nodes.len());
    for (id, node) in scalars.nodes.iter().enumerate() {
        let line = match &node.kind {
            ScalarKind::Categorical { variable, probabilities } => {
                let logs = probabilities.logarithms();
                format!("C {id} 0 {} {}", variable + 1, words(logs.iter().map(|l| number(*l))))
            }
            ScalarKind::Indicator { variable, value, .. } => match value {
                0 => format!("L {id} 0 -{}", variable + 1),
                1 => format!("L {id} 0 {}", variable + 1),
                _ => format!("I {id} 0 {} {value}", variable + 1),
            },
            ScalarKind::Product(children) => {
                let list = words(children.iter().map(u32::to_string));
                format!("P {id} 0 {} {list}", children.len())
            }
            ScalarKind::Sum { children, weights } => {
                let edges = children.iter().zip(weights.logarithms());
                let list = words(edges.map(|(child, log)| format!("{child} {}", number(log))));
                format!("S {id} 0 {} {list}", children.len())
            }
            leaf @ ScalarKind::LocationScale { .. } => {
                return Err(WriteError::leaf(NAME, leaf, circuit, node.origin));
            }
        };
        text.push_str(&line);
        text.push('\n');
    }
    Ok(Written { bytes: text.into_bytes(), nodes: scalars.nodes.len(), lost })
}

fn words(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

/// A number as Julia reads it, too.
fn number(value: f64) -> String {
    if value.is_infinite() { "-Inf".to_owned() } else { format!("{value:?}") }
}
