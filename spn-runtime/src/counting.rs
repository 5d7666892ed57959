//! Counting rules: to which inputs of a sum a unit's flow goes.
//!
//! Expectation maximisation counts how often each weight and each leaf component is used. With the
//! posterior rule these are expected uses (soft EM), with the others uses in one induced tree for
//! each row: the most probable one, or a random one. All of them run on the same reverse plan.

use serde::{Deserialize, Serialize};
use spn_ir::random::uniform_at;

use crate::RunError;

/// To which inputs of a sum a unit's flow goes.
///
/// Winners are decided by the numbers as they are computed. **Ties**, inputs whose scores are exactly
/// equal, are broken by a random number that is a function of the seed, the step, the row's place
/// in its batch and the sum unit: each of the tied inputs wins with the same probability, and two
/// runs with the same seed give the same winners on any number of threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counting {
    /// To all of them, in proportion to the posterior `w_i exp(x_i) / Σ_j w_j exp(x_j)`.
    #[default]
    Soft,
    /// To one: the input with the largest `x_i + ln w_i` (hard EM, Poon and Domingos 2011). With
    /// probability `sample_probability` to one drawn from the posterior instead; with 1 always
    /// (sampled EM).
    Hard {
        /// From 0 to 1.
        sample_probability: f64,
    },
    /// To one, the same for all units of a sum block: the input with the largest `x_i`. With
    /// probability `sample_probability` to one drawn in proportion to `exp(x_i)` instead.
    UnweightedHard {
        /// From 0 to 1.
        sample_probability: f64,
    },
}

impl Counting {
    /// Hard EM without sampling.
    pub const HARD: Self = Self::Hard { sample_probability: 0.0 };
    /// Unweighted hard EM without sampling.
    pub const UNWEIGHTED_HARD: Self = Self::UnweightedHard { sample_probability: 0.0 };
    /// Sampled EM.
    pub const SAMPLED: Self = Self::Hard { sample_probability: 1.0 };

    /// The rule with its random numbers.
    pub(crate) fn rule(self, draws: Draws) -> Result<Rule, RunError> {
        let (weighted, sample_probability) = match self {
            Self::Soft => return Ok(Rule::Soft),
            Self::Hard { sample_probability } => (true, sample_probability),
            Self::UnweightedHard { sample_probability } => (false, sample_probability),
        };
        if !(0.0..=1.0).contains(&sample_probability) {
            let (option, range) = ("the sample probability", "from 0 to 1");
            return Err(RunError::OptionOutOfRange { option, value: sample_probability, range });
        }
        Ok(Rule::Selection(Selecting { weighted, sample_probability, draws }))
    }
}

/// A counting rule as kernels take it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// In proportion to posteriors.
    Soft,
    /// To one input.
    Selection(Selecting),
}

/// How one input is selected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selecting {
    /// Whether weights count, and with that whether each unit selects for itself.
    pub(crate) weighted: bool,
    /// How often the input is drawn rather than the largest one.
    pub(crate) sample_probability: f64,
    /// Random numbers.
    pub(crate) draws: Draws,
}

/// Random numbers of one batch, a function of where they are used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Draws {
    pub(crate) seed: u64,
    pub(crate) step: u64,
}

/// What a random number is for. Each has a stream of its own, apart from those of dropout layers,
/// which count up from 0, and that of the order of rows.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Use {
    /// Which of several equal scores wins.
    Tie = u32::MAX - 1,
    /// Whether the input is drawn.
    Coin = u32::MAX - 2,
    /// Which input is drawn.
    Sample = u32::MAX - 3,
}

impl Draws {
    /// The number for a row of the batch and a unit of the plan.
    pub(crate) fn uniform(self, purpose: Use, row: usize, unit: usize) -> f64 {
        uniform_at(self.seed, purpose as u32, self.step, (row as u64) << 32 | unit as u64)
    }
}

impl Selecting {
    /// Selects one of the inputs with these `scores`, each in proportion to a probability, for a
    /// row and a unit.
    pub(crate) fn select<S: Copy + PartialOrd>(
        &self,
        scores: impl Iterator<Item = S> + Clone,
        probability: impl Fn(S) -> f64 + Clone,
        (row, unit): (usize, usize),
    ) -> usize {
        if self.draws_input(row, unit) {
            let number = self.draws.uniform(Use::Sample, row, unit);
            return draw(scores.map(probability), number);
        }
        let mut largest: Option<S> = None;
        let mut count = 0_usize;
        for score in scores.clone() {
            match largest {
                Some(best) if score < best => {}
                Some(best) if score == best => count += 1,
                _ => (largest, count) = (Some(score), 1),
            }
        }
        let number = self.draws.uniform(Use::Tie, row, unit);
        let chosen = ((number * count as f64) as usize).min(count.saturating_sub(1));
        let equal = scores.enumerate().filter(|(_, score)| Some(*score) == largest);
        equal.map(|(index, _)| index).nth(chosen).unwrap_or(0)
    }

    /// Whether the input is drawn for a row and a unit.
    fn draws_input(&self, row: usize, unit: usize) -> bool {
        self.sample_probability > 0.0
            && self.draws.uniform(Use::Coin, row, unit) < self.sample_probability
    }
}

/// The first index at which the running sum exceeds `number` times the total: no index of
/// probability 0 is ever drawn.
pub(crate) fn draw(probabilities: impl Iterator<Item = f64> + Clone, number: f64) -> usize {
    let threshold = number * probabilities.clone().sum::<f64>();
    let mut sum = 0.0;
    let mut last = 0;
    for (index, probability) in probabilities.enumerate() {
        sum += probability;
        if probability > 0.0 {
            last = index;
            if sum > threshold {
                break;
            }
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selecting(sample_probability: f64) -> Selecting {
        Selecting { weighted: true, sample_probability, draws: Draws::default() }
    }

    fn frequencies(rule: Selecting, scores: &[f64]) -> Vec<f64> {
        const ROWS: usize = 40_000;
        let mut counts = vec![0_usize; scores.len()];
        for row in 0..ROWS {
            let place = (row, 5);
            counts[rule.select(scores.iter().copied(), |score| score, place)] += 1;
        }
        counts.into_iter().map(|count| count as f64 / ROWS as f64).collect()
    }

    fn assert_near(found: &[f64], expected: &[f64]) {
        // Four deviations of a frequency of 1/2 in 40,000 rows.
        let near = found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 0.01);
        assert!(near, "{found:?} {expected:?}");
    }

    #[test]
    fn the_largest_score_wins_and_ties_are_broken_evenly() {
        assert_eq!(frequencies(selecting(0.0), &[0.1, 0.7, 0.2]), [0.0, 1.0, 0.0]);
        let third = 1.0 / 3.0;
        let tied = frequencies(selecting(0.0), &[0.25, 0.1, 0.25, 0.25]);
        assert_near(&tied, &[third, 0.0, third, third]);
    }

    #[test]
    fn samples_follow_the_probabilities_and_mixtures_their_share() {
        assert_near(&frequencies(selecting(1.0), &[0.1, 0.0, 0.6, 0.3]), &[0.1, 0.0, 0.6, 0.3]);
        assert_near(&frequencies(selecting(0.5), &[1.0, 3.0]), &[0.125, 0.875]);
    }

    #[test]
    fn what_has_probability_0_is_never_drawn() {
        for number in [0.0, 0.5, 1.0 - f64::EPSILON] {
            assert_eq!(draw([0.0, 1e-300, 0.0].into_iter(), number), 1);
        }
    }

    #[test]
    fn probabilities_are_checked() {
        let rule = |p| Counting::Hard { sample_probability: p }.rule(Draws::default());
        assert!(rule(1.0).is_ok());
        assert!(rule(1.5).is_err() && rule(f64::NAN).is_err() && rule(-0.1).is_err());
    }
}
