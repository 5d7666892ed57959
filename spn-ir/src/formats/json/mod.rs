//! JSON with places: a parser that keeps where every value stands, so that what a reader objects to
//! later, a weight or the name of a child, is reported with line and column as syntax errors are.
//!
//! In: text. Out: a [`Value`] tree, in memory proportional to the text, or the first error. The
//! parser keeps its own stack, so nesting is as deep as the file wants. Numbers are read exactly.
//! Writers use `serde_json`, which says nothing of places.

mod parse;
mod typed;

pub(super) use parse::{parse, top_level_keys};
pub(super) use typed::{Document, Object};

use std::borrow::Cow;

/// A value and the byte where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value<'a> {
    pub(super) offset: usize,
    pub(super) kind: Kind<'a>,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number; `whole` is its value where it is written as a whole number below 2⁶⁴.
    Number { value: f64, whole: Option<u64> },
    /// A string without its quotation marks and escapes.
    String(Cow<'a, str>),
    /// `[…]`
    Array(Vec<Value<'a>>),
    /// `{…}` in the file's order.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

/// What a message calls a value.
pub(super) fn describe(value: &Value<'_>) -> String {
    match &value.kind {
        Kind::Null => "null".to_owned(),
        Kind::Bool(value) => value.to_string(),
        Kind::Number { value, .. } => value.to_string(),
        Kind::String(text) => format!("the text \"{}\"", super::error::shortened(text)),
        Kind::Array(values) => format!("a list of {}", values.len()),
        Kind::Object(_) => "an object".to_owned(),
    }
}
