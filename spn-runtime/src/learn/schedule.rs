//! Schedules: how the learning rate changes from step to step.
//!
//! In: the number of a step. Out: the factor of the learning rate. With warm-up of `w` steps, step
//! `s < w` has `(s + 1) / (w + 1)`; with `k = s - w` counting the steps after it and `n` those that
//! the training has left there:
//!
//! | schedule | factor |
//! |---|---|
//! | `constant` | 1 |
//! | `step` | `factor ^ floor(k / every)` |
//! | `exponential` | `factor ^ (k / every)` |
//! | `cosine` | `minimum + (1 - minimum) (1 + cos(π k / n)) / 2` |
//! | `polynomial` | `(1 + k / offset) ^ -exponent` |

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::RunError;
use crate::error::require;

/// How the learning rate changes: [`factor`](Self::factor) is multiplied with it.
///
/// Each variant has `warm_up`, the number of steps (of batches, not epochs) in which the factor
/// first rises linearly; 0, the default in files, is no warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// It does not change after the warm-up.
    Constant {
        /// Steps of warm-up.
        #[serde(default)]
        warm_up: u64,
    },
    /// Multiplied by a factor after every so many steps.
    Step {
        /// After how many steps; at least 1.
        every: u64,
        /// The factor, above 0 and at most 1; a tenth unless given.
        #[serde(default = "tenth")]
        factor: f64,
        /// Steps of warm-up.
        #[serde(default)]
        warm_up: u64,
    },
    /// Multiplied by a factor over so many steps, evenly.
    Exponential {
        /// Over how many steps; at least 1.
        every: u64,
        /// The factor, above 0 and at most 1; a tenth unless given.
        #[serde(default = "tenth")]
        factor: f64,
        /// Steps of warm-up.
        #[serde(default)]
        warm_up: u64,
    },
    /// Half a cosine wave down to a minimum at the end of the training (Loshchilov and Hutter
    /// 2017, without restarts).
    Cosine {
        /// The share of the learning rate that is reached at the end, from 0 to 1.
        #[serde(default)]
        minimum: f64,
        /// Steps of warm-up.
        #[serde(default)]
        warm_up: u64,
    },
    /// A power of the number of steps: the steps of stochastic approximation (Robbins and Monro
    /// 1951) that stepwise EM takes (Cappé and Moulines 2009; Liang and Klein 2009, whose
    /// `(k + 2) ^ -exponent` this is with offset 2, but for the constant `2 ^ -exponent`). It
    /// converges if the exponent is above 1/2 and at most 1.
    Polynomial {
        /// Steps until the first one has lost its weight, above 0; 2 unless given.
        #[serde(default = "two")]
        offset: f64,
        /// The power, not less than 0; 0.7 unless given.
        #[serde(default = "exponent")]
        exponent: f64,
        /// Steps of warm-up.
        #[serde(default)]
        warm_up: u64,
    },
}

fn tenth() -> f64 {
    0.1
}

fn two() -> f64 {
    2.0
}

fn exponent() -> f64 {
    0.7
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Constant { warm_up: 0 }
    }
}

impl Schedule {
    /// The factor of the learning rate in a step, from 0 to 1. `step` counts from 0; `total` is
    /// the number of steps of the whole training, to which the cosine is fitted. What is not
    /// [valid](Self::check) gives some number.
    #[must_use]
    pub fn factor(&self, step: u64, total: u64) -> f64 {
        let warm_up = self.warm_up();
        if step < warm_up {
            return (step as f64 + 1.0) / (warm_up as f64 + 1.0);
        }
        let after = step - warm_up;
        match *self {
            Self::Constant { .. } => 1.0,
            Self::Step { every, factor, .. } => factor.powf((after / every.max(1)) as f64),
            Self::Exponential { every, factor, .. } => factor.powf(after as f64 / every as f64),
            Self::Cosine { minimum, .. } => {
                let left = total.saturating_sub(warm_up).max(1);
                let part = after.min(left) as f64 / left as f64;
                minimum + (1.0 - minimum) * (1.0 + (PI * part).cos()) / 2.0
            }
            Self::Polynomial { offset, exponent, .. } => {
                (1.0 + after as f64 / offset).powf(-exponent)
            }
        }
    }

    /// Steps of warm-up.
    #[must_use]
    pub fn warm_up(&self) -> u64 {
        match *self {
            Self::Constant { warm_up }
            | Self::Step { warm_up, .. }
            | Self::Exponential { warm_up, .. }
            | Self::Cosine { warm_up, .. }
            | Self::Polynomial { warm_up, .. } => warm_up,
        }
    }

    /// The same schedule with so many steps of warm-up.
    #[must_use]
    pub fn with_warm_up(mut self, steps: u64) -> Self {
        match &mut self {
            Self::Constant { warm_up }
            | Self::Step { warm_up, .. }
            | Self::Exponential { warm_up, .. }
            | Self::Cosine { warm_up, .. }
            | Self::Polynomial { warm_up, .. } => *warm_up = steps,
        }
        self
    }

    /// Checks that every number is in its range.
    ///
    /// # Errors
    /// If one is not.
    pub fn check(&self) -> Result<(), RunError> {
        match *self {
            Self::Constant { .. } => Ok(()),
            Self::Step { every, factor, .. } | Self::Exponential { every, factor, .. } => {
                let option = "the number of steps of the schedule";
                require(every > 0, option, every as f64, "at least 1")?;
                let valid = factor > 0.0 && factor <= 1.0;
                require(valid, "the factor of the schedule", factor, "above 0 and at most 1")
            }
            Self::Cosine { minimum, .. } => {
                let valid = (0.0..=1.0).contains(&minimum);
                require(valid, "the minimum of the schedule", minimum, "from 0 to 1")
            }
            Self::Polynomial { offset, exponent, .. } => {
                let valid = offset.is_finite() && offset > 0.0;
                let range = "finite and greater than 0";
                require(valid, "the offset of the schedule", offset, range)?;
                let valid = exponent.is_finite() && exponent >= 0.0;
                let range = "finite and not less than 0";
                require(valid, "the exponent of the schedule", exponent, range)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_factors(schedule: Schedule, total: u64, expected: &[(u64, f64)]) {
        assert_eq!(schedule.check(), Ok(()));
        for &(step, expected) in expected {
            let factor = schedule.factor(step, total);
            assert!((factor - expected).abs() < 1e-15, "{schedule:?} {step}: {factor} {expected}");
        }
    }

    #[test]
    fn factors_by_hand() {
        assert_factors(Schedule::default(), 9, &[(0, 1.0), (8, 1.0)]);
        let step = Schedule::Step { every: 3, factor: 0.5, warm_up: 0 };
        assert_factors(step, 9, &[(0, 1.0), (2, 1.0), (3, 0.5), (5, 0.5), (6, 0.25)]);
        let exponential = Schedule::Exponential { every: 2, factor: 0.25, warm_up: 0 };
        assert_factors(exponential, 9, &[(0, 1.0), (1, 0.5), (2, 0.25), (5, 0.03125)]);
        let cosine = Schedule::Cosine { minimum: 0.2, warm_up: 0 };
        let third = 0.2 + 0.8 * 0.75;
        assert_factors(cosine, 6, &[(0, 1.0), (2, third), (3, 0.6), (6, 0.2), (99, 0.2)]);
        let polynomial = Schedule::Polynomial { offset: 2.0, exponent: 0.5, warm_up: 0 };
        assert_factors(polynomial, 9, &[(0, 1.0), (6, 0.5), (30, 0.25)]);
    }

    #[test]
    fn decay_begins_after_the_warm_up() {
        let schedules = [
            Schedule::Constant { warm_up: 3 },
            Schedule::Step { every: 1, factor: 0.5, warm_up: 3 },
            Schedule::Exponential { every: 1, factor: 0.5, warm_up: 3 },
            Schedule::Cosine { minimum: 0.0, warm_up: 3 },
            Schedule::Polynomial { offset: 1.0, exponent: 1.0, warm_up: 3 },
        ];
        for (schedule, fourth) in schedules.into_iter().zip([1.0, 0.5, 0.5, 0.5, 0.5]) {
            // Two steps are left for the cosine: the first is at its top, the second half way.
            let expected = [(0, 0.25), (1, 0.5), (2, 0.75), (3, 1.0), (4, fourth)];
            assert_factors(schedule, 5, &expected);
        }
        // A training that ends within the warm-up.
        assert_factors(Schedule::Cosine { minimum: 0.5, warm_up: 3 }, 2, &[(1, 0.5), (3, 1.0)]);
    }

    #[test]
    fn ranges_are_checked() {
        let wrong = [
            Schedule::Step { every: 0, factor: 0.5, warm_up: 0 },
            Schedule::Step { every: 1, factor: 0.0, warm_up: 0 },
            Schedule::Exponential { every: 0, factor: 0.5, warm_up: 0 },
            Schedule::Exponential { every: 1, factor: f64::NAN, warm_up: 0 },
            Schedule::Exponential { every: 1, factor: 1.5, warm_up: 0 },
            Schedule::Cosine { minimum: -0.1, warm_up: 0 },
            Schedule::Cosine { minimum: f64::NAN, warm_up: 0 },
            Schedule::Polynomial { offset: 0.0, exponent: 1.0, warm_up: 0 },
            Schedule::Polynomial { offset: 1.0, exponent: -1.0, warm_up: 0 },
            Schedule::Polynomial { offset: f64::INFINITY, exponent: 1.0, warm_up: 0 },
        ];
        for schedule in wrong {
            let found = schedule.check();
            assert!(matches!(found, Err(RunError::OptionOutOfRange { .. })), "{schedule:?}");
            // Nothing panics, whatever it gives.
            let _ = schedule.factor(u64::MAX, 0);
        }
    }

    #[test]
    fn names_and_defaults_in_files() {
        let cases = [
            (r#"{"name": "constant"}"#, Schedule::default()),
            (
                r#"{"name": "step", "every": 5}"#,
                Schedule::Step { every: 5, factor: 0.1, warm_up: 0 },
            ),
            (
                r#"{"name": "exponential", "every": 5, "warm_up": 2}"#,
                Schedule::Exponential { every: 5, factor: 0.1, warm_up: 2 },
            ),
            (r#"{"name": "cosine"}"#, Schedule::Cosine { minimum: 0.0, warm_up: 0 }),
            (
                r#"{"name": "polynomial"}"#,
                Schedule::Polynomial { offset: 2.0, exponent: 0.7, warm_up: 0 },
            ),
        ];
        for (text, schedule) in cases {
            assert_eq!(serde_json::from_str::<Schedule>(text).unwrap(), schedule);
            let again = serde_json::to_string(&schedule).unwrap();
            assert_eq!(serde_json::from_str::<Schedule>(&again).unwrap(), schedule);
        }
        for wrong in [
            r#"{"name": "constant", "every": 5}"#,
            r#"{"name": "cosine", "maximum": 1}"#,
            r#"{"name": "step"}"#,
            r#"{"every": 5}"#,
            r#"{"name": "linear"}"#,
        ] {
            assert!(serde_json::from_str::<Schedule>(wrong).is_err(), "{wrong}");
        }
    }
}
