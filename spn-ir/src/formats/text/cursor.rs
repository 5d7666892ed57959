//! A place in the text with one token of foresight, and the small parts of the grammar: names,
//! numbers, lists, line ends.

use std::borrow::Cow;

use super::error::{TextError, TextProblem};
use super::lexer::{Lexer, Token, TokenKind};

/// A list of numbers in rows of one length.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct List {
    /// The numbers, row by row.
    pub(super) values: Vec<f64>,
    /// How many rows there are, at least 1.
    pub(super) rows: usize,
}

/// Reads a text token by token.
pub(super) struct Cursor<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    current: Token<'a>,
}

type Result<T> = std::result::Result<T, TextError>;

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut lexer = Lexer::new(text);
        let current = lexer.next();
        Self { text, lexer, current }
    }

    /// The byte where the current token begins.
    pub(super) fn offset(&self) -> usize {
        self.current.offset
    }

    /// The line of the current token, from 1.
    pub(super) fn line(&self) -> u32 {
        self.current.line
    }

    /// The error of a problem at a byte.
    pub(super) fn error(&self, offset: usize, problem: impl Into<TextProblem>) -> TextError {
        TextError::new(self.text, offset, problem.into())
    }

    /// The error that something else is expected where the cursor stands.
    pub(super) fn expected(&self, expected: &str) -> TextError {
        let found = match self.current.kind {
            TokenKind::Word => format!("`{}`", shortened(&self.current.text)),
            TokenKind::Quoted => format!("\"{}\"", shortened(&self.current.text)),
            TokenKind::Punctuation(character) => format!("`{character}`"),
            TokenKind::Newline => "the end of the line".to_owned(),
            TokenKind::End => "the end of the text (a bracket may be open)".to_owned(),
            TokenKind::Unclosed => "a quotation mark that is not closed in its line".to_owned(),
        };
        let expected = expected.to_owned();
        self.error(self.offset(), TextProblem::Expected { expected, found })
    }

    /// The error that a name is not defined; looks whether it is defined further down.
    pub(super) fn undefined(&self, offset: usize, kind: &'static str, name: &str) -> TextError {
        let defines = |line: &str| {
            let mut cursor = Cursor::new(line);
            let first = cursor.take().text;
            match kind {
                "node" => first == name && cursor.is('='),
                _ => first == kind && cursor.take().text == name,
            }
        };
        let rest = self.text.get(offset..).unwrap_or_default();
        let later = rest.lines().skip(1).position(defines);
        let later = later.map(|skipped| self.line() + skipped as u32 + 1);
        self.error(offset, TextProblem::Undefined { kind, name: name.to_owned(), later })
    }

    /// The current token; the cursor moves on.
    pub(super) fn take(&mut self) -> Token<'a> {
        let next = self.lexer.next();
        std::mem::replace(&mut self.current, next)
    }

    /// Whether the current token is this punctuation.
    pub(super) fn is(&self, character: char) -> bool {
        self.current.kind == TokenKind::Punctuation(character)
    }

    /// Moves past this punctuation, if it is there.
    pub(super) fn accept(&mut self, character: char) -> bool {
        let found = self.is(character);
        if found {
            self.take();
        }
        found
    }

    /// Moves past this punctuation.
    pub(super) fn punctuation(&mut self, character: char) -> Result<()> {
        match self.accept(character) {
            true => Ok(()),
            false => Err(self.expected(&format!("`{character}`"))),
        }
    }

    /// Whether the line has no further token.
    pub(super) fn is_line_end(&self) -> bool {
        matches!(self.current.kind, TokenKind::Newline | TokenKind::End)
    }

    /// Whether the text has no further token.
    pub(super) fn is_end(&self) -> bool {
        self.current.kind == TokenKind::End
    }

    /// Moves past the end of the line and any empty lines that follow.
    pub(super) fn line_end(&mut self) -> Result<()> {
        if !self.is_line_end() {
            return Err(self.expected("the end of the line"));
        }
        while self.current.kind == TokenKind::Newline {
            self.take();
        }
        Ok(())
    }

    /// A name or keyword.
    pub(super) fn word(&mut self, expected: &str) -> Result<Cow<'a, str>> {
        match self.current.kind {
            TokenKind::Word | TokenKind::Quoted => Ok(self.take().text),
            _ => Err(self.expected(expected)),
        }
    }

    /// Exactly this keyword.
    pub(super) fn keyword(&mut self, keyword: &str) -> Result<()> {
        match self.is_word(keyword) {
            true => {
                self.take();
                Ok(())
            }
            false => Err(self.expected(&format!("`{keyword}`"))),
        }
    }

    /// Whether the current token is this word, not quoted.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.current.kind == TokenKind::Word && self.current.text == word
    }

    /// A number; not NaN.
    pub(super) fn number(&mut self, expected: &str) -> Result<f64> {
        let text = &self.current.text;
        let number = text.parse::<f64>().ok().filter(|_| self.current.kind == TokenKind::Word);
        let Some(number) = number else { return Err(self.expected(expected)) };
        if number.is_nan() {
            return Err(self.error(self.offset(), TextProblem::NotANumber));
        }
        if number.is_infinite() && text.contains(|c: char| c.is_ascii_digit()) {
            let text = shortened(text);
            return Err(self.error(self.offset(), TextProblem::TooLarge { text }));
        }
        self.take();
        Ok(number)
    }

    /// A non-negative whole number below 2³².
    pub(super) fn integer(&mut self, expected: &str) -> Result<u32> {
        let number = self.current.text.parse::<u32>();
        match number.ok().filter(|_| self.current.kind == TokenKind::Word) {
            Some(number) => {
                self.take();
                Ok(number)
            }
            None => Err(self.expected(expected)),
        }
    }

    /// Numbers in brackets, with optional commas between them and `;` between rows.
    pub(super) fn list(&mut self) -> Result<List> {
        self.numbers('[', ']')
    }

    /// Numbers between two kinds of brackets.
    pub(super) fn numbers(&mut self, open: char, close: char) -> Result<List> {
        self.punctuation(open)?;
        let mut list = List { values: Vec::new(), rows: 1 };
        let mut start = 0;
        let mut columns = None;
        while !self.accept(close) {
            if self.is(';') {
                let end = self.offset();
                self.row_end(end, &list, start, &mut columns)?;
                self.take();
                start = list.values.len();
                list.rows += 1;
                continue;
            }
            list.values.push(self.number(&format!("a number, `;` or `{close}`"))?);
            self.accept(',');
        }
        self.row_end(self.offset(), &list, start, &mut columns)?;
        Ok(list)
    }

    /// Checks that the row that ends here is as long as the ones before.
    fn row_end(
        &self,
        offset: usize,
        list: &List,
        start: usize,
        columns: &mut Option<usize>,
    ) -> Result<()> {
        let found = list.values.len() - start;
        let expected = *columns.get_or_insert(found);
        if found == expected {
            return Ok(());
        }
        Err(self.error(offset, TextProblem::UnevenRows { row: list.rows, found, expected }))
    }
}

/// A word for a message: not longer than a line.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
