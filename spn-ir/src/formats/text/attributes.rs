//! The attributes after a statement's head: flags (`frozen`, `x2`) and values (`rate=0.5`,
//! `weights=[0.3 0.7]`, `weights=w@4`, `constraint=clip(0, 1)`). They are read first, then taken
//! one by one by the statement they belong to; what is left over is an error.

use std::borrow::Cow;

use super::cursor::{Cursor, List};
use super::error::{TextError, TextProblem};

/// Attributes without a value: a `=` after them is not theirs, as in `parameter w [1] frozen = [2]`.
const FLAGS: &[&str] = &["frozen", "outer", "sum", "keep-one", "input", "rescale"];

type Result<T> = std::result::Result<T, TextError>;

/// What stands behind an attribute's `=`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// Nothing: a flag.
    Flag,
    /// A list.
    List(List),
    /// A name or number.
    Word(Cow<'a, str>),
    /// A name with an offset.
    At(Cow<'a, str>, u32),
    /// A name with numbers in parentheses.
    Call(Cow<'a, str>, Vec<f64>),
}

/// One attribute and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Attribute<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) value: Value<'a>,
    /// The byte where its value begins; for a flag, the flag.
    pub(super) offset: usize,
}

/// The attributes of one statement.
pub(super) struct Attributes<'a> {
    statement: &'static str,
    known: &'static str,
    list: Vec<Attribute<'a>>,
    places: Vec<(String, usize)>,
}

impl<'a> Attributes<'a> {
    /// Reads attributes up to the end of the line or a `=` that stands alone.
    pub(super) fn read(
        cursor: &mut Cursor<'a>,
        statement: &'static str,
        known: &'static str,
    ) -> Result<Self> {
        let mut list: Vec<Attribute<'a>> = Vec::new();
        while !cursor.is_line_end() && !cursor.is('=') {
            let mut offset = cursor.offset();
            let name = cursor.word("an attribute or the end of the line")?;
            let mut value = Value::Flag;
            if !FLAGS.contains(&name.as_ref()) && cursor.accept('=') {
                offset = cursor.offset();
                value = read_value(cursor)?;
            }
            list.push(Attribute { name, value, offset });
        }
        let places = list.iter().map(|a| (a.name.to_string(), a.offset)).collect();
        Ok(Self { statement, known, list, places })
    }

    /// The attribute of this name; later calls do not find it again.
    pub(super) fn take(&mut self, name: &str) -> Option<Attribute<'a>> {
        let index = self.list.iter().position(|attribute| attribute.name == name)?;
        Some(self.list.remove(index))
    }

    /// The value of the attribute of this name.
    pub(super) fn peek(&self, name: &str) -> Option<&Value<'a>> {
        self.list.iter().find(|attribute| attribute.name == name).map(|found| &found.value)
    }

    /// Whether the flag is there.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.take(name).is_some()
    }

    /// The block's width `x2`, with where it stands.
    pub(super) fn width(&mut self) -> Option<(u32, usize)> {
        let width = |attribute: &Attribute<'a>| match attribute.value {
            Value::Flag => attribute.name.strip_prefix('x')?.parse::<u32>().ok(),
            _ => None,
        };
        let (index, width) =
            self.list.iter().enumerate().find_map(|(i, a)| Some((i, width(a)?)))?;
        Some((width, self.list.remove(index).offset))
    }

    /// A number, with where it stands.
    pub(super) fn number(
        &mut self,
        cursor: &Cursor<'a>,
        name: &str,
    ) -> Result<Option<(f64, usize)>> {
        let Some(attribute) = self.take(name) else { return Ok(None) };
        let number = match &attribute.value {
            Value::Word(text) => text.parse::<f64>().ok().filter(|number| !number.is_nan()),
            _ => None,
        };
        match number {
            Some(number) => Ok(Some((number, attribute.offset))),
            None => Err(wrong_value(cursor, &attribute, "one number")),
        }
    }

    /// A non-negative whole number below 2³², or the default.
    pub(super) fn integer(&mut self, cursor: &Cursor<'a>, name: &str, default: u32) -> Result<u32> {
        let Some(attribute) = self.take(name) else { return Ok(default) };
        let number = match &attribute.value {
            Value::Word(text) => text.parse::<u32>().ok(),
            _ => None,
        };
        number.ok_or_else(|| wrong_value(cursor, &attribute, "a whole number from 0"))
    }

    /// Where the attribute of this name stands, also after it was taken.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.places.iter().find(|(known, _)| known == name).map(|(_, offset)| *offset)
    }

    /// The error that an attribute is missing.
    pub(super) fn missing(
        &self,
        cursor: &Cursor<'a>,
        offset: usize,
        attribute: &'static str,
    ) -> TextError {
        let statement = self.statement;
        cursor.error(offset, TextProblem::MissingAttribute { statement, attribute })
    }

    /// Checks that every attribute was taken.
    pub(super) fn finish(&self, cursor: &Cursor<'a>) -> Result<()> {
        let Some(left) = self.list.first() else { return Ok(()) };
        let attribute = left.name.to_string();
        let (statement, known) = (self.statement, self.known);
        let problem = TextProblem::UnknownAttribute { statement, attribute, known };
        Err(cursor.error(left.offset, problem))
    }
}

/// The error that an attribute has another kind of value.
pub(super) fn wrong_value(
    cursor: &Cursor<'_>,
    attribute: &Attribute<'_>,
    expected: &'static str,
) -> TextError {
    let problem = TextProblem::AttributeValue { attribute: attribute.name.to_string(), expected };
    cursor.error(attribute.offset, problem)
}

fn read_value<'a>(cursor: &mut Cursor<'a>) -> Result<Value<'a>> {
    if cursor.is('[') {
        return Ok(Value::List(cursor.list()?));
    }
    let word = cursor.word("a value: a number, a name or a list in `[ ]`")?;
    if cursor.accept('@') {
        return Ok(Value::At(word, cursor.integer("an offset: a whole number from 0")?));
    }
    if cursor.is('(') {
        return Ok(Value::Call(word, cursor.numbers('(', ')')?.values));
    }
    Ok(Value::Word(word))
}
