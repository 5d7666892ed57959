//! Lines of a text by byte offset, many times.

use super::{BuildProblem, Scalars};
use crate::Circuit;
use crate::formats::error::{ImportError, ImportProblem};

/// A text whose nodes are collected, each with the byte where it begins.
pub(in crate::formats) struct Source<'a> {
    text: &'a str,
    newlines: Vec<usize>,
    /// Where each node stands.
    pub(in crate::formats) offsets: Vec<usize>,
    pub(in crate::formats) scalars: Scalars,
}

impl<'a> Source<'a> {
    pub(in crate::formats) fn new(text: &'a str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let newlines = newlines.map(|(at, _)| at).collect();
        Self { text, newlines, offsets: Vec::new(), scalars: Scalars::default() }
    }

    /// Adds a node that begins at a byte.
    pub(in crate::formats) fn push(&mut self, kind: super::ScalarKind, offset: usize) -> u32 {
        let line = self.newlines.partition_point(|newline| *newline < offset) + 1;
        self.offsets.push(offset);
        self.scalars.push(kind, line as u32)
    }

    /// The error of something at a byte.
    pub(in crate::formats) fn error(
        &self,
        offset: usize,
        problem: impl Into<ImportProblem>,
    ) -> ImportError {
        ImportError::at(self.text, offset, problem)
    }

    /// The circuit; `name` is what the file calls a node.
    pub(in crate::formats) fn build(
        &self,
        variables: u32,
        root: u32,
        name: impl Fn(usize) -> String,
    ) -> Result<Circuit, ImportError> {
        self.scalars.build(variables, root, name).map_err(|BuildProblem { node, problem }| {
            self.error(self.offsets.get(node).copied().unwrap_or(0), problem)
        })
    }
}
