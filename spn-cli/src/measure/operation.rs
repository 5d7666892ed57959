//! What is timed.

use clap::ValueEnum;
use spn_runtime::Counting;
use spn_runtime::learn::{ExpectationMaximization, Method};

/// What is done with each batch of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Operation {
    /// The log-likelihood of each row.
    #[default]
    Loglik,
    /// The gradient of the loss with respect to every parameter; nothing changes.
    Gradient,
    /// A training step with Adam: gradient, new parameters, projections.
    Adam,
    /// A training step of expectation maximisation with soft counts.
    Em,
    /// A training step of expectation maximisation with hard counts.
    HardEm,
    /// ... with unweighted hard counts.
    UnweightedHardEm,
    /// ... with sampled counts.
    SampledEm,
    /// Mean and variance of every variable, with every second value of a row missing.
    Moments,
    /// The most probable explanation of each row with every second value missing.
    Mpe,
    /// A sample of each row with every second value missing.
    SampleGiven,
    /// Samples of the network without evidence, as many as a batch has rows.
    Sample,
}

impl Operation {
    /// The name that users write.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loglik => "loglik",
            Self::Gradient => "gradient",
            Self::Adam => "adam",
            Self::Em => "em",
            Self::HardEm => "hard-em",
            Self::UnweightedHardEm => "unweighted-hard-em",
            Self::SampledEm => "sampled-em",
            Self::Moments => "moments",
            Self::Mpe => "mpe",
            Self::SampleGiven => "sample-given",
            Self::Sample => "sample",
        }
    }

    /// How many matrix products of each sum it cannot do without: one forward; derivatives with
    /// respect to inputs and to weights are two more; moments need those of inputs. Counts of single
    /// inputs need no product in reverse;
    /// max-product compares as often as a product multiplies, samples follow a path.
    #[must_use]
    pub fn passes(self) -> u32 {
        match self {
            Self::Loglik | Self::HardEm | Self::UnweightedHardEm | Self::SampledEm => 1,
            Self::Mpe | Self::SampleGiven => 1,
            Self::Moments => 2,
            Self::Sample => 0,
            Self::Gradient | Self::Adam | Self::Em => 3,
        }
    }

    /// Whether every second value of a row is missing.
    #[must_use]
    pub fn hides_values(self) -> bool {
        matches!(self, Self::Moments | Self::Mpe | Self::SampleGiven)
    }

    /// The training method whose step it is.
    #[must_use]
    pub fn method(self) -> Option<Method> {
        let em = |counting| Method::ExpectationMaximization(ExpectationMaximization::new(counting));
        match self {
            Self::Loglik | Self::Gradient => None,
            Self::Moments | Self::Mpe | Self::SampleGiven | Self::Sample => None,
            Self::Adam => Some(Method::default()),
            Self::Em => Some(em(Counting::Soft)),
            Self::HardEm => Some(em(Counting::HARD)),
            Self::UnweightedHardEm => Some(em(Counting::UNWEIGHTED_HARD)),
            Self::SampledEm => Some(em(Counting::SAMPLED)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for operation in Operation::value_variants() {
            assert_eq!(Operation::from_str(operation.name(), false), Ok(*operation));
        }
    }
}
