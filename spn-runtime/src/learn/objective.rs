//! Objectives: what training minimises, as functions of the root's joints.
//!
//! With joints `j_n = log p(x, y = n)` and `t = ln Σ_n exp(j_n)`:
//!
//! | objective | loss of one row | derivative with respect to `j_n` |
//! |---|---|---|
//! | generative (`NegativeLogLikelihood`) | `-t` | `-p_n` |
//! | joint (`NegativeLogJoint`) | `-j_y` | `-[n = y]` |
//! | discriminative (cross entropy) | `t - j_y` | `p_n - [n = y]` |
//! | hybrid, generative share `λ` | `-λ t + (1-λ)(t - j_y)` | `(1-2λ) p_n - (1-λ)[n = y]` |
//!
//! with `p_n = exp(j_n - t)`: all are `a t - b j_y`, with derivative `a p_n - b [n = y]`. Losses are
//! averaged over the rows.

use serde::{Deserialize, Serialize};

use crate::RunError;
use crate::error::{check_length, require};
use crate::kernels::scaled::root::Needed;
use crate::simd::Element;

/// What training minimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Objective {
    /// Mean of `-log p(x)`.
    #[default]
    Generative,
    /// Mean of `-log p(x, y)`.
    Joint,
    /// Mean of `-log p(y | x)`.
    Discriminative,
    /// Mean of `-λ log p(x) - (1-λ) log p(y | x)`: a classifier that also knows which rows are
    /// likely (Peharz et al. 2019, who divide `log p(x)` by the number of variables besides).
    /// `λ = 1` is the generative objective, 0 the discriminative one, 1/2 half of the joint one.
    Hybrid {
        /// The share `λ` of the generative loss, from 0 to 1.
        generative: f64,
    },
}

impl Objective {
    /// Which results of the root it looks at: all joints where one may be far below the others.
    pub(crate) fn needed(self) -> Needed {
        match self {
            Self::Generative => Needed::Total,
            Self::Joint | Self::Discriminative | Self::Hybrid { .. } => Needed::Joints,
        }
    }

    /// The name users write.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Generative => "generative",
            Self::Joint => "joint",
            Self::Discriminative => "discriminative",
            Self::Hybrid { .. } => "hybrid",
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

    /// The factors of `t` and of `-j_y` in the loss.
    fn factors(self) -> (f64, f64) {
        match self {
            Self::Generative => (-1.0, 0.0),
            Self::Joint => (0.0, 1.0),
            Self::Discriminative => (1.0, 1.0),
            Self::Hybrid { generative } => (1.0 - 2.0 * generative, 1.0 - generative),
        }
    }

    /// The loss of one row from its log-likelihood and the joint of its label.
    fn row_loss(self, total: f64, joint: Option<f64>) -> f64 {
        // Impossible evidence rules no class in or out: -inf - -inf would be NaN.
        let Some(joint) = joint.filter(|_| total > f64::NEG_INFINITY) else { return -total };
        // What has no share in the loss may be infinite.
        let part = |factor: f64, value: f64| if factor == 0.0 { 0.0 } else { factor * value };
        let (of_total, of_joint) = self.factors();
        part(of_total, total) - part(of_joint, joint)
    }

    /// Checks the share of a hybrid objective, and that there is a label in range for each row if
    /// the objective needs one.
    pub(crate) fn check(
        self,
        labels: Option<&[u32]>,
        rows: usize,
        classes: usize,
    ) -> Result<(), RunError> {
        if let Self::Hybrid { generative } = self {
            let valid = (0.0..=1.0).contains(&generative);
            require(valid, "the generative share of the objective", generative, "from 0 to 1")?;
        }
        if !self.needs_labels() {
            return Ok(());
        }
        let Some(labels) = labels else {
            return Err(RunError::LabelsMissing { objective: self.name() });
        };
        check_length("the list of labels", labels.len(), rows)?;
        match labels.iter().position(|label| *label as usize >= classes) {
            Some(row) => Err(RunError::LabelOutOfRange { row, label: labels[row], classes }),
            None => Ok(()),
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
        let (of_total, of_joint) = self.objective.factors();
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
            if of_total != 0.0 {
                // Total and joints are rounded each on its own. Posteriors that do not sum to 1
                // would leave a common flow where those of all classes nearly cancel.
                let posteriors = || (0..classes).map(|class| (joint(class) - total).exp());
                let factor = of_total * weight / posteriors().sum::<f64>();
                for (class, posterior) in posteriors().enumerate() {
                    seeds[class * self.tile + sample] = E::from_f64(factor * posterior);
                }
            }
            if let Some(label) = label {
                let at = label * self.tile + sample;
                seeds[at] = E::from_f64(seeds[at].to_f64() - of_joint * weight);
            }
        }
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: Objective = Objective::Hybrid { generative: 0.25 };

    /// Loss and seeds of one row of weight 1 with the joints `ln 1/2` and `ln 1/8`.
    fn seeds(objective: Objective, joints: [f64; 2], label: u32) -> (f64, Vec<f64>) {
        let total = [crate::kernels::sum_product::log_sum_exp(&joints)];
        let labels = [label];
        let labels = objective.needs_labels().then_some(labels.as_slice());
        let (weight, joints, total) = (&|_| 1.0, &joints, &total);
        let tile = TileLoss { objective, tile: 1, labels, weight, joints, total };
        let mut seeds = vec![f64::NAN; 2];
        let loss = tile.seeds(1, &mut seeds);
        (loss, seeds)
    }

    /// With `t = ln 5/8` and `p = (4/5, 1/5)`, label 1.
    #[test]
    fn losses_and_seeds_by_hand() {
        let joints = [0.5_f64.ln(), 0.125_f64.ln()];
        let (t, j) = (0.625_f64.ln(), joints[1]);
        let cases = [
            (Objective::Generative, -t, [-0.8, -0.2]),
            (Objective::Joint, -j, [0.0, -1.0]),
            (Objective::Discriminative, t - j, [0.8, -0.8]),
            (HYBRID, 0.25 * -t + 0.75 * (t - j), [0.4, 0.1 - 0.75]),
            (Objective::Hybrid { generative: 0.0 }, t - j, [0.8, -0.8]),
            (Objective::Hybrid { generative: 0.5 }, -0.5 * j, [0.0, -0.5]),
            (Objective::Hybrid { generative: 1.0 }, -t, [-0.8, -0.2]),
        ];
        for (objective, loss, expected) in cases {
            let (found, seeds) = seeds(objective, joints, 1);
            assert!((found - loss).abs() < 1e-15, "{objective:?}: {found} {loss}");
            assert!((objective.loss(&joints, 1) - loss).abs() < 1e-15, "{objective:?}");
            for (seed, expected) in seeds.iter().zip(expected) {
                assert!((seed - expected).abs() < 1e-15, "{objective:?}: {seeds:?}");
            }
        }
    }

    #[test]
    fn impossible_evidence_has_infinite_loss_and_no_seeds() {
        let impossible = [f64::NEG_INFINITY; 2];
        for objective in
            [Objective::Generative, Objective::Joint, Objective::Discriminative, HYBRID]
        {
            assert_eq!(seeds(objective, impossible, 0), (f64::INFINITY, vec![0.0, 0.0]));
            assert_eq!(objective.loss(&impossible, 0), f64::INFINITY);
        }
    }

    /// A class that the row rules out: only an objective that looks at the label minds.
    #[test]
    fn an_impossible_label_has_infinite_loss_unless_it_has_no_share() {
        let joints = [0.0, f64::NEG_INFINITY];
        assert_eq!(seeds(HYBRID, joints, 1).0, f64::INFINITY);
        let (loss, seeds) = seeds(Objective::Hybrid { generative: 1.0 }, joints, 1);
        assert_eq!((loss, seeds), (0.0, vec![-1.0, 0.0]));
    }

    #[test]
    fn a_share_is_from_0_to_1() {
        for generative in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let found = Objective::Hybrid { generative }.check(Some(&[0]), 1, 2);
            assert!(matches!(found, Err(RunError::OptionOutOfRange { .. })), "{found:?}");
        }
        assert_eq!(HYBRID.check(Some(&[0]), 1, 2), Ok(()));
        let missing = Err(RunError::LabelsMissing { objective: "hybrid" });
        assert_eq!(HYBRID.check(None, 1, 2), missing);
    }

    #[test]
    fn names_in_files() {
        let cases = [
            (Objective::Generative, r#""generative""#),
            (Objective::Joint, r#""joint""#),
            (Objective::Discriminative, r#""discriminative""#),
            (HYBRID, r#"{"hybrid":{"generative":0.25}}"#),
        ];
        for (objective, text) in cases {
            assert_eq!(serde_json::to_string(&objective).unwrap(), text);
            assert_eq!(serde_json::from_str::<Objective>(text).unwrap(), objective);
        }
        assert!(serde_json::from_str::<Objective>(r#"{"hybrid":{"share":0.25}}"#).is_err());
    }
}
