//! Nodes by their numbers.

use std::collections::HashMap;

use super::lines::{Lines, Words};
use crate::Circuit;
use crate::formats::error::{ImportError, ImportProblem};
use crate::formats::scalar::{ScalarKind, Source, Values};

type Result<T> = std::result::Result<T, ImportError>;

/// The largest state of a variable with indicators and literals: they share one table.
const TRUE_AND_FALSE: u32 = 2;

/// Nodes as they are read.
pub(super) struct Nodes<'a> {
    pub(super) source: Source<'a>,
    /// Only looked up, never iterated over: its order is random.
    ids: HashMap<u64, u32>,
    last: Option<u32>,
}

impl<'a> Nodes<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { source: Source::new(text), ids: HashMap::new(), last: None }
    }

    /// How many nodes the file has so far.
    pub(super) fn count(&self) -> u64 {
        self.ids.len() as u64
    }

    /// The number of a node.
    pub(super) fn id(words: &mut Words<'a>) -> Result<u64> {
        words.whole("the number of a node")
    }

    /// Gives a number to a node.
    pub(super) fn define(&mut self, id: u64, kind: ScalarKind, words: &Words<'a>) -> Result<()> {
        let node = self.source.push(kind, words.start);
        if self.ids.insert(id, node).is_some() {
            let problem = ImportProblem::Duplicate { what: "node", name: id.to_string() };
            return Err(words.error(problem));
        }
        self.last = Some(node);
        Ok(())
    }

    /// A child, which must have come before.
    pub(super) fn child(&self, words: &mut Words<'a>) -> Result<u32> {
        let offset = words.offset();
        let id = Self::id(words)?;
        self.ids.get(&id).copied().ok_or_else(|| {
            let mend = " yet: children precede their parents";
            let problem = ImportProblem::Undefined { what: "node", name: id.to_string(), mend };
            self.source.error(offset, problem)
        })
    }

    /// A literal as a leaf.
    pub(super) fn literal(words: &mut Words<'a>) -> Result<ScalarKind> {
        let (variable, is_true) = words.literal()?;
        let value = u32::from(is_true);
        Ok(ScalarKind::Indicator { variable, value, states: TRUE_AND_FALSE })
    }

    /// The circuit whose root is the last node.
    pub(super) fn finish(self, lines: &Lines<'a>, variables: u32) -> Result<Circuit> {
        let Some(root) = self.last else {
            return Err(lines.expected_at_end("a node"));
        };
        let variables = variables.max(self.source.scalars.variables());
        // Children precede parents, so there is no cycle to be named.
        self.source.build(variables, root, |node| node.to_string())
    }
}

/// The probabilities of a variable that is true with probability `exp(log)`.
pub(super) fn bernoulli(log: f64) -> Values {
    // ln(1 - exp(log)), without cancellation on either side.
    let other =
        if log > -std::f64::consts::LN_2 { (-log.exp_m1()).ln() } else { (-log.exp()).ln_1p() };
    Values::Log(vec![other, log])
}
