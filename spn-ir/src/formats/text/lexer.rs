//! Splits the text form into words, quoted names, punctuation and line ends.
//!
//! A word is anything between blanks and punctuation: numbers, names and keywords alike. Line ends
//! inside brackets do not count, so that long lists can go over several lines.

use std::borrow::Cow;

use super::words::{is_blank, is_plain, is_punctuation, unquoted};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A name, keyword or number.
    Word,
    /// A name in quotation marks.
    Quoted,
    /// One of `( ) [ ] = , ; @`.
    Punctuation(char),
    /// The end of a line.
    Newline,
    /// The end of the text.
    End,
    /// A quotation mark without its partner.
    Unclosed,
}

/// A token.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind,
    /// What a word says; a quoted name without its quotation marks.
    pub(super) text: Cow<'a, str>,
    /// The byte where it begins.
    pub(super) offset: usize,
    /// Its line, from 1.
    pub(super) line: u32,
}

/// Splits a text as far as it is asked to.
pub(super) struct Lexer<'a> {
    text: &'a str,
    offset: usize,
    line: u32,
    brackets: u32,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, offset: 0, line: 1, brackets: 0 }
    }

    pub(super) fn next(&mut self) -> Token<'a> {
        self.skip_blanks();
        let rest = &self.text[self.offset..];
        let Some(first) = rest.chars().next() else { return self.token(TokenKind::End, 0) };
        match first {
            '\n' => self.token(TokenKind::Newline, 1),
            '"' => self.quoted(rest),
            first if is_punctuation(first) => {
                match first {
                    '(' | '[' => self.brackets += 1,
                    ')' | ']' => self.brackets = self.brackets.saturating_sub(1),
                    _ => {}
                }
                self.token(TokenKind::Punctuation(first), 1)
            }
            _ => {
                let length = rest.find(|c| !is_plain(c)).unwrap_or(rest.len());
                self.token(TokenKind::Word, length)
            }
        }
    }

    /// Passes blanks, comments, and inside brackets also line ends.
    fn skip_blanks(&mut self) {
        let mut comment = false;
        for character in self.text[self.offset..].chars() {
            match character {
                '\n' if self.brackets == 0 => return,
                '\n' => {
                    self.line += 1;
                    comment = false;
                }
                '#' => comment = true,
                other if comment || is_blank(other) => {}
                _ => return,
            }
            self.offset += character.len_utf8();
        }
    }

    fn quoted(&mut self, rest: &'a str) -> Token<'a> {
        let mut escaped = false;
        for (index, character) in rest.char_indices().skip(1) {
            match character {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    let mut token = self.token(TokenKind::Quoted, index + 1);
                    token.text = unquoted(&rest[1..index]).into();
                    return token;
                }
                _ => {}
            }
        }
        let length = rest.find('\n').unwrap_or(rest.len());
        self.token(TokenKind::Unclosed, length)
    }

    fn token(&mut self, kind: TokenKind, length: usize) -> Token<'a> {
        let (offset, line) = (self.offset, self.line);
        self.offset += length;
        self.line += u32::from(kind == TokenKind::Newline);
        Token { kind, text: Cow::Borrowed(&self.text[offset..self.offset]), offset, line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_count_outside_brackets_only() {
        let mut lexer = Lexer::new("a=[1,\n 2 # two\n] \"b c\" #end\nx-y \"open");
        let mut found = Vec::new();
        loop {
            let token = lexer.next();
            found.push((token.kind, token.text.into_owned(), token.line));
            if token.kind == TokenKind::End {
                break;
            }
        }
        let texts: Vec<&str> = found.iter().map(|(_, text, _)| text.as_str()).collect();
        assert_eq!(texts, ["a", "=", "[", "1", ",", "2", "]", "b c", "\n", "x-y", "\"open", ""]);
        assert_eq!(found[7], (TokenKind::Quoted, "b c".to_owned(), 3));
        assert_eq!(found[10].0, TokenKind::Unclosed);
        assert_eq!(found[9].2, 4);
    }
}
