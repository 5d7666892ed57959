//! The parser: the head of the file, then statement by statement into a [`CircuitBuilder`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::cursor::Cursor;
use super::error::{TextError, TextProblem};
use super::lexer::TokenKind;
use crate::{Circuit, CircuitBuilder, CircuitError, NodeId, ParameterId, PickTableId, QuantityId};

/// The most variables a circuit read from text may have.
pub const MAXIMUM_VARIABLES: u32 = 1 << 24;

/// The most memory that the scopes of a circuit read from text may take. Scopes are bit sets, so
/// a short text could ask for very many bits otherwise.
pub const MAXIMUM_SCOPE_BYTES: usize = 1 << 29;

pub(super) type Result<T> = std::result::Result<T, TextError>;

/// Things of one kind by name, each with the line that defined it.
pub(super) struct Names<T> {
    kind: &'static str,
    map: BTreeMap<String, (T, u32)>,
}

/// A file half read.
pub(super) struct Parser<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) builder: CircuitBuilder,
    pub(super) variables: Names<u32>,
    pub(super) parameters: Names<ParameterId>,
    pub(super) quantities: Names<QuantityId>,
    pub(super) tables: Names<PickTableId>,
    pub(super) nodes: Names<NodeId>,
}

impl<T: Copy> Names<T> {
    fn new(kind: &'static str) -> Self {
        Self { kind, map: BTreeMap::new() }
    }

    /// Checks that a name is free.
    pub(super) fn check_free(&self, cursor: &Cursor<'_>, offset: usize, name: &str) -> Result<()> {
        let Some((_, line)) = self.map.get(name) else { return Ok(()) };
        let (kind, name, line) = (self.kind, name.to_owned(), *line);
        Err(cursor.error(offset, TextProblem::Redefined { kind, name, line }))
    }

    /// Gives a name to something.
    pub(super) fn define(&mut self, name: &str, value: T, line: u32) {
        self.map.insert(name.to_owned(), (value, line));
    }

    /// What a name stands for.
    pub(super) fn find(&self, cursor: &Cursor<'_>, offset: usize, name: &str) -> Result<T> {
        let found = self.get(name);
        found.ok_or_else(|| cursor.undefined(offset, self.kind, name))
    }

    /// What a name stands for, if it is known.
    pub(super) fn get(&self, name: &str) -> Option<T> {
        self.map.get(name).map(|(value, _)| *value)
    }
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            cursor: Cursor::new(text),
            builder: CircuitBuilder::new(0),
            variables: Names::new("variable"),
            parameters: Names::new("parameter"),
            quantities: Names::new("quantity"),
            tables: Names::new("table"),
            nodes: Names::new("node"),
        }
    }

    /// The whole file.
    pub(super) fn file(mut self) -> Result<Circuit> {
        self.head()?;
        let root = loop {
            if self.cursor.is_end() {
                return Err(self.cursor.expected("`root` and the name of a node"));
            }
            if let Some(root) = self.statement()? {
                break root;
            }
        };
        let (root, offset) = root;
        self.cursor.line_end()?;
        if !self.cursor.is_end() {
            return Err(self.cursor.expected("nothing more: `root` is the last line"));
        }
        let cursor = self.cursor;
        self.builder.finish(root).map_err(|error| cursor.error(offset, error))
    }

    /// `spn 1` and `variables …`
    fn head(&mut self) -> Result<()> {
        if self.cursor.is_line_end() {
            self.cursor.line_end()?;
        }
        self.cursor.keyword("spn")?;
        let offset = self.cursor.offset();
        let version = self.cursor.word("the version of the format: `1`")?;
        if version != "1" {
            let version = version.chars().take(40).collect();
            return Err(self.cursor.error(offset, TextProblem::Version { version }));
        }
        self.cursor.line_end()?;
        self.cursor.keyword("variables")?;
        let count = self.variable_count()?;
        self.builder = CircuitBuilder::new(count);
        self.cursor.line_end()
    }

    /// How many variables there are, as a number or as their names.
    fn variable_count(&mut self) -> Result<u32> {
        let offset = self.cursor.offset();
        let first = self.cursor.word("how many variables there are, or their names")?;
        if let Ok(count) = first.parse::<f64>() {
            let whole = count.fract() == 0.0 && count >= 0.0;
            if !whole || count > f64::from(MAXIMUM_VARIABLES) {
                return Err(self.cursor.error(offset, out_of_range(count)));
            }
            return Ok(count as u32);
        }
        let mut name: Cow<'a, str> = first;
        let mut offset = offset;
        for count in 0.. {
            self.variables.check_free(&self.cursor, offset, &name)?;
            if name.parse::<f64>().is_ok() {
                return Err(self.cursor.error(offset, number_as_name(&name)));
            }
            if count == MAXIMUM_VARIABLES {
                return Err(self.cursor.error(offset, out_of_range(f64::from(count) + 1.0)));
            }
            self.variables.define(&name, count, self.cursor.line());
            if self.cursor.is_line_end() {
                return Ok(count + 1);
            }
            offset = self.cursor.offset();
            name = self.cursor.word("the name of a variable")?;
        }
        Ok(0)
    }

    /// One statement; the root and where it stands if it was the last one.
    fn statement(&mut self) -> Result<Option<(NodeId, usize)>> {
        let line = self.cursor.line();
        let offset = self.cursor.offset();
        let token = self.cursor.take();
        if !matches!(token.kind, TokenKind::Word | TokenKind::Quoted) {
            let expected = "a statement: `name = …`, `parameter`, `quantity`, `table`, `normalise` \
                or `root`";
            let found = match token.kind {
                TokenKind::Unclosed => "a quotation mark that is not closed in its line".to_owned(),
                _ => format!("`{}`", token.text),
            };
            let problem = TextProblem::Expected { expected: expected.to_owned(), found };
            return Err(self.cursor.error(offset, problem));
        }
        if self.cursor.accept('=') {
            self.nodes.check_free(&self.cursor, offset, &token.text)?;
            let node = self.node(line)?;
            self.nodes.define(&token.text, node, line);
        } else {
            match (token.kind, token.text.as_ref()) {
                (TokenKind::Word, "parameter") => self.parameter(line)?,
                (TokenKind::Word, "quantity") => self.quantity(line)?,
                (TokenKind::Word, "table") => self.table(line)?,
                (TokenKind::Word, "normalise") => self.normalise(offset)?,
                (TokenKind::Word, "root") => {
                    let (node, offset) = self.node_name()?;
                    return Ok(Some((node, offset)));
                }
                _ => return Err(self.cursor.expected("`=` after the name of a node")),
            }
        }
        self.cursor.line_end()?;
        Ok(None)
    }

    /// The name of a node that is defined already, and where it stands.
    pub(super) fn node_name(&mut self) -> Result<(NodeId, usize)> {
        let offset = self.cursor.offset();
        let name = self.cursor.word("the name of a node")?;
        Ok((self.nodes.find(&self.cursor, offset, &name)?, offset))
    }

    /// The error of something the builder refused.
    pub(super) fn refused(&self, offset: usize, error: CircuitError) -> TextError {
        self.cursor.error(offset, error)
    }
}

fn out_of_range(value: f64) -> TextProblem {
    let range = "a whole number from 0 to 2^24";
    TextProblem::OutOfRange { what: "the number of variables", range, value }
}

fn number_as_name(name: &str) -> TextProblem {
    TextProblem::Expected {
        expected: "the name of a variable, or nothing after their number".to_owned(),
        found: format!("the number `{}`", name.chars().take(40).collect::<String>()),
    }
}
