//! Quality of a network on a data set.

use crate::error::check_length;
use crate::executable::Number;
use crate::learn::Objective;
use crate::simd::Real;
use crate::{Executable, Rows, RunError};

/// How well a network does on a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// Mean loss of the objective, without any regularisation.
    pub loss: f64,
    /// Mean log-likelihood.
    pub log_likelihood: f64,
    /// Share of rows whose most probable class is their label, if there are labels.
    pub accuracy: Option<f64>,
}

/// Computes the quality on a data set, a part of it at a time.
///
/// # Errors
/// If columns or labels do not fit, or the objective is out of its range.
pub fn evaluate<E: Number>(
    executable: &Executable<E>,
    rows: Rows<'_, E>,
    labels: Option<&[u32]>,
    objective: Objective,
) -> Result<Quality, RunError> {
    let classes = executable.classes();
    objective.check(labels, rows.len(), classes)?;
    if let Some(labels) = labels {
        check_length("the list of labels", labels.len(), rows.len())?;
    }
    let joints = executable.class_joints(rows)?;
    let mut quality = Quality::default();
    let mut correct = 0_usize;
    for (row, joints) in joints.chunks_exact(classes).enumerate() {
        let joints: Vec<f64> = joints.iter().map(|j| Real::to_f64(*j)).collect();
        let label = labels.map_or(0, |labels| labels[row] as usize);
        quality.log_likelihood -= Objective::Generative.loss(&joints, 0);
        quality.loss += objective.loss(&joints, label);
        let best =
            (0..classes).fold(0, |b, class| if joints[class] > joints[b] { class } else { b });
        correct += usize::from(best == label);
    }
    let count = rows.len().max(1) as f64;
    quality.log_likelihood /= count;
    quality.loss /= count;
    quality.accuracy = labels.map(|_| correct as f64 / count);
    Ok(quality)
}

#[cfg(test)]
mod tests {
    use spn_compiler::{Options, compile};

    use super::*;
    use crate::GradientOptions;

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
        let evaluate =
            |labels: &[u32]| evaluate(&executable, rows, Some(labels), Objective::Generative);
        assert_eq!(evaluate(&[0, 9]).unwrap().accuracy, Some(0.5));
        assert!(matches!(evaluate(&[0]), Err(crate::RunError::WrongLength { .. })));
        let gradient = |labels| {
            let options = GradientOptions { labels, ..GradientOptions::default() };
            executable.gradient(rows, &options).unwrap().parameters
        };
        assert_eq!(gradient(Some([9_u32].as_slice())), gradient(None));
    }
}
