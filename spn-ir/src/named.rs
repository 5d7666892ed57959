//! Things of layer files that are given by name: `"Dirichlet"` or
//! `{"name": "Dirichlet", "alpha": 0.5}`.
//!
//! In: a JSON value. Out: the name and, one by one, its options. An option that nobody asked for
//! is an error, so that a misspelt one is not ignored.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A name with the options that were not taken yet.
pub(crate) struct Named {
    kind: &'static str,
    name: String,
    options: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Named {
    /// Takes `value` apart; `kind` says in messages what is named.
    pub(crate) fn read(kind: &'static str, value: Value) -> Result<Self, String> {
        let (name, options) = match value {
            Value::String(name) => (name, Map::new()),
            Value::Object(mut options) => match options.shift_remove("name") {
                Some(Value::String(name)) => (name, options),
                _ => return Err(format!("{kind} without a name: write {{\"name\": \"…\", …}}")),
            },
            other => {
                let expected = "a name or an object with a \"name\"";
                return Err(format!("{kind} must be {expected}, but {other} was given"));
            }
        };
        Ok(Self { kind, name, options, known: Vec::new() })
    }

    /// The name in small letters and without underscores, so that `GlorotUniform` and
    /// `glorot_uniform` are one.
    pub(crate) fn key(&self) -> String {
        self.name.chars().filter(|&c| c != '_').flat_map(char::to_lowercase).collect()
    }

    /// Takes an option, or `default` if it is not given.
    pub(crate) fn option<T: DeserializeOwned>(
        &mut self,
        option: &'static str,
        default: T,
    ) -> Result<T, String> {
        self.known.push(option);
        match self.options.shift_remove(option) {
            None => Ok(default),
            Some(value) => serde_json::from_value(value).map_err(|e| self.bad(option, e)),
        }
    }

    /// Takes an option that must be given.
    pub(crate) fn required<T: DeserializeOwned>(
        &mut self,
        option: &'static str,
    ) -> Result<T, String> {
        self.option(option, None)?
            .ok_or_else(|| format!("{} {} needs the option `{option}`", self.kind, self.name))
    }

    /// Refuses an option of the reference that is not offered, except at its default.
    pub(crate) fn only(&mut self, option: &'static str, value: &Value) -> Result<(), String> {
        match self.option(option, value.clone())? {
            given if given == *value => Ok(()),
            given => Err(self.bad(option, format!("{given} is not offered, only {value}"))),
        }
    }

    /// The error of an option with a wrong value.
    pub(crate) fn bad(&self, option: &str, reason: impl Display) -> String {
        format!("option `{option}` of {} {}: {reason}", self.kind, self.name)
    }

    /// The error of a name that means nothing.
    pub(crate) fn unknown(&self, names: &[&str]) -> String {
        let list = names.join(", ");
        format!("there is no {} named `{}`; known are {list}", self.kind, self.name)
    }

    /// Refuses options that were not taken.
    pub(crate) fn finish(self) -> Result<(), String> {
        let Some((option, _)) = self.options.iter().next() else { return Ok(()) };
        let known = match self.known.as_slice() {
            [] => "it has none".to_owned(),
            known => format!("it has {}", known.join(", ")),
        };
        Err(format!("{} {} has no option `{option}`; {known}", self.kind, self.name))
    }
}
