//! Constraints: the projections that keep parameters meaningful after an update.
//!
//! In: a parameter's shape and values, in any precision. Out: the same values, projected. The
//! formulas are those of libspn-keras; [`NamedConstraint`] is their form in layer files.

use num_traits::Float;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::Constraint;
use crate::axis::Axis;
use crate::named::Named;

impl Constraint {
    /// Projects `values`, a row-major tensor of the given shape.
    ///
    /// NaN stays NaN, and where a slice is normalised it makes the whole slice NaN: a broken
    /// update shows instead of turning into a valid weight. A log weight of -∞ stays -∞, and a
    /// slice of nothing but -∞ stays as it is. A slice of zeros that `epsilon` 0 does not lift
    /// becomes NaN, as in the reference library. An axis outside the shape, or values that
    /// do not make up the shape, are not normalised; [`fits`](Self::fits) tells beforehand.
    pub fn apply<T: Float>(&self, shape: &[usize], values: &mut [T]) {
        match *self {
            Self::Clip { minimum, maximum } => {
                let (minimum, maximum) = (constant(minimum), constant(maximum));
                for value in values {
                    *value = at_most(at_least(*value, minimum), maximum);
                }
            }
            Self::GreaterEqualEpsilon { epsilon } => raise(values, constant(epsilon)),
            Self::GreaterEqualEpsilonNormalized { epsilon, axis } => {
                if let Some(axis) = Axis::of(shape, axis) {
                    raise(values, constant(epsilon / axis.length as f64));
                    for_slices(axis, values, divide_by_sums);
                }
            }
            Self::LogNormalized { axis } => {
                if let Some(axis) = Axis::of(shape, axis) {
                    for_slices(axis, values, subtract_log_sums);
                }
            }
        }
    }

    /// Makes weights that were 0 in `before` 0 again after [`apply`](Self::apply) raised them, and
    /// normalises what is left if the constraint does. Logarithms of weights are left alone: they
    /// are not raised.
    pub fn restore_zeros<T: Float>(&self, shape: &[usize], before: &[T], values: &mut [T]) {
        if matches!(self, Self::LogNormalized { .. }) || before.iter().all(|v| !v.is_zero()) {
            return;
        }
        for (value, before) in values.iter_mut().zip(before) {
            if before.is_zero() {
                *value = T::zero();
            }
        }
        if let Self::GreaterEqualEpsilonNormalized { axis, .. } = *self
            && let Some(axis) = Axis::of(shape, axis)
        {
            for_slices(axis, values, divide_by_sums);
        }
    }

    /// Whether a tensor of this shape has the constraint's axis.
    #[must_use]
    pub fn fits(&self, shape: &[usize]) -> bool {
        match *self {
            Self::Clip { .. } | Self::GreaterEqualEpsilon { .. } => true,
            Self::GreaterEqualEpsilonNormalized { axis, .. } | Self::LogNormalized { axis } => {
                Axis::of(shape, axis).is_some()
            }
        }
    }
}

/// `f64` in the precision of the values; each `T` of use can hold it, rounded.
fn constant<T: Float>(value: f64) -> T {
    T::from(value).unwrap_or_else(T::nan)
}

/// The larger number; NaN stays NaN, unlike with [`Float::max`].
fn at_least<T: Float>(value: T, bound: T) -> T {
    if value < bound { bound } else { value }
}

/// The smaller number; NaN stays NaN.
fn at_most<T: Float>(value: T, bound: T) -> T {
    if value > bound { bound } else { value }
}

fn raise<T: Float>(values: &mut [T], bound: T) {
    for value in values {
        *value = at_least(*value, bound);
    }
}

/// Calls `change(slices, totals)` for each group of `inner` slices that lie side by side: rows of
/// `inner` values, one row for each position along the axis, and `inner` numbers for its use.
fn for_slices<T: Float>(axis: Axis, values: &mut [T], change: impl Fn(&mut [T], &mut [T])) {
    let group = axis.length * axis.inner;
    if values.is_empty() || values.len() != axis.outer * group {
        return;
    }
    let mut totals = vec![T::zero(); axis.inner];
    for slices in values.chunks_exact_mut(group) {
        change(slices, &mut totals);
    }
}

fn divide_by_sums<T: Float>(slices: &mut [T], totals: &mut [T]) {
    totals.fill(T::zero());
    for row in slices.chunks_exact(totals.len()) {
        for (total, &value) in totals.iter_mut().zip(row) {
            *total = *total + value;
        }
    }
    for row in slices.chunks_exact_mut(totals.len()) {
        for (value, &total) in row.iter_mut().zip(&*totals) {
            *value = *value / total;
        }
    }
}

fn subtract_log_sums<T: Float>(slices: &mut [T], totals: &mut [T]) {
    let mut maxima = vec![T::neg_infinity(); totals.len()];
    for row in slices.chunks_exact(totals.len()) {
        for (maximum, &value) in maxima.iter_mut().zip(row) {
            *maximum = at_least(*maximum, value);
        }
    }
    totals.fill(T::zero());
    for row in slices.chunks_exact(totals.len()) {
        for ((total, &maximum), &value) in totals.iter_mut().zip(&maxima).zip(row) {
            *total = *total + (value - maximum).exp();
        }
    }
    for (total, maximum) in totals.iter_mut().zip(&mut maxima) {
        *total = total.ln();
        if *maximum == T::neg_infinity() {
            // Without any finite log weight there is nothing to normalise; NaN goes through.
            (*total, *maximum) = (T::zero(), T::zero());
        }
    }
    for row in slices.chunks_exact_mut(totals.len()) {
        for ((value, &total), &maximum) in row.iter_mut().zip(&*totals).zip(&maxima) {
            // In this order: the sum of the two would lose the digits that they do not share.
            *value = (*value - maximum) - total;
        }
    }
}

/// A constraint in a layer file: `"LogNormalized"` or
/// `{"name": "Clip", "min": 0.1, "max": null}`.
///
/// | name | options with defaults |
/// |---|---|
/// | `Clip` | `min` and `max`, each a number or `null` for no bound |
/// | `GreaterEqualEpsilon` | `epsilon` 1e-10 |
/// | `GreaterEqualEpsilonNormalized` | `epsilon` 1e-10, `axis` -2 |
/// | `LogNormalized` | `axis` -2 |
///
/// Capitals and underscores of the name do not matter; unknown names and options are errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NamedConstraint(pub Constraint);

impl<'de> Deserialize<'de> for NamedConstraint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(Value::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

impl Serialize for NamedConstraint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let finite = |bound: f64| bound.is_finite().then_some(bound);
        let value = match self.0 {
            Constraint::Clip { minimum, maximum } => {
                json!({"name": "Clip", "min": finite(minimum), "max": finite(maximum)})
            }
            Constraint::GreaterEqualEpsilon { epsilon } => {
                json!({"name": "GreaterEqualEpsilon", "epsilon": epsilon})
            }
            Constraint::GreaterEqualEpsilonNormalized { epsilon, axis } => {
                json!({"name": "GreaterEqualEpsilonNormalized", "epsilon": epsilon, "axis": axis})
            }
            Constraint::LogNormalized { axis } => json!({"name": "LogNormalized", "axis": axis}),
        };
        value.serialize(serializer)
    }
}

fn read(value: Value) -> Result<Constraint, String> {
    const NAMES: &[&str] =
        &["Clip", "GreaterEqualEpsilon", "GreaterEqualEpsilonNormalized", "LogNormalized"];
    let mut named = Named::read("constraint", value)?;
    let constraint = match named.key().as_str() {
        "clip" => {
            let minimum = named.option("min", None)?.unwrap_or(f64::NEG_INFINITY);
            let maximum = named.option("max", None)?.unwrap_or(f64::INFINITY);
            if maximum < minimum {
                return Err(named.bad("max", format!("{maximum} is below `min`, {minimum}")));
            }
            Constraint::Clip { minimum, maximum }
        }
        "greaterequalepsilon" => Constraint::GreaterEqualEpsilon { epsilon: epsilon(&mut named)? },
        "greaterequalepsilonnormalized" => Constraint::GreaterEqualEpsilonNormalized {
            epsilon: epsilon(&mut named)?,
            axis: named.option("axis", -2)?,
        },
        "lognormalized" => Constraint::LogNormalized { axis: named.option("axis", -2)? },
        _ => return Err(named.unknown(NAMES)),
    };
    named.finish()?;
    Ok(constraint)
}

/// A lower bound of weights: a negative one would let weights become negative.
fn epsilon(named: &mut Named) -> Result<f64, String> {
    let epsilon = named.option("epsilon", 1e-10)?;
    if epsilon >= 0.0 {
        return Ok(epsilon);
    }
    Err(named.bad("epsilon", format!("{epsilon} is negative")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_units::Units;

    fn parse(text: &str) -> Result<Constraint, String> {
        let named: Result<NamedConstraint, _> = serde_json::from_str(text);
        named.map(|named| named.0).map_err(|error| error.to_string())
    }

    fn applied(constraint: &str, shape: &[usize], values: &[f64]) -> Vec<f64> {
        let mut values = values.to_vec();
        parse(constraint).unwrap().apply(shape, &mut values);
        values
    }

    #[test]
    fn values_agree_with_the_reference() {
        let units = Units::load();
        let (shape, input) = units.array("constraint/in");
        let cases = [
            (r#"{"name": "Clip", "min": -0.5, "max": 0.25}"#, "Clip_-0.5_0.25"),
            (r#""GreaterEqualEpsilon""#, "GreaterEqualEpsilon"),
            (r#"{"name": "greater_equal_epsilon", "epsilon": 0.3}"#, "GreaterEqualEpsilon_0.3"),
            (r#""GreaterEqualEpsilonNormalized""#, "GreaterEqualEpsilonNormalized"),
            (
                r#"{"name": "GreaterEqualEpsilonNormalized", "epsilon": 0.3, "axis": -1}"#,
                "GreaterEqualEpsilonNormalized_0.3_axis-1",
            ),
            (r#""LogNormalized""#, "LogNormalized"),
            (r#"{"name": "LogNormalized", "axis": 1}"#, "LogNormalized_axis1"),
        ];
        for (constraint, name) in cases {
            let (_, expected) = units.array(&format!("constraint/{name}"));
            units.compare(name, &applied(constraint, &shape, &input), &expected);
            let mut single: Vec<f32> = input.iter().map(|&v| v as f32).collect();
            parse(constraint).unwrap().apply(&shape, &mut single);
            let single: Vec<f64> = single.into_iter().map(f64::from).collect();
            units.compare(name, &single, &expected);
        }
    }

    #[test]
    fn zeros_can_be_restored() {
        let constraint = Constraint::GreaterEqualEpsilonNormalized { epsilon: 0.4, axis: 0 };
        let before = [0.0, 1.0, 3.0, 0.0];
        let mut values = before;
        constraint.apply(&[4], &mut values);
        assert!(values.iter().all(|v| *v > 0.0), "{values:?}");
        constraint.restore_zeros(&[4], &before, &mut values);
        assert_eq!(values, [0.0, 0.25, 0.75, 0.0]);
        // The logarithm of the weight 1 is no weight 0.
        let mut logs = [0.0, f64::NEG_INFINITY];
        Constraint::LogNormalized { axis: 0 }.restore_zeros(&[2], &[0.0, 0.0], &mut logs);
        assert_eq!(logs, [0.0, f64::NEG_INFINITY]);
    }

    #[test]
    fn one_side_of_a_clip_may_be_open() {
        let values = [f64::NEG_INFINITY, -1.0, 2.0, f64::INFINITY];
        let above = applied(r#"{"name": "Clip", "min": 0.5}"#, &[4], &values);
        assert_eq!(above, [0.5, 0.5, 2.0, f64::INFINITY]);
        let below = applied(r#"{"name": "Clip", "min": null, "max": 1}"#, &[4], &values);
        assert_eq!(below, [f64::NEG_INFINITY, -1.0, 1.0, 1.0]);
    }

    #[test]
    fn nan_stays_nan() {
        let values = [f64::NAN, 1.0, 3.0, 1.0];
        for name in ["Clip", "GreaterEqualEpsilon", "GreaterEqualEpsilonNormalized"] {
            let result = applied(&format!("{name:?}"), &[2, 2], &values);
            assert!(result[0].is_nan(), "{name}");
            assert!(!result[1].is_nan() && !result[3].is_nan(), "{name}");
        }
        let logs = applied(r#""LogNormalized""#, &[2, 2], &values);
        assert!(logs[0].is_nan() && logs[2].is_nan());
        assert_eq!([logs[1], logs[3]], [-(2.0_f64.ln()); 2]);
    }

    #[test]
    fn zero_weights_stay_zero_in_log_space() {
        let none = f64::NEG_INFINITY;
        let result = applied(r#""LogNormalized""#, &[3, 2], &[none, none, 0.0, none, 0.0, none]);
        assert_eq!(result, [none, none, -(2.0_f64.ln()), none, -(2.0_f64.ln()), none]);
    }

    #[test]
    fn axes_that_do_not_fit_change_nothing() {
        for (shape, values) in
            [(vec![2], vec![0.5, 2.0]), (vec![2, 0, 3], vec![]), (vec![], vec![])]
        {
            assert_eq!(applied(r#""LogNormalized""#, &shape, &values), values);
        }
        assert_eq!(applied(r#""LogNormalized""#, &[3, 0], &[1.0]), [1.0]);
        assert!(!parse(r#""LogNormalized""#).unwrap().fits(&[2]));
        assert!(parse(r#""LogNormalized""#).unwrap().fits(&[2, 1]));
    }

    #[test]
    fn wrong_names_and_options_are_explained() {
        let message = |text| parse(text).unwrap_err();
        assert!(message(r#""LogNormalised""#).contains("known are Clip, GreaterEqualEpsilon"));
        assert!(message(r#"{"name": "LogNormalized", "axes": 1}"#).contains("no option `axes`"));
        assert!(message(r#"{"name": "Clip", "min": 2, "max": 1}"#).contains("below `min`"));
        assert!(message(r#"{"name": "GreaterEqualEpsilon", "epsilon": -1}"#).contains("negative"));
        assert!(message(r#"{"name": "LogNormalized", "axis": "x"}"#).contains("option `axis`"));
        assert!(message("3").contains("a name or an object"));
        assert!(message(r#"{"axis": 1}"#).contains("without a name"));
    }

    #[test]
    fn named_forms_come_back() {
        for text in [
            r#"{"name":"Clip","min":null,"max":2.0}"#,
            r#"{"name":"GreaterEqualEpsilon","epsilon":0.25}"#,
            r#"{"name":"GreaterEqualEpsilonNormalized","epsilon":0.5,"axis":-1}"#,
            r#"{"name":"LogNormalized","axis":-2}"#,
        ] {
            let named = NamedConstraint(parse(text).unwrap());
            assert_eq!(serde_json::to_string(&named).unwrap(), text);
        }
    }
}
