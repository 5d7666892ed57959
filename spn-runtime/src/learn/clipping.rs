//! Clipping: gradients that are too large are made smaller before the optimiser sees them.

use std::borrow::Cow;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use spn_ir::Parameters;

use crate::error::require;
use crate::simd::Real;
use crate::{Number, RunError};

/// Values of one parallel job, and of one partial sum of a norm.
const CHUNK: usize = 1 << 14;

/// Limits of gradients; `None` is no limit. First every derivative is limited, then the norm.
///
/// A derivative that is NaN stays NaN, and one that is infinite stays so without a limit of its
/// own. The norm is that of the finite ones: one that is not makes its own parameter value
/// useless, where it can be seen, but neither the others nor the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clipping {
    /// The largest Euclidean norm of the gradient of all trainable parameters together; a longer
    /// one is scaled to this length and keeps its direction (Pascanu et al. 2013).
    pub norm: Option<f64>,
    /// The largest magnitude of a derivative.
    pub value: Option<f64>,
}

impl Clipping {
    /// Checks that the limits are positive and finite.
    ///
    /// # Errors
    /// If one is not.
    pub fn check(&self) -> Result<(), RunError> {
        let limits = [
            ("the largest norm of gradients", self.norm),
            ("the largest value of gradients", self.value),
        ];
        limits.into_iter().try_for_each(|(option, limit)| match limit {
            Some(limit) => {
                let valid = limit.is_finite() && limit > 0.0;
                require(valid, option, limit, "finite and greater than 0")
            }
            None => Ok(()),
        })
    }

    /// Clips the gradients of the trainable ones of `parameters`. The norm is summed in double
    /// precision, chunk by chunk, so that it does not depend on the number of threads.
    pub(super) fn clip<E: Number>(
        &self,
        parameters: &Parameters,
        gradients: &mut [Option<Cow<'_, [E]>>],
    ) {
        let gradients = parameters.iter().zip(gradients);
        let trained = gradients.filter(|((_, parameter), _)| parameter.trainable);
        let mut trained: Vec<_> = trained.filter_map(|(_, gradient)| gradient.as_mut()).collect();
        if let Some(limit) = self.value {
            let limit = E::from_f64(limit);
            for gradient in &mut trained {
                gradient.to_mut().par_chunks_mut(CHUNK).for_each(|chunk| limit_each(chunk, limit));
            }
        }
        let Some(limit) = self.norm else { return };
        let norm = norm(&trained);
        if norm > limit {
            let factor = E::from_f64(limit / norm);
            for gradient in &mut trained {
                let chunks = gradient.to_mut().par_chunks_mut(CHUNK);
                chunks.for_each(|chunk| chunk.iter_mut().for_each(|g| *g *= factor));
            }
        }
    }
}

/// Limits magnitudes; a NaN stays.
fn limit_each<E: Number>(values: &mut [E], limit: E) {
    for value in values {
        if *value > limit {
            *value = limit;
        } else if *value < -limit {
            *value = -limit;
        }
    }
}

/// The Euclidean norm of all finite derivatives together.
fn norm<E: Number>(gradients: &[&mut Cow<'_, [E]>]) -> f64 {
    let norm = norm_in_units(gradients, 1.0);
    if norm.is_finite() {
        return norm;
    }
    // The squares of doubles beyond 1e154 overflow. In units of the largest one they do not.
    let all = gradients.iter().flat_map(|gradient| gradient.iter());
    let magnitudes = all.map(|g| Real::to_f64(*g).abs()).filter(|g| g.is_finite());
    let largest = magnitudes.fold(0.0, f64::max);
    norm_in_units(gradients, largest)
}

fn norm_in_units<E: Number>(gradients: &[&mut Cow<'_, [E]>], unit: f64) -> f64 {
    let chunk = |chunk: &[E]| -> f64 {
        let finite = chunk.iter().map(|g| Real::to_f64(*g)).filter(|g| g.is_finite());
        finite.map(|g| (g / unit) * (g / unit)).sum()
    };
    let squares = gradients.iter().map(|gradient| -> f64 {
        let parts: Vec<f64> = gradient.par_chunks(CHUNK).map(chunk).collect();
        parts.iter().sum()
    });
    unit * squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use spn_ir::Parameter;

    use super::*;

    /// Clips gradients of as many parameters, of which the last one is frozen.
    fn clip(clipping: Clipping, gradients: &[&[f64]]) -> Vec<Vec<f64>> {
        let mut parameters = Parameters::default();
        for (index, gradient) in gradients.iter().enumerate() {
            let shape = vec![gradient.len()];
            let parameter = Parameter::new(index.to_string(), shape, gradient.to_vec());
            let last = index + 1 == gradients.len();
            parameters.add(if last { parameter.frozen() } else { parameter });
        }
        let mut gradients: Vec<_> = gradients.iter().map(|g| Some(Cow::Borrowed(*g))).collect();
        clipping.clip(&parameters, &mut gradients);
        gradients.into_iter().map(|g| g.unwrap().into_owned()).collect()
    }

    #[test]
    fn a_norm_is_that_of_all_trainable_parameters() {
        let gradients: [&[f64]; 3] = [&[3.0, 0.0], &[-4.0], &[100.0]];
        let clipping = Clipping { norm: Some(1.0), value: None };
        let expected = [vec![0.6, 0.0], vec![-0.8], vec![100.0]];
        for (clipped, expected) in clip(clipping, &gradients).iter().zip(&expected) {
            for (clipped, expected) in clipped.iter().zip(expected) {
                assert!((clipped - expected).abs() < 1e-15, "{clipped} {expected}");
            }
        }
        let wide = Clipping { norm: Some(5.0), value: None };
        assert_eq!(clip(wide, &gradients), gradients);
        assert_eq!(clip(Clipping::default(), &gradients), gradients);
    }

    /// By value 3 stays, -40 becomes -4: then the norm is 5.
    #[test]
    fn values_are_limited_before_the_norm() {
        let gradients: [&[f64]; 2] = [&[3.0, -40.0], &[50.0]];
        let by_value = Clipping { norm: None, value: Some(4.0) };
        assert_eq!(clip(by_value, &gradients), [vec![3.0, -4.0], vec![50.0]]);
        let both = Clipping { norm: Some(2.5), value: Some(4.0) };
        assert_eq!(clip(both, &gradients), [vec![1.5, -2.0], vec![50.0]]);
    }

    #[test]
    fn what_is_not_finite_stays_and_does_not_spread() {
        let gradients: [&[f64]; 2] = [&[f64::NAN, 6.0, f64::INFINITY, -8.0], &[]];
        let by_norm = &clip(Clipping { norm: Some(5.0), value: None }, &gradients)[0];
        assert!(by_norm[0].is_nan());
        assert_eq!(by_norm[1..], [3.0, f64::INFINITY, -4.0]);
        let by_value = &clip(Clipping { norm: None, value: Some(7.0) }, &gradients)[0];
        assert!(by_value[0].is_nan());
        assert_eq!(by_value[1..], [6.0, 7.0, -7.0]);
    }

    #[test]
    fn squares_may_overflow() {
        let gradients: [&[f64]; 2] = [&[3e200, -4e200], &[]];
        let clipped = &clip(Clipping { norm: Some(5.0), value: None }, &gradients)[0];
        assert!((clipped[0] - 3.0).abs() < 1e-12 && (clipped[1] + 4.0).abs() < 1e-12);
    }

    #[test]
    fn norms_do_not_depend_on_threads() {
        let random = |index| spn_ir::random::uniform_at(5, 0, 0, index) as f32 - 0.5;
        let gradient: Vec<f32> = (0..10 * CHUNK as u64 + 77).map(random).collect();
        let norms = [1, 2, 3, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut gradient = Cow::Borrowed(gradient.as_slice());
            pool.install(|| norm(&[&mut gradient])).to_bits()
        });
        assert_eq!(norms, [norms[0]; 4]);
    }

    #[test]
    fn limits_are_positive_and_finite() {
        for limit in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Clipping { norm: Some(limit), value: None }.check().is_err());
            assert!(Clipping { norm: None, value: Some(limit) }.check().is_err());
        }
        assert_eq!(Clipping { norm: Some(1.0), value: Some(2.0) }.check(), Ok(()));
        assert_eq!(Clipping::default().check(), Ok(()));
    }

    #[test]
    fn names_in_files() {
        let clipping: Clipping = serde_json::from_str(r#"{"norm": 2}"#).unwrap();
        assert_eq!(clipping, Clipping { norm: Some(2.0), value: None });
        assert!(serde_json::from_str::<Clipping>(r#"{"length": 2}"#).is_err());
    }
}
