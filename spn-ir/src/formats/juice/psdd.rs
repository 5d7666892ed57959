//! PSDDs, `.psdd`: sums of products of two, with literals below.
//!
//! ```text
//! psdd 4                           number of nodes
//! L 0 0 1                          literal: number, vtree node, variable with sign
//! T 1 2 2 -0.6931                  number, vtree node, variable, log P(variable is true)
//! D 2 1 2 0 1 -0.22 3 1 -1.6       number, vtree node, count, (prime, sub, log weight) each
//! ```
//!
//! Each element becomes a product of its own. PSDDs are read only: few circuits are of their form.

use super::lines::Lines;
use super::nodes::{Nodes, bernoulli};
use crate::Circuit;
use crate::formats::error::{ImportError, ImportProblem, shortened};
use crate::formats::scalar::{ScalarKind, Values};
use crate::formats::{Format, as_text};

const NAME: &str = "psdd";

/// PSDDs in the list of formats.
pub(in crate::formats) static FORMAT: Format = Format {
    name: NAME,
    title: "PSDDs of Juice, UCLA's PSDD package and pypsdd",
    extensions: &["psdd"],
    recognise: |bytes| super::lines::begins_with(bytes, NAME),
    read: Some(|bytes| Ok(read(as_text(NAME, bytes)?)?)),
    write: None,
};

fn read(text: &str) -> Result<Circuit, ImportError> {
    let mut lines = Lines::new(text);
    let Some(mut head) = lines.next() else { return Err(lines.expected_at_end("`psdd`")) };
    if head.word("`psdd`")? != NAME {
        let (expected, found) = ("`psdd`".to_owned(), "another line".to_owned());
        return Err(head.error(ImportProblem::Expected { expected, found }));
    }
    let declared = if head.more() { Some(head.whole("the number of nodes")?) } else { None };
    head.end()?;
    let mut nodes = Nodes::new(text);
    while let Some(mut words) = lines.next() {
        let tag = words.word("a node")?;
        if !matches!(tag, "L" | "T" | "D") {
            let (expected, found) = ("L, T or D".to_owned(), format!("`{}`", shortened(tag)));
            return Err(words.error(ImportProblem::Expected { expected, found }));
        }
        let id = Nodes::id(&mut words)?;
        words.whole("the number of a vtree node")?;
        let kind = match tag {
            "L" => Nodes::literal(&mut words)?,
            "T" => {
                let variable = words.variable()?;
                let probabilities = bernoulli(words.logarithm(0.0)?);
                ScalarKind::Categorical { variable, probabilities }
            }
            _ => decision(&mut nodes, &mut words)?,
        };
        words.end()?;
        nodes.define(id, kind, &words)?;
    }
    if let Some(declared) = declared
        && nodes.count() != declared
    {
        let (what, found) = ("nodes".to_owned(), nodes.count());
        let expected = format!("the first line says {declared}");
        return Err(head.error(ImportProblem::Count { what, found, expected }));
    }
    nodes.finish(&lines, 0)
}

/// The elements of a decision, each a product of its own.
fn decision<'a>(
    nodes: &mut Nodes<'a>,
    words: &mut super::lines::Words<'a>,
) -> Result<ScalarKind, ImportError> {
    let offset = words.offset();
    let declared = words.whole("the number of elements")?;
    let (mut children, mut weights) = (Vec::new(), Vec::new());
    while words.more() {
        let (prime, sub) = (nodes.child(words)?, nodes.child(words)?);
        weights.push(words.logarithm(f64::INFINITY)?);
        let product = ScalarKind::Product(vec![prime, sub]);
        children.push(nodes.source.push(product, words.start));
    }
    if children.len() as u64 != declared {
        let (what, found) = ("elements".to_owned(), children.len() as u64);
        let expected = format!("{declared} are announced");
        return Err(nodes.source.error(offset, ImportProblem::Count { what, found, expected }));
    }
    Ok(ScalarKind::Sum { children, weights: Values::Log(weights) })
}
