//! Gradients of the cross entropy, which are differences.
//!
//! The cross entropy of a row is `-ln p(y | x) = ln p(x) - ln p(x, y)`, so its gradient is the
//! difference of two gradients. Deep in a network that tells classes apart by little they agree in
//! most of their digits, and then no difference is known better than the last place of its terms
//! (see [`differences`](crate::differences)).
//!
//! Class posteriors follow from joints `ln p(x, y)`. Where these are so large that rounding them to
//! single precision takes half the tolerance (beyond about 840), and only there:
//!
//! * The derivatives with respect to the joints are taken at the joints that the reference has
//!   (`root_children`, which are compared by themselves), and what is compared is the way from
//!   there.
//! * The tolerance covers the rounding of the reference's log probabilities. A run in single
//!   precision rounds its own as well: by their magnitude times the last place, relative.

use spn_ir::Parameters;
use spn_runtime::learn::Objective;
use spn_runtime::simd::Real;
use spn_runtime::{Executable, GradientOptions, Number, Rows};

use crate::case::{Case, text_of};
use crate::compare::{Kind, SIGNAL};
use crate::differences::{LAST_PLACE, difference, largest};
use crate::machine::{Machine, narrow, widen};

/// Compares the arrays `ce_log/…`.
pub(crate) fn compare<E: Number>(
    case: &Case,
    machine: &Machine,
    (executable, parameters): (&Executable<E>, &Parameters),
    (rows, labels): (Rows<'_, E>, &[u32]),
) -> Result<(), String> {
    let gradient = |objective| {
        let options = GradientOptions { objective, labels: Some(labels), ..Default::default() };
        executable.gradient(rows, &options).map_err(text_of)
    };
    let terms = [gradient(Objective::Generative)?, gradient(Objective::Joint)?];
    let direct = gradient(Objective::Discriminative)?;
    case.compare("ce_log/loss", Kind::LogProbability, &machine.name, &[direct.loss]);
    let joints = case.expected("root_children").filter(|joints| are_uncertain(&joints.values));
    let (values, factor) = match joints {
        Some(joints) => {
            let own = largest(joints.values.iter().copied()) * Real::to_f64(E::EPSILON);
            (at_joints(executable, (rows, labels), &joints.values)?, 1.0 + own / SIGNAL)
        }
        None => (direct.parameters.iter().map(|values| widen(values)).collect(), 1.0),
    };
    for (index, (_, parameter)) in parameters.iter().enumerate() {
        let terms = largest(terms.iter().flat_map(|term| widen(&term.parameters[index])));
        let kind = difference::<E>(terms, factor);
        let key = format!("ce_log/{}", parameter.name);
        let shaped = (parameter.shape.as_slice(), values[index].as_slice());
        case.compare_shaped(&key, kind, &machine.name, shaped);
    }
    Ok(())
}

/// Whether rounding of the joints makes the posteriors uncertain by half the tolerance.
fn are_uncertain(joints: &[f64]) -> bool {
    joints.iter().any(|joint| joint.abs() * LAST_PLACE > 0.5 * SIGNAL)
}

/// The gradient with derivatives with respect to the joints as they are at given ones: class by
/// class, with the derivatives as weights of the rows.
fn at_joints<E: Number>(
    executable: &Executable<E>,
    (rows, labels): (Rows<'_, E>, &[u32]),
    joints: &[f64],
) -> Result<Vec<Vec<f64>>, String> {
    let classes = executable.classes();
    let seeds: Vec<f64> = joints.chunks_exact(classes).zip(labels).flat_map(seeds).collect();
    let mut total: Vec<Vec<f64>> = Vec::new();
    for class in 0..classes {
        // The joint objective's own derivative is -1.
        let weights: Vec<f64> = seeds.iter().skip(class).step_by(classes).map(|s| -s).collect();
        let weights = narrow::<E>(&weights);
        let labels = vec![class as u32; labels.len()];
        let options = GradientOptions {
            objective: Objective::Joint,
            labels: Some(&labels),
            row_weights: Some(&weights),
            ..Default::default()
        };
        let gradient = executable.gradient(rows, &options).map_err(text_of)?;
        total.resize_with(gradient.parameters.len(), Vec::new);
        for (total, part) in total.iter_mut().zip(&gradient.parameters) {
            total.resize(part.len(), 0.0);
            total.iter_mut().zip(widen(part)).for_each(|(total, part)| *total += part);
        }
    }
    Ok(total)
}

/// The derivatives of one row's cross entropy with respect to its joints.
fn seeds((joints, &label): (&[f64], &u32)) -> Vec<f64> {
    let largest = joints.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = joints.iter().map(|joint| (joint - largest).exp()).sum();
    let posteriors = joints.iter().map(|joint| (joint - largest).exp() / total);
    let hit = |class: usize| f64::from(u8::from(class == label as usize));
    posteriors.enumerate().map(|(class, posterior)| posterior - hit(class)).collect()
}
