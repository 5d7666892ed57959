//! Quality of a network on a data set.

use serde::{Deserialize, Serialize};

use super::{Examples, Objective};
use crate::executable::Number;
use crate::simd::Real;
use crate::{Executable, RunError};

/// How well a network does on a data set. Means are by row weights, if there are any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Mean loss of the objective, without any regularisation.
    pub loss: f64,
    /// Mean log-likelihood.
    pub log_likelihood: f64,
    /// Share of rows whose most probable class is their label, if there are labels.
    pub accuracy: Option<f64>,
}

/// Computes the quality on a data set.
///
/// # Errors
/// If columns, labels or weights do not fit, or the objective is out of its range.
pub fn evaluate<E: Number>(
    executable: &Executable<E>,
    examples: Examples<'_, E>,
    objective: Objective,
) -> Result<Quality, RunError> {
    examples.check(executable, objective)?;
    let classes = executable.classes();
    let joints = executable.class_joints(examples.rows)?;
    let mut quality = Quality::default();
    let (mut correct, mut total) = (0.0, 0.0);
    for (row, joints) in joints.chunks_exact(classes).enumerate() {
        let weight = examples.weight(row);
        if weight == 0.0 {
            // An impossible row of no weight would add 0 · inf.
            continue;
        }
        let joints: Vec<f64> = joints.iter().map(|j| Real::to_f64(*j)).collect();
        let label = examples.labels.map_or(0, |labels| labels[row] as usize);
        quality.log_likelihood -= weight * Objective::Generative.loss(&joints, 0);
        quality.loss += weight * objective.loss(&joints, label);
        let best =
            (0..classes).fold(0, |b, class| if joints[class] > joints[b] { class } else { b });
        correct += if best == label { weight } else { 0.0 };
        total += weight;
    }
    let total = if total == 0.0 { 1.0 } else { total };
    quality.log_likelihood /= total;
    quality.loss /= total;
    quality.accuracy = examples.labels.map(|_| correct / total);
    Ok(quality)
}

#[cfg(test)]
mod tests {
    use spn_compiler::{Options, compile};

    use super::*;
    use crate::{GradientOptions, Rows};

    /// Labels that the generative objective does not need may be no classes, then they are never
    /// right; but there must be one for each row.
    #[test]
    fn labels_that_are_not_needed() {
        let circuit = spn_ir::text::parse(
            "spn 1
             variables 1
             a = leaf indicator(0) x2
             r = sum(a) weights=[0.25 0.75]
             root r",
        );
        let plan = compile(&circuit.unwrap(), &Options::default()).unwrap();
        let executable = Executable::<f64>::new(plan).unwrap();
        let rows = Rows::new(&[0.0, 1.0], 1).unwrap();
        let evaluate = |labels| {
            let examples = Examples { labels: Some(labels), ..Examples::new(rows) };
            evaluate(&executable, examples, Objective::Generative)
        };
        assert_eq!(evaluate(&[0_u32, 9]).unwrap().accuracy, Some(0.5));
        assert!(matches!(evaluate(&[0]), Err(crate::RunError::WrongLength { .. })));
        let gradient = |labels| {
            let options = GradientOptions { labels, ..GradientOptions::default() };
            executable.gradient(rows, &options).unwrap().parameters
        };
        assert_eq!(gradient(Some([9_u32].as_slice())), gradient(None));
    }
}
