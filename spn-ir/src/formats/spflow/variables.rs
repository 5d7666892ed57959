//! Names of variables: `V<index>`, or names that a line `# name;name;…` puts in order.

use std::collections::BTreeMap;

use crate::formats::error::{ImportProblem, shortened};

/// The order of variables that a text gives.
pub(super) struct Variables<'a> {
    names: BTreeMap<&'a str, u32>,
}

impl<'a> Variables<'a> {
    /// Takes the last line off a text if it is the list of names.
    pub(super) fn split(text: &'a str) -> (&'a str, Self) {
        let trimmed = text.trim_end();
        let start = trimmed.rfind('\n').map_or(0, |newline| newline + 1);
        let mut names = BTreeMap::new();
        let Some(list) = trimmed[start..].trim_start().strip_prefix('#') else {
            return (text, Self { names });
        };
        for (index, name) in list.split(';').enumerate() {
            names.insert(name.trim(), index as u32);
        }
        (&text[..start], Self { names })
    }

    /// How many variables the list has.
    pub(super) fn count(&self) -> u32 {
        self.names.len() as u32
    }

    /// The index of a variable.
    pub(super) fn find(&self, name: &str) -> Result<u32, ImportProblem> {
        if let Some(index) = self.names.get(name) {
            return Ok(*index);
        }
        let index = name.get(1..).and_then(|digits| digits.parse().ok());
        match index {
            Some(index) if self.names.is_empty() => Ok(index),
            _ => Err(ImportProblem::Undefined {
                what: "the variable",
                name: shortened(name),
                mend: ": write V0, V1, …, or add a last line `# name;name;…` with all names in order",
            }),
        }
    }
}
