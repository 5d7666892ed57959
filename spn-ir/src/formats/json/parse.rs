//! The parser of JSON with places (RFC 8259). It keeps its own stack and is not bound to the
//! program's.

use std::borrow::Cow;

use super::{Kind, Value};
use crate::formats::error::{ImportError, ImportProblem};

type Result<T> = std::result::Result<T, ImportError>;

/// How deep lists and objects may lie in each other: what walks over the tree may recurse.
const MAXIMUM_NESTING: usize = 2000;

/// Reads a document.
pub(in crate::formats) fn parse(text: &str) -> Result<Value<'_>> {
    Parser { text, at: 0 }.document()
}

/// The keys of the outermost object in order, each with the text behind its colon, as far as the
/// text can be followed; for telling formats apart, so damaged text is no error. Passes over keys
/// with escapes.
pub(in crate::formats) fn top_level_keys(text: &str) -> Vec<(&str, &str)> {
    let mut keys = Vec::new();
    let mut parser = Parser { text, at: 0 };
    let mut depth = 0_usize;
    parser.blanks();
    while let Some(byte) = parser.peek() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let Ok(word) = parser.string() else { break };
                parser.blanks();
                if let (1, Some(b':'), Cow::Borrowed(key)) = (depth, parser.peek(), word) {
                    keys.push((key, &text[parser.at + 1..]));
                }
                continue;
            }
            _ => {}
        }
        parser.at += 1;
        if depth == 0 {
            break;
        }
    }
    keys
}

/// A list or object that is not closed yet.
enum Open<'a> {
    Array(usize, Vec<Value<'a>>),
    /// With the key whose value comes next.
    Object(usize, Vec<(Cow<'a, str>, Value<'a>)>, Cow<'a, str>),
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn document(mut self) -> Result<Value<'a>> {
        if self.text.starts_with('\u{feff}') {
            self.at = '\u{feff}'.len_utf8();
        }
        let mut stack: Vec<Open<'a>> = Vec::new();
        loop {
            if stack.len() > MAXIMUM_NESTING {
                let problem = ImportProblem::TooDeep { limit: MAXIMUM_NESTING };
                return Err(ImportError::at(self.text, self.at, problem));
            }
            let mut value = match self.begin(&mut stack)? {
                Some(value) => value,
                None => continue,
            };
            // A value that closes its list or object is itself the next value.
            loop {
                let Some(open) = stack.pop() else {
                    self.blanks();
                    return match self.peek() {
                        None => Ok(value),
                        Some(_) => Err(self.expected("the end of the file")),
                    };
                };
                match self.put(open, value)? {
                    Ok(open) => {
                        stack.push(open);
                        break;
                    }
                    Err(closed) => value = closed,
                }
            }
        }
    }

    /// The next value; `None` if it is a list or object that was put on the stack.
    fn begin(&mut self, stack: &mut Vec<Open<'a>>) -> Result<Option<Value<'a>>> {
        self.blanks();
        let offset = self.at;
        let kind = match self.peek() {
            Some(b'[') => {
                self.at += 1;
                self.blanks();
                if self.peek() != Some(b']') {
                    stack.push(Open::Array(offset, Vec::new()));
                    return Ok(None);
                }
                self.at += 1;
                Kind::Array(Vec::new())
            }
            Some(b'{') => {
                self.at += 1;
                self.blanks();
                if self.peek() != Some(b'}') {
                    let key = self.key()?;
                    stack.push(Open::Object(offset, Vec::new(), key));
                    return Ok(None);
                }
                self.at += 1;
                Kind::Object(Vec::new())
            }
            Some(b'"') => Kind::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Some(Value { offset, kind }))
    }

    /// Puts a value where it belongs: the list or object that goes on, or the one that is closed.
    fn put(
        &mut self,
        open: Open<'a>,
        value: Value<'a>,
    ) -> Result<std::result::Result<Open<'a>, Value<'a>>> {
        self.blanks();
        let next = self.peek();
        match open {
            Open::Array(offset, mut values) => {
                values.push(value);
                match next {
                    Some(b',') => {
                        self.at += 1;
                        Ok(Ok(Open::Array(offset, values)))
                    }
                    Some(b']') => {
                        self.at += 1;
                        Ok(Err(Value { offset, kind: Kind::Array(values) }))
                    }
                    _ => Err(self.expected("`,` or `]`")),
                }
            }
            Open::Object(offset, mut values, key) => {
                values.push((key, value));
                match next {
                    Some(b',') => {
                        self.at += 1;
                        self.blanks();
                        let key = self.key()?;
                        Ok(Ok(Open::Object(offset, values, key)))
                    }
                    Some(b'}') => {
                        self.at += 1;
                        Ok(Err(Value { offset, kind: Kind::Object(values) }))
                    }
                    _ => Err(self.expected("`,` or `}`")),
                }
            }
        }
    }

    fn key(&mut self) -> Result<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key in quotation marks"));
        }
        let key = self.string()?;
        self.blanks();
        if self.peek() != Some(b':') {
            return Err(self.expected("`:`"));
        }
        self.at += 1;
        Ok(key)
    }

    fn number(&mut self) -> Result<Kind<'a>> {
        let start = self.at;
        let rest = &self.text[start..];
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E')))
            .unwrap_or(rest.len());
        let written = &rest[..end];
        let digits = written.strip_prefix('-').unwrap_or(written).as_bytes();
        // What Rust reads and JSON does not allow: `01`, `1.`, `.5`.
        let allowed = match digits {
            [b'0', b'0'..=b'9', ..] => false,
            [b'0'..=b'9', ..] => {
                !digits.windows(2).any(|two| two[0] == b'.' && !two[1].is_ascii_digit())
                    && digits.last() != Some(&b'.')
            }
            _ => false,
        };
        let value = written.parse::<f64>().ok().filter(|_| allowed);
        let Some(value) = value else { return Err(self.expected("a number")) };
        if value.is_infinite() {
            return Err(ImportError::at(self.text, start, ImportProblem::TooLarge));
        }
        self.at += end;
        Ok(Kind::Number { value, whole: written.parse().ok() })
    }

    fn word(&mut self) -> Result<Kind<'a>> {
        for (word, kind) in
            [("null", Kind::Null), ("true", Kind::Bool(true)), ("false", Kind::Bool(false))]
        {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(kind);
            }
        }
        Err(self.expected("a value"))
    }

    fn string(&mut self) -> Result<Cow<'a, str>> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut text = String::new();
        let mut plain = start;
        self.at = start;
        loop {
            match bytes.get(self.at) {
                Some(b'"') if plain == start => {
                    let whole = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(Cow::Borrowed(whole));
                }
                Some(b'"') => {
                    text.push_str(&self.text[plain..self.at]);
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    text.push_str(&self.text[plain..self.at]);
                    text.push(self.escape()?);
                    plain = self.at;
                }
                Some(0x20..) => self.at += 1,
                _ => return Err(self.expected("the quotation mark that closes this text")),
            }
        }
    }

    /// The character that an escape stands for.
    fn escape(&mut self) -> Result<char> {
        let letter = self.text.as_bytes().get(self.at + 1).copied();
        let character = match letter {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => {
                return Err(
                    self.expected("an escape: one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")
                );
            }
        };
        self.at += 2;
        Ok(character)
    }

    /// `\uXXXX`, or two of them for a character beyond the first plane.
    fn unicode(&mut self) -> Result<char> {
        let unit = |at: usize| -> Option<u32> {
            let digits = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
            let digits = digits.bytes().all(|b| b.is_ascii_hexdigit()).then_some(digits)?;
            u32::from_str_radix(digits, 16).ok()
        };
        let first = unit(self.at);
        let second = unit(self.at + 6).filter(|low| (0xdc00..0xe000).contains(low));
        let (code, length) = match (first, second) {
            (Some(high @ 0xd800..0xdc00), Some(low)) => {
                (Some(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)), 12)
            }
            (code, _) => (code, 6),
        };
        let Some(character) = code.and_then(char::from_u32) else {
            return Err(self.expected("a character: `\\u` and four digits"));
        };
        self.at += length;
        Ok(character)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expected(&self, expected: &str) -> ImportError {
        ImportError::expected_at(self.text, self.at, expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> f64 {
        match parse(text).unwrap().kind {
            Kind::Number { value, .. } => value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn documents_are_read_with_places() {
        let value =
            parse(" {\"a\": [1, -2.5e3], \"b\\n\\u00e9\\ud83d\\ude00\": {}, \"c\": null}").unwrap();
        let Kind::Object(members) = &value.kind else { panic!("{value:?}") };
        assert_eq!(value.offset, 1);
        assert_eq!(members[1].0, "b\né😀");
        let Kind::Array(list) = &members[0].1.kind else { panic!("{members:?}") };
        assert_eq!(
            (list[1].offset, &list[0].kind),
            (11, &Kind::Number { value: 1.0, whole: Some(1) })
        );
        assert_eq!(number("-0").to_bits(), (-0.0_f64).to_bits());
        assert_eq!(number("0.1e-3"), 0.1e-3);
        assert_eq!(
            parse("[[], {}, true]").unwrap().kind,
            parse("[ [ ] ,{ }, true ] ")
                .map(|mut v| {
                    let Kind::Array(list) = &mut v.kind else { panic!() };
                    for (value, offset) in list.iter_mut().zip([1, 5, 9]) {
                        value.offset = offset;
                    }
                    v.kind
                })
                .unwrap()
        );
    }

    #[test]
    fn what_is_no_json_is_refused_where_it_stands() {
        for (text, column) in [
            ("", 1),
            ("[1,]", 4),
            ("{\"a\" 1}", 6),
            ("[1 2]", 4),
            ("{a: 1}", 2),
            ("[01]", 2),
            ("[1.]", 2),
            ("[.5]", 2),
            ("[+1]", 2),
            ("\"a", 3),
            ("\"\\x\"", 2),
            ("\"\\ud800\"", 2),
            ("[1]]", 4),
            ("nul", 1),
            ("\"a\nb\"", 3),
            ("[1e999]", 2),
            ("[-]", 2),
            ("[NaN]", 2),
        ] {
            let error = parse(text).expect_err(text);
            assert!(
                error.to_string().starts_with(&format!("line 1, column {column}:")),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(&nested(MAXIMUM_NESTING)).is_ok());
        for text in [nested(100_000), "[".repeat(100_000), "{\"a\":".repeat(100_000)] {
            let error = parse(&text).unwrap_err();
            assert!(matches!(error.problem, ImportProblem::TooDeep { .. }), "{error}");
        }
    }

    #[test]
    fn keys_are_found_in_damaged_files_too() {
        let keys = top_level_keys("{\"a\": {\"b\": 1}, \"c\": [\"d\", {\"e\": 2}], \"f\":! ");
        assert_eq!(keys.iter().map(|key| key.0).collect::<Vec<_>>(), ["a", "c", "f"]);
        assert_eq!(keys[2].1, "! ");
        assert!(top_level_keys("[1]").is_empty() && top_level_keys("").is_empty());
    }
}
