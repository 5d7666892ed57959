//! Lines of words.

use crate::formats::error::{ImportError, ImportProblem};
use crate::text::MAXIMUM_VARIABLES;

type Result<T> = std::result::Result<T, ImportError>;

/// The lines of a text that are no comments, one at a time.
pub(super) struct Lines<'a> {
    text: &'a str,
    /// Where the rest begins.
    at: usize,
}

/// The words of a line, one at a time.
#[derive(Clone)]
pub(super) struct Words<'a> {
    text: &'a str,
    /// Where the line begins.
    pub(super) start: usize,
    at: usize,
    end: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next line with a word that is no comment.
    pub(super) fn next(&mut self) -> Option<Words<'a>> {
        while self.at < self.text.len() {
            let start = self.at;
            let end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
            self.at = end + 1;
            let first = self.text[start..end].split_whitespace().next();
            if first.is_some_and(|word| word != "c" && word != "cc") {
                return Some(Words { text: self.text, start, at: start, end });
            }
        }
        None
    }

    /// The error that something is expected at the end.
    pub(super) fn expected_at_end(&self, expected: &str) -> ImportError {
        ImportError::expected_at(self.text, self.text.len(), expected)
    }

    /// The error of something at a byte.
    pub(super) fn error(&self, offset: usize, problem: impl Into<ImportProblem>) -> ImportError {
        ImportError::at(self.text, offset, problem)
    }
}

impl<'a> Words<'a> {
    /// Where the next word begins.
    pub(super) fn offset(&mut self) -> usize {
        let rest = &self.text[self.at..self.end];
        self.at += rest.len() - rest.trim_start().len();
        self.at
    }

    /// The next word.
    pub(super) fn word(&mut self, expected: &str) -> Result<&'a str> {
        let start = self.offset();
        let rest = &self.text[start..self.end];
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.expected(expected));
        }
        self.at += length;
        Ok(&rest[..length])
    }

    /// A whole number from 0.
    pub(super) fn whole(&mut self, expected: &str) -> Result<u64> {
        let start = self.offset();
        let word = self.word(expected)?;
        let number = word.parse();
        number.map_err(|_| ImportError::expected_at(self.text, start, expected))
    }

    /// A variable, which counts from 1; here from 0.
    pub(super) fn variable(&mut self) -> Result<u32> {
        let start = self.offset();
        let number = self.whole("a variable: a whole number from 1")?;
        self.checked_variable(start, number)
    }

    /// A literal: a variable, and whether it is true.
    pub(super) fn literal(&mut self) -> Result<(u32, bool)> {
        let start = self.offset();
        let expected = "a literal: a variable from 1, with `-` in front where it is false";
        let word = self.word(expected)?;
        let digits = word.strip_prefix('-').unwrap_or(word);
        let number = digits.parse().map_err(|_| self.at(start, expected))?;
        Ok((self.checked_variable(start, number)?, digits.len() == word.len()))
    }

    fn checked_variable(&self, start: usize, number: u64) -> Result<u32> {
        match number {
            0 => Err(self.at(start, "a variable, which counts from 1")),
            1.. if number <= u64::from(MAXIMUM_VARIABLES) => Ok(number as u32 - 1),
            _ => {
                let problem = ImportProblem::TooManyVariables { found: number };
                Err(ImportError::at(self.text, start, problem))
            }
        }
    }

    /// The logarithm of a weight or probability.
    pub(super) fn logarithm(&mut self, largest: f64) -> Result<f64> {
        let start = self.offset();
        let word = self.word("the natural logarithm of a weight")?;
        let value = word.parse::<f64>().unwrap_or(f64::NAN);
        if value <= largest && value < f64::INFINITY {
            return Ok(value);
        }
        let expected = match largest {
            0.0 => "the natural logarithm of a probability, at most 0",
            _ => "the natural logarithm of a weight",
        };
        Err(self.at(start, expected))
    }

    /// Whether there is another word.
    pub(super) fn more(&mut self) -> bool {
        self.offset() < self.end
    }

    /// Checks that the line ends here.
    pub(super) fn end(&mut self) -> Result<()> {
        if self.more() { Err(self.expected("the end of the line")) } else { Ok(()) }
    }

    /// The error of something at the beginning of the line.
    pub(super) fn error(&self, problem: impl Into<ImportProblem>) -> ImportError {
        ImportError::at(self.text, self.start, problem)
    }

    /// The error that something else is expected next.
    pub(super) fn expected(&mut self, expected: &str) -> ImportError {
        let offset = self.offset();
        self.at(offset, expected)
    }

    fn at(&self, offset: usize, expected: &str) -> ImportError {
        ImportError::expected_at(self.text, offset, expected)
    }
}

/// Whether the first line that is no comment begins with this word.
pub(super) fn begins_with(bytes: &[u8], word: &str) -> bool {
    // Comments at the head of a file are short; a file of other bytes ends the search at once.
    let head = &bytes[..bytes.len().min(1 << 16)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    let mut lines = Lines::new(text.trim_start_matches('\u{feff}'));
    lines.next().is_some_and(|mut words| words.word("").is_ok_and(|first| first == word))
}
