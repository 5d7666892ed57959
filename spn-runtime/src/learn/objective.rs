//! Objectives: what training minimises, as functions of the root's joints.
//!
//! With joints `j_n = log p(x, y = n)` and `t = ln Σ_n exp(j_n)`:
//!
//! | objective | loss of one row | derivative with respect to `j_n` |
//! |---|---|---|
//! | generative (`NegativeLogLikelihood`) | `-t` | `-p_n` |
//! | joint (`NegativeLogJoint`) | `-j_y` | `-[n = y]` |
//! | discriminative (cross entropy) | `t - j_y` | `p_n - [n = y]` |
//!
//! with `p_n = exp(j_n - t)`. Losses are averaged over the rows.

use serde::{Deserialize, Serialize};

use crate::RunError;
use crate::simd::Element;

/// What training minimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Mean of `-log p(x)`.
    #[default]
    Generative,
    /// Mean of `-log p(x, y)`.
    Joint,
    /// Mean of `-log p(y | x)`.
    Discriminative,
}

impl Objective {
    /// The name users write.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Generative => "generative",
            Self::Joint => "joint",
            Self::Discriminative => "discriminative",
        }
    }

    /// Whether each row needs a label.
    #[must_use]
    pub fn needs_labels(self) -> bool {
        self != Self::Generative
    }

    /// The loss of one row from its joints; `label` is looked at if the objective needs one.
    /// Impossible evidence has loss +inf.
    #[must_use]
    pub fn loss(self, joints: &[f64], label: usize) -> f64 {
        let total = crate::kernels::sum_product::log_sum_exp(joints);
        self.row_loss(total, joints.get(label).copied())
    }

    /// The loss of one row from its log-likelihood and the joint of its label.
    fn row_loss(self, total: f64, joint: Option<f64>) -> f64 {
        match (self, joint) {
            (Self::Joint, Some(joint)) => -joint,
            // Impossible evidence rules no class in or out: -inf - -inf would be NaN.
            (Self::Discriminative, Some(joint)) if total > f64::NEG_INFINITY => total - joint,
            _ => -total,
        }
    }
}

/// One tile's joints, labels and weights.
pub(crate) struct TileLoss<'a, E> {
    pub(crate) objective: Objective,
    pub(crate) tile: usize,
    /// Labels of the tile's rows, if the objective needs them.
    pub(crate) labels: Option<&'a [u32]>,
    /// Weight of each of the tile's rows in the mean; 0 for samples behind the last row.
    pub(crate) weight: &'a dyn Fn(usize) -> f64,
    pub(crate) joints: &'a [E],
    pub(crate) total: &'a [E],
}

impl<E: Element> TileLoss<'_, E> {
    /// Writes the seeds `[classes, tile]` of the first `count` samples and returns the tile's part
    /// of the loss. Impossible evidence has loss +inf and seeds 0.
    pub(crate) fn seeds(&self, count: usize, seeds: &mut [E]) -> f64 {
        let classes = self.joints.len() / self.tile;
        seeds.fill(E::ZERO);
        let mut loss = 0.0;
        for sample in 0..count {
            let weight = (self.weight)(sample);
            let total = self.total[sample].to_f64();
            let label = self.labels.map(|labels| labels[sample] as usize);
            let joint = |class: usize| self.joints[class * self.tile + sample].to_f64();
            if weight == 0.0 {
                continue;
            }
            loss += weight * self.objective.row_loss(total, label.map(joint));
            if total == f64::NEG_INFINITY {
                continue;
            }
            let sign = if self.objective == Objective::Discriminative { 1.0 } else { -1.0 };
            if self.objective != Objective::Joint {
                // Total and joints are rounded each on its own. Posteriors that do not sum to 1
                // would leave a common flow where those of all classes nearly cancel.
                let posteriors = || (0..classes).map(|class| (joint(class) - total).exp());
                let factor = sign * weight / posteriors().sum::<f64>();
                for (class, posterior) in posteriors().enumerate() {
                    seeds[class * self.tile + sample] = E::from_f64(factor * posterior);
                }
            }
            if let Some(label) = label.filter(|_| self.objective.needs_labels()) {
                let at = label * self.tile + sample;
                seeds[at] = E::from_f64(seeds[at].to_f64() - weight);
            }
        }
        loss
    }
}

/// Checks that there is a label in range for each row if the objective needs one.
pub(crate) fn check_labels(
    objective: Objective,
    labels: Option<&[u32]>,
    rows: usize,
    classes: usize,
) -> Result<(), RunError> {
    if !objective.needs_labels() {
        return Ok(());
    }
    let Some(labels) = labels else {
        return Err(RunError::LabelsMissing { objective: objective.name() });
    };
    if labels.len() != rows {
        let (what, found) = ("the list of labels", labels.len());
        return Err(RunError::WrongLength { what, found, expected: rows });
    }
    match labels.iter().position(|label| *label as usize >= classes) {
        Some(row) => Err(RunError::LabelOutOfRange { row, label: labels[row], classes }),
        None => Ok(()),
    }
}
