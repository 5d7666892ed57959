//! Words of the text form: which characters they have, quotation, and numbers as text.

/// Whether a character ends a word and means nothing itself. Newlines are tokens, not blanks.
pub(super) fn is_blank(character: char) -> bool {
    character != '\n' && (character.is_whitespace() || character == '\u{feff}')
}

/// Whether a character is a token of its own.
pub(super) fn is_punctuation(character: char) -> bool {
    matches!(character, '(' | ')' | '[' | ']' | '=' | ',' | ';' | '@')
}

/// Whether a character can be part of a word that is not quoted.
pub(super) fn is_plain(character: char) -> bool {
    !(is_blank(character) || is_punctuation(character) || matches!(character, '\n' | '"' | '#'))
}

/// A name as it is written: as it is, or quoted where it would not be read as one word.
pub(super) fn quoted(name: &str) -> String {
    if !name.is_empty() && name.chars().all(is_plain) {
        return name.to_owned();
    }
    let mut text = String::from("\"");
    for character in name.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text + "\""
}

/// What a quoted name means; `inside` stands between the quotation marks.
pub(super) fn unquoted(inside: &str) -> String {
    let mut name = String::new();
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => name.push('\n'),
                Some(other) => name.push(other),
                None => {}
            },
            other => name.push(other),
        }
    }
    name
}

/// The shortest text that is read back as the same number.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:?}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_exact() {
        for (value, text) in [(1.0, "1"), (0.3, "0.3"), (1e-8, "1e-8"), (-0.0, "-0")] {
            assert_eq!(number(value), text);
        }
        for value in [f64::MAX, f64::MIN_POSITIVE, 5e-324, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
            assert_eq!(number(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
    }

    #[test]
    fn quotation_is_undone() {
        for name in ["", "a b", "say \"no\"", "back\\slash", "two\nlines", "a=b", "ünï", "#"] {
            let text = quoted(name);
            assert!(text.starts_with('"') || text == name);
            assert!(!text.contains('\n'));
            if text.starts_with('"') {
                assert_eq!(unquoted(&text[1..text.len() - 1]), name);
            }
        }
    }
}
