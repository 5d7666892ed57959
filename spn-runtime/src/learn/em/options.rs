//! Options of expectation maximisation.

use serde::{Deserialize, Serialize};

use crate::{Counting, RunError};

/// Options of expectation maximisation (EM).
///
/// The learning rate `η` says how far a step goes from the parameters to what the batch's counts
/// ask for: all the way with 1. Soft EM on all rows at once with rate 1 is exact EM (Dempster, Laird
/// and Rubin 1977; for circuits Peharz et al. 2017): the likelihood never falls. On batches it is
/// stepwise EM (Cappé and Moulines 2009), and with linear weights and moment accumulators exactly the
/// online EM of the reference library: `p ← (1 - η) p + η s`, then the constraint, where `s` are
///
/// * for weights the counts, divided by their sum over the inputs (soft), or by the number of rows
///   (otherwise: sums that few rows use then move less);
/// * for moment accumulators `Σ F`, `Σ F x` and `Σ F x²`, divided by the number of rows.
///
/// Log weights are changed as the weights that they stand for. Locations and scales that stand for
/// themselves go towards what maximises the expected likelihood, scales by their second moments.
/// Cauchy and Laplace leaves are taken as scale mixtures of normal densities, so that for them too
/// exact EM never lowers the likelihood.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectationMaximization {
    /// To which inputs of a sum flows go.
    pub counting: Counting,
    /// How many batches' signals are averaged before the parameters change.
    pub accumulate_batches: u32,
    /// How much of the last step's averaged counts is kept, below 1. Averages are corrected for their
    /// start at 0, as in Adam: with `m ← β m + (1 - β) c` the counts used are `m / (1 - β^t)`.
    pub momentum: f64,
    /// What is added to the counts.
    pub prior: Prior,
    /// Scales of leaves are kept at least this large.
    pub minimum_scale: f64,
    /// Whether weights and probabilities that are 0 stay 0, whatever their constraint.
    pub keep_zeros: bool,
}

impl Default for ExpectationMaximization {
    fn default() -> Self {
        Self {
            counting: Counting::Soft,
            accumulate_batches: 1,
            momentum: 0.0,
            prior: Prior::default(),
            minimum_scale: 1e-3,
            keep_zeros: false,
        }
    }
}

impl ExpectationMaximization {
    /// The defaults with a counting rule.
    #[must_use]
    pub fn new(counting: Counting) -> Self {
        Self { counting, ..Self::default() }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// If a number is outside its range.
    pub fn check(&self) -> Result<(), RunError> {
        let bad = |what, value, range| Err(RunError::OutOfRange { what, value, range });
        let Prior { pseudocount, location_rows, location, scale_rows, scale } = self.prior;
        if self.accumulate_batches == 0 {
            return bad("the number of batches to average", 0.0, "at least 1");
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return bad("the momentum", self.momentum, "from 0 to below 1");
        }
        let amounts = [
            ("the pseudocount", pseudocount),
            ("the rows of the prior location", location_rows),
            ("the rows of the prior scale", scale_rows),
            ("the prior scale", scale),
            ("the minimum scale", self.minimum_scale),
        ];
        for (what, value) in amounts {
            if !(value.is_finite() && value >= 0.0) {
                return bad(what, value, "finite and at least 0");
            }
        }
        if !location.is_finite() {
            return bad("the prior location", location, "finite");
        }
        Ok(())
    }
}

/// Prior knowledge, as rows that were seen beside those of a batch. All of it off by default.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prior {
    /// Uses that each weight and each state's probability is given: a Dirichlet prior with
    /// `α = 1 + pseudocount`.
    pub pseudocount: f64,
    /// How many rows each leaf component has seen at the prior location (`κ` of a normal-gamma
    /// prior).
    pub location_rows: f64,
    /// The prior location, in units of the normalised input.
    pub location: f64,
    /// How many rows each leaf component has seen with the prior scale (`2α - 1`).
    pub scale_rows: f64,
    /// The prior scale (`scale_rows · scale² = 2β`).
    pub scale: f64,
}

impl Default for Prior {
    fn default() -> Self {
        Self { pseudocount: 0.0, location_rows: 0.0, location: 0.0, scale_rows: 0.0, scale: 1.0 }
    }
}
