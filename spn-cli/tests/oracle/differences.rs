//! Gradients that are differences of larger ones, and what that means for comparing them.
//!
//! Where weights are normalised when they are read, the gradient of a log weight is
//! `-(r - w Σr)`, with posteriors `r` that may agree with the weights `w` in most digits. The same
//! holds for the cross entropy (see [`cross_entropy`](crate::cross_entropy)). Computed in single
//! precision, no difference is known better than the last place of its terms.
//!
//! Few arrays are so small beside their terms that this shows: where one last place of the largest
//! term is more than the tolerance, an error of that size passes (in a run in single precision,
//! one of its own beside the reference's). All others are held to the plain tolerance.

use spn_runtime::simd::Real;
use spn_runtime::{GradientOptions, Number, Rows};

use crate::case::text_of;
use crate::compare::Kind;
use crate::machine::{Machine, widen};
use crate::setup::{Factored, Prepared};

/// The distance of neighbouring numbers near 1 in single precision.
pub(crate) const LAST_PLACE: f64 = f32::EPSILON as f64;

/// The network whose gradients are the terms.
pub(crate) struct Terms {
    /// The plan, and what each parameter's gradient is multiplied by; 0 where it is no difference.
    network: Option<Factored>,
    parameters: usize,
}

impl Terms {
    pub(crate) fn new(prepared: &Prepared) -> Result<Self, String> {
        let network = prepared.with_normalised_weights()?;
        Ok(Self { network, parameters: prepared.model.parameters.len() })
    }

    /// How the gradient of each parameter is compared.
    pub(crate) fn kinds<E: Number>(
        &self,
        machine: &Machine,
        rows: Rows<'_, E>,
        options: &GradientOptions<'_, E>,
    ) -> Result<Vec<Kind>, String> {
        let Some((plan, factors)) = &self.network else {
            return Ok(vec![Kind::Signal; self.parameters]);
        };
        let gradient = machine.prepare::<E>(plan)?.gradient(rows, options).map_err(text_of)?;
        let terms = gradient.parameters.iter().zip(factors);
        Ok(terms
            .map(|(term, factor)| difference::<E>(factor * largest(widen(term)), 1.0))
            .collect())
    }
}

/// How a difference of terms up to this magnitude is compared by a run in the precision `E`, with
/// `factor` times the plain tolerance.
pub(crate) fn difference<E: Number>(terms: f64, factor: f64) -> Kind {
    let [reference, run] = [LAST_PLACE, Real::to_f64(E::EPSILON)].map(|place| terms * place);
    Kind::Difference { reference, run, factor }
}

/// The largest magnitude.
pub(crate) fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    let finite = values.into_iter().map(f64::abs).filter(|value| value.is_finite());
    finite.fold(0.0, f64::max)
}
