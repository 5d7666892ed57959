//! Leaves of SPFlow: a class with named values.

use super::FAMILIES;
use crate::LocationScale;
use crate::formats::error::{ImportProblem, shortened};
use crate::formats::scalar::{ScalarKind, Values};

/// A value of a leaf's attribute.
#[derive(Clone, Debug)]
pub(super) enum Attribute {
    Number(f64),
    List(Vec<f64>),
}

/// Whether a class is one of the families.
pub(super) fn is_family(class: &str) -> bool {
    matches!(class, "Gaussian" | "Bernoulli" | "Categorical")
}

/// The error of another class.
pub(super) fn unknown_family(class: &str, node: String) -> ImportProblem {
    ImportProblem::UnknownFamily { node, family: shortened(class), known: FAMILIES }
}

/// A leaf of a class over a variable.
pub(super) fn leaf(
    class: &str,
    variable: u32,
    attributes: &[(String, Attribute)],
) -> Result<ScalarKind, ImportProblem> {
    let find = |key: &'static str| {
        let found = attributes.iter().find(|(name, _)| name == key);
        let missing = || ImportProblem::Missing { what: format!("a {class} leaf"), key };
        found.map(|(_, value)| value).ok_or_else(missing)
    };
    let number = |key: &'static str| match find(key)? {
        Attribute::Number(value) => Ok(*value),
        Attribute::List(list) => Err(ImportProblem::Expected {
            expected: format!("`{key}` of a {class} leaf to be one number"),
            found: format!("a list of {}", list.len()),
        }),
    };
    let known: &[&str] = match class {
        "Gaussian" => &["mean", "stdev"],
        _ => &["p"],
    };
    if let Some((key, _)) = attributes.iter().find(|(key, _)| !known.contains(&key.as_str())) {
        let (what, key) = (format!("a {class} leaf"), shortened(key));
        return Err(ImportProblem::UnknownKey { what, key, known: known.join(", ") });
    }
    match class {
        "Gaussian" => {
            let (location, scale) = (number("mean")?, number("stdev")?);
            finite("the mean", location)?;
            positive("the standard deviation", scale)?;
            Ok(ScalarKind::LocationScale {
                density: LocationScale::Normal,
                variable,
                location,
                scale,
            })
        }
        "Bernoulli" => {
            let p = number("p")?;
            probability("p", p)?;
            let probabilities = Values::Linear(vec![1.0 - p, p]);
            Ok(ScalarKind::Categorical { variable, probabilities })
        }
        "Categorical" => {
            let Attribute::List(list) = find("p")? else {
                let expected = "`p` of a Categorical leaf to be a list".to_owned();
                return Err(ImportProblem::Expected { expected, found: "a number".to_owned() });
            };
            if list.is_empty() {
                let (what, expected) =
                    ("probabilities".to_owned(), "at least 1 is needed".to_owned());
                return Err(ImportProblem::Count { what, found: 0, expected });
            }
            list.iter().try_for_each(|p| probability("a probability", *p))?;
            Ok(ScalarKind::Categorical { variable, probabilities: Values::Linear(list.clone()) })
        }
        other => Err(unknown_family(other, other.to_owned())),
    }
}

/// Checks a weight of a sum.
pub(super) fn weight(value: f64) -> Result<(), ImportProblem> {
    let fits = value.is_finite() && value >= 0.0;
    in_range("a weight", "finite and not negative", value, fits)
}

fn finite(what: &str, value: f64) -> Result<(), ImportProblem> {
    in_range(what, "finite", value, value.is_finite())
}

fn positive(what: &str, value: f64) -> Result<(), ImportProblem> {
    in_range(what, "positive and finite", value, value.is_finite() && value > 0.0)
}

fn probability(what: &str, value: f64) -> Result<(), ImportProblem> {
    in_range(what, "from 0 to 1", value, (0.0..=1.0).contains(&value))
}

fn in_range(
    what: &str,
    allowed: &'static str,
    value: f64,
    fits: bool,
) -> Result<(), ImportProblem> {
    if fits {
        return Ok(());
    }
    Err(ImportProblem::OutOfRange { what: what.to_owned(), allowed, value })
}

/// The class and the attributes of a leaf as SPFlow writes them; `None` for other nodes and
/// families.
pub(super) fn class_of(
    kind: &ScalarKind,
) -> Option<(&'static str, Vec<(&'static str, Attribute)>)> {
    match kind {
        ScalarKind::LocationScale { density: LocationScale::Normal, location, scale, .. } => {
            let values =
                vec![("mean", Attribute::Number(*location)), ("stdev", Attribute::Number(*scale))];
            Some(("Gaussian", values))
        }
        ScalarKind::Categorical { probabilities, .. } => {
            let list = probabilities.linear();
            match list.as_slice() {
                // Read back as the same two numbers.
                &[q, p] if 1.0 - p == q => Some(("Bernoulli", vec![("p", Attribute::Number(p))])),
                _ => Some(("Categorical", vec![("p", Attribute::List(list))])),
            }
        }
        _ => None,
    }
}
