//! Where in the text the node stands that an error is about: looked for only when there is one.

use super::NodesError;
use super::error::Subject;
use crate::formats::error::{FormatError, ImportError, ImportProblem, Place};
use crate::formats::json::{self, Document, Object, Value};

/// The error with the place of what it is about.
pub(super) fn placed(text: &str, error: NodesError) -> FormatError {
    let subject = match (&error, error.subject()) {
        (_, Some(subject)) => subject,
        (NodesError::Syntax { line, column, reason }, None) => {
            let (line, column) = (*line as u32, *column as u32);
            let problem = ImportProblem::Json { reason: reason.clone() };
            return ImportError { place: Place::Text { line, column }, problem }.into();
        }
        (_, None) => Subject::Key("format"),
    };
    let place = find(text, &subject).unwrap_or(Place::Text { line: 1, column: 1 });
    FormatError::Nodes { place, error }
}

/// The place of a node, the last one of several with its id, or of a value of the file.
fn find(text: &str, subject: &Subject) -> Option<Place> {
    let tree = json::parse(text).ok()?;
    let document = Document { text };
    let file = document.object(&tree, "the file").ok()?;
    let value = match *subject {
        Subject::Key(key) => file.get(key).ok()?,
        Subject::Node(id) => node(document, &file, id)?,
    };
    Some(document.error(value, ImportProblem::Elided).place)
}

fn node<'v, 'a>(document: Document<'a>, file: &Object<'v, 'a>, id: u64) -> Option<&'v Value<'a>> {
    let nodes = document.list(file.get("nodes").ok()?, "`nodes`").ok()?;
    nodes.iter().rev().find(|value| {
        let entry = document.object(value, "a node").ok();
        let found =
            entry.and_then(|entry| document.whole(entry.get("id").ok()?, "`id`", u64::MAX).ok());
        found == Some(id)
    })
}
