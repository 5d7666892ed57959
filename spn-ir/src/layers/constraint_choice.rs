//! A constraint option of a layer: a named constraint or `"Identity"` for none.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::Constraint;
use crate::constraint::NamedConstraint;

/// What an option such as `linear_accumulator_constraint` holds. In files `"Identity"` or the
/// form of [`NamedConstraint`]: `"LogNormalized"`, `{"name": "Clip", "min": 0.1, "max": 2}`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ConstraintChoice {
    /// No constraint; where an option's absence means the default, this means none.
    Identity,
    /// A constraint.
    Constraint(Constraint),
}

impl ConstraintChoice {
    /// The constraint, if it is one.
    #[must_use]
    pub fn constraint(self) -> Option<Constraint> {
        match self {
            Self::Identity => None,
            Self::Constraint(constraint) => Some(constraint),
        }
    }
}

impl From<Constraint> for ConstraintChoice {
    fn from(constraint: Constraint) -> Self {
        Self::Constraint(constraint)
    }
}

impl Serialize for ConstraintChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Identity => serializer.serialize_str("Identity"),
            Self::Constraint(constraint) => NamedConstraint(*constraint).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ConstraintChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value.as_str().is_some_and(|name| name.eq_ignore_ascii_case("identity")) {
            return Ok(Self::Identity);
        }
        let named = NamedConstraint::deserialize(value).map_err(D::Error::custom)?;
        Ok(Self::Constraint(named.0))
    }
}
