//! Reading values as what they should be. Every error says where the value stands, what it is the
//! value of, and what was expected.

use std::borrow::Cow;

use super::{Kind, Value, describe};
use crate::formats::error::{ImportError, ImportProblem, shortened};

type Result<T> = std::result::Result<T, ImportError>;

/// A text with its tree: where errors are made.
#[derive(Clone, Copy)]
pub(in crate::formats) struct Document<'a> {
    pub(in crate::formats) text: &'a str,
}

/// An object whose members are taken by name.
#[derive(Clone)]
pub(in crate::formats) struct Object<'v, 'a> {
    document: Document<'a>,
    /// What messages call it.
    what: String,
    offset: usize,
    members: &'v [(Cow<'a, str>, Value<'a>)],
}

impl<'a> Document<'a> {
    /// The error of something at a value's place.
    pub(in crate::formats) fn error(
        self,
        value: &Value<'_>,
        problem: impl Into<ImportProblem>,
    ) -> ImportError {
        ImportError::at(self.text, value.offset, problem)
    }

    /// The error that a value is something else than expected.
    pub(in crate::formats) fn expected(
        self,
        value: &Value<'_>,
        what: &str,
        expected: &str,
    ) -> ImportError {
        let expected = format!("{what} to be {expected}");
        self.error(value, ImportProblem::Expected { expected, found: describe(value) })
    }

    /// The value as an object; `what` is what messages call it.
    pub(in crate::formats) fn object<'v>(
        self,
        value: &'v Value<'a>,
        what: impl Into<String>,
    ) -> Result<Object<'v, 'a>> {
        let what = what.into();
        match &value.kind {
            Kind::Object(members) => {
                Ok(Object { document: self, what, offset: value.offset, members })
            }
            _ => Err(self.expected(value, &what, "an object")),
        }
    }

    /// The value as a list.
    pub(in crate::formats) fn list<'v>(
        self,
        value: &'v Value<'a>,
        what: &str,
    ) -> Result<&'v [Value<'a>]> {
        match &value.kind {
            Kind::Array(values) => Ok(values),
            _ => Err(self.expected(value, what, "a list")),
        }
    }

    /// The value as a text.
    pub(in crate::formats) fn string<'v>(
        self,
        value: &'v Value<'a>,
        what: &str,
    ) -> Result<&'v str> {
        match &value.kind {
            Kind::String(text) => Ok(text),
            _ => Err(self.expected(value, what, "a text in quotation marks")),
        }
    }

    /// The value as a whole number from 0 to `maximum`.
    pub(in crate::formats) fn whole(
        self,
        value: &Value<'_>,
        what: &str,
        maximum: u64,
    ) -> Result<u64> {
        match value.kind {
            Kind::Number { whole: Some(whole), .. } if whole <= maximum => Ok(whole),
            _ => Err(self.expected(value, what, &format!("a whole number from 0 to {maximum}"))),
        }
    }

    /// The value as a number. With `infinite`, also the texts `"inf"` and `"-inf"`.
    pub(in crate::formats) fn number(
        self,
        value: &Value<'_>,
        what: &str,
        infinite: bool,
    ) -> Result<f64> {
        match &value.kind {
            Kind::Number { value, .. } => Ok(*value),
            Kind::String(text) if infinite && text == "inf" => Ok(f64::INFINITY),
            Kind::String(text) if infinite && text == "-inf" => Ok(f64::NEG_INFINITY),
            _ if infinite => Err(self.expected(value, what, "a number, \"inf\" or \"-inf\"")),
            _ => Err(self.expected(value, what, "a number")),
        }
    }

    /// The value as a list of numbers.
    pub(in crate::formats) fn numbers(
        self,
        value: &Value<'a>,
        what: &str,
        infinite: bool,
    ) -> Result<Vec<f64>> {
        let list = self.list(value, what)?;
        list.iter().map(|value| self.number(value, what, infinite)).collect()
    }

    /// The value as a list of whole numbers below 2³².
    pub(in crate::formats) fn indices(self, value: &Value<'a>, what: &str) -> Result<Vec<u32>> {
        let list = self.list(value, what)?;
        let index = |value| self.whole(value, what, u64::from(u32::MAX)).map(|whole| whole as u32);
        list.iter().map(index).collect()
    }
}

impl<'v, 'a> Object<'v, 'a> {
    /// The member with this key, if it is there.
    pub(in crate::formats) fn find(&self, key: &str) -> Option<&'v Value<'a>> {
        self.members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The member with this key.
    pub(in crate::formats) fn get(&self, key: &'static str) -> Result<&'v Value<'a>> {
        self.find(key).ok_or_else(|| {
            let problem = ImportProblem::Missing { what: self.what.clone(), key };
            ImportError::at(self.document.text, self.offset, problem)
        })
    }

    /// What messages call a member.
    pub(in crate::formats) fn member(&self, key: &str) -> String {
        format!("`{key}` of {}", self.what)
    }

    /// A text.
    pub(in crate::formats) fn string(&self, key: &'static str) -> Result<&'v str> {
        self.document.string(self.get(key)?, &self.member(key))
    }

    /// A whole number below 2³².
    pub(in crate::formats) fn index(&self, key: &'static str) -> Result<u32> {
        let value = self.get(key)?;
        let whole = self.document.whole(value, &self.member(key), u64::from(u32::MAX))?;
        Ok(whole as u32)
    }

    /// A number; with `infinite` also infinities.
    pub(in crate::formats) fn number(&self, key: &'static str, infinite: bool) -> Result<f64> {
        self.document.number(self.get(key)?, &self.member(key), infinite)
    }

    /// A list of numbers.
    pub(in crate::formats) fn numbers(
        &self,
        key: &'static str,
        infinite: bool,
    ) -> Result<Vec<f64>> {
        self.document.numbers(self.get(key)?, &self.member(key), infinite)
    }

    /// A list of whole numbers below 2³².
    pub(in crate::formats) fn indices(&self, key: &'static str) -> Result<Vec<u32>> {
        self.document.indices(self.get(key)?, &self.member(key))
    }

    /// `true`, `false`, or the default.
    pub(in crate::formats) fn flag(&self, key: &'static str, default: bool) -> Result<bool> {
        match self.find(key) {
            None => Ok(default),
            Some(Value { kind: Kind::Bool(value), .. }) => Ok(*value),
            Some(value) => Err(self.document.expected(value, &self.member(key), "true or false")),
        }
    }

    /// Refuses keys beside the `known` ones, and keys that come twice.
    pub(in crate::formats) fn only(&self, known: &'static [&'static str]) -> Result<()> {
        for (at, (key, value)) in self.members.iter().enumerate() {
            if !known.contains(&key.as_ref()) {
                let (what, key) = (self.what.clone(), shortened(key));
                let problem = ImportProblem::UnknownKey { what, key, known: known.join(", ") };
                return Err(self.document.error(value, problem));
            }
            if self.members[..at].iter().any(|(before, _)| before == key) {
                let name = shortened(key);
                return Err(self
                    .document
                    .error(value, ImportProblem::Duplicate { what: "key", name }));
            }
        }
        Ok(())
    }

    /// The error of something at the object's place.
    pub(in crate::formats) fn error(&self, problem: impl Into<ImportProblem>) -> ImportError {
        ImportError::at(self.document.text, self.offset, problem)
    }
}
