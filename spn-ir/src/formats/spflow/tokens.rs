//! The small parts of SPFlow's texts: words, numbers, lists, leaves.

use super::leaf::{self, Attribute};
use super::variables::Variables;
use crate::formats::error::{ImportError, ImportProblem};
use crate::formats::scalar::ScalarKind;

type Result<T> = std::result::Result<T, ImportError>;

/// A place in a text; blanks and line ends mean nothing.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The byte where the next token begins.
    pub(super) fn offset(&mut self) -> usize {
        while self.byte().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
        self.at
    }

    /// The first byte of the next token.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.offset();
        self.byte()
    }

    /// Moves past this character, if it is next.
    pub(super) fn accept(&mut self, character: u8) -> bool {
        let found = self.peek() == Some(character);
        self.at += usize::from(found);
        found
    }

    /// Moves past this character.
    pub(super) fn expect(&mut self, character: u8) -> Result<()> {
        match self.accept(character) {
            true => Ok(()),
            false => Err(self.expected(&format!("`{}`", char::from(character)))),
        }
    }

    /// A word of letters, digits and underscores.
    pub(super) fn word(&mut self, expected: &str) -> Result<&'a str> {
        let start = self.offset();
        while self.byte().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.expected(expected));
        }
        Ok(&self.text[start..self.at])
    }

    /// Whether a number is next.
    pub(super) fn is_number(&mut self) -> bool {
        matches!(self.peek(), Some(b'0'..=b'9' | b'-' | b'+' | b'.'))
    }

    /// A decimal number.
    pub(super) fn number(&mut self, expected: &str) -> Result<f64> {
        let start = self.offset();
        let bytes = self.text.as_bytes();
        let mut end = start;
        while let Some(byte) = bytes.get(end) {
            let sign = matches!(byte, b'+' | b'-');
            let after_exponent = end > start && matches!(bytes[end - 1], b'e' | b'E');
            let part = byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E');
            if !(part || sign && (end == start || after_exponent)) {
                break;
            }
            end += 1;
        }
        let value = self.text[start..end].parse::<f64>().ok();
        let Some(value) = value.filter(|_| end > start) else {
            return Err(self.expected(expected));
        };
        if value.is_infinite() {
            return Err(self.error(start, ImportProblem::TooLarge));
        }
        self.at = end;
        Ok(value)
    }

    /// The weight of a sum's child with the `*` behind it.
    pub(super) fn weight(&mut self) -> Result<f64> {
        let start = self.offset();
        let weight = self.number("a weight: a number")?;
        leaf::weight(weight).map_err(|problem| self.error(start, problem))?;
        self.expect(b'*')?;
        Ok(weight)
    }

    /// What follows the class of a leaf: `(V0|p=0.9)`.
    pub(super) fn leaf(
        &mut self,
        start: usize,
        class: &str,
        variables: &Variables<'_>,
    ) -> Result<ScalarKind> {
        self.expect(b'(')?;
        let place = self.offset();
        let name = self.word("the name of a variable")?;
        if !leaf::is_family(class) {
            let problem = leaf::unknown_family(class, format!("{class}({name}|…)"));
            return Err(self.error(start, problem));
        }
        let variable = variables.find(name).map_err(|problem| self.error(place, problem))?;
        self.expect(b'|')?;
        let mut attributes = Vec::new();
        loop {
            let key = self.word("the name of a value")?.to_owned();
            self.expect(b'=')?;
            let value = if self.peek() == Some(b'[') {
                Attribute::List(self.list()?)
            } else {
                Attribute::Number(self.number("a number or a list in `[ ]`")?)
            };
            attributes.push((key, value));
            if !self.accept(b';') {
                break;
            }
        }
        self.expect(b')')?;
        leaf::leaf(class, variable, &attributes).map_err(|problem| self.error(start, problem))
    }

    /// Numbers in brackets, with commas or blanks between them.
    pub(super) fn list(&mut self) -> Result<Vec<f64>> {
        self.expect(b'[')?;
        let mut values = Vec::new();
        while !self.accept(b']') {
            let start = self.offset();
            if self.text[start..].starts_with("...") {
                return Err(self.error(start, ImportProblem::Elided));
            }
            values.push(self.number("a number or `]`")?);
            self.accept(b',');
        }
        Ok(values)
    }

    /// The error that something else is expected here.
    pub(super) fn expected(&mut self, expected: &str) -> ImportError {
        let offset = self.offset();
        ImportError::expected_at(self.text, offset, expected)
    }

    /// The error of something at a byte.
    pub(super) fn error(&self, offset: usize, problem: impl Into<ImportProblem>) -> ImportError {
        ImportError::at(self.text, offset, problem)
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}
