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
    /// The most probable explanation of each row with every second value missing.
    Mpe,
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
            Self::Mpe => "mpe",
            Self::Sample => "sample",
        }
    }

    /// How many matrix products of each sum it cannot do without: one forward; derivatives with
    /// respect to inputs and to weights are two more. Counts of single inputs need no product in reverse;
    /// max-product compares as often as a product multiplies, samples follow a path.
    #[must_use]
    pub fn passes(self) -> u32 {
        match self {
            Self::Loglik | Self::HardEm | Self::UnweightedHardEm | Self::SampledEm | Self::Mpe => 1,
            Self::Sample => 0,
            Self::Gradient | Self::Adam | Self::Em => 3,
        }
    }

    /// The training method whose step it is.
    #[must_use]
    pub fn method(self) -> Option<Method> {
        let em = |counting| Method::ExpectationMaximization(ExpectationMaximization::new(counting));
        match self {
            Self::Loglik | Self::Gradient | Self::Mpe | Self::Sample => None,
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
