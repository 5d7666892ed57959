//! When two arrays agree.

/// The tolerance of log probabilities and everything that is computed in one or two steps.
const FORWARD: f64 = 1e-5;

/// The tolerance of gradients and signals.
pub(crate) const SIGNAL: f64 = 2e-4;

/// What an array holds, and with that what an error is relative to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Log probabilities: relative to `max(1, |value|)`.
    LogProbability,
    /// Gradients, signals and what is made of them: relative to the array's largest magnitude.
    Signal,
    /// As [`Signal`](Self::Signal), of an array that is the difference of larger ones, its terms
    /// (see [`differences`](crate::differences)). Only where the tolerance is less than one last
    /// place of the terms, errors up to that of the reference and that of the run pass instead.
    Difference {
        /// One last place of the terms as the reference computed them.
        reference: f64,
        /// One last place of the terms in the run's own precision.
        run: f64,
        /// At least 1: how many times the tolerance passes.
        factor: f64,
    },
    /// Input values and statistics of them, with the smaller tolerance: relative to the array's
    /// largest magnitude.
    Value,
    /// Results that lose no digits: each relative to its own magnitude.
    Elementwise,
}

/// How far an array is off.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    /// The largest relative error.
    pub(crate) error: f64,
    /// The error divided by the tolerance.
    excess: f64,
    /// What is wrong, if the tolerance is exceeded.
    pub(crate) problem: Option<String>,
}

impl Difference {
    /// A difference that no tolerance covers.
    pub(crate) fn failure(problem: String) -> Self {
        Self { error: f64::INFINITY, excess: f64::INFINITY, problem: Some(problem) }
    }

    /// Whether this is the worse one of two.
    pub(crate) fn is_worse(&self, other: &Self) -> bool {
        self.excess > other.excess
    }
}

impl Kind {
    fn tolerance(self) -> f64 {
        if self.is_signal() { SIGNAL } else { FORWARD }
    }

    fn is_signal(self) -> bool {
        matches!(self, Self::Signal | Self::Difference { .. })
    }

    /// What the error of a value is relative to; `largest` is the array's largest magnitude.
    fn scale(self, expected: f64, largest: f64) -> f64 {
        match self {
            Self::LogProbability => expected.abs().max(1.0),
            Self::Signal | Self::Value => largest,
            Self::Difference { factor, .. } => (largest * factor).max(self.doubt(largest) / SIGNAL),
            Self::Elementwise => expected.abs(),
        }
    }

    /// The error that rounding explains where the tolerance does not cover it: an array with this
    /// largest magnitude is the difference of terms so much larger. Otherwise 0.
    fn doubt(self, largest: f64) -> f64 {
        match self {
            Self::Difference { reference, run, .. } if reference > SIGNAL * largest => {
                reference + run
            }
            _ => 0.0,
        }
    }

    /// Compares two arrays.
    pub(crate) fn difference(self, found: &[f64], expected: &[f64]) -> Difference {
        let finite = expected.iter().map(|value| value.abs()).filter(|value| value.is_finite());
        self.with_largest(found, expected, finite.fold(0.0, f64::max))
    }

    fn with_largest(self, found: &[f64], expected: &[f64], largest: f64) -> Difference {
        if found.len() != expected.len() {
            let (found, expected) = (found.len(), expected.len());
            return Difference::failure(format!("{found} values instead of {expected}"));
        }
        let mut worst = Difference { error: 0.0, excess: 0.0, problem: None };
        for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
            let error = relative_error(found, expected, self.scale(expected, largest));
            if error > worst.error {
                let problem = (error > self.tolerance()).then(|| {
                    format!("error {error:.1e} at index {index}: {found} instead of {expected}")
                });
                worst = Difference { error, excess: error / self.tolerance(), problem };
            }
        }
        worst
    }
}

/// The error of one value. Infinities and NaN agree with themselves only.
fn relative_error(found: f64, expected: f64, scale: f64) -> f64 {
    if found == expected || (found.is_nan() && expected.is_nan()) {
        return 0.0;
    }
    let error = (found - expected).abs() / scale;
    if error.is_nan() { f64::INFINITY } else { error }
}

/// What stands for a large array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Summary {
    /// `[sum, sum of magnitudes, sum of squares]`
    Sums,
    /// Every so-many-th value.
    Every(usize),
}

impl Summary {
    /// `sum` or `everyK`
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if name == "sum" {
            return Some(Self::Sums);
        }
        let step = name.strip_prefix("every")?.parse().ok().filter(|step| *step > 0)?;
        Some(Self::Every(step))
    }

    /// Compares the summary of an array.
    pub(crate) fn difference(self, kind: Kind, found: &[f64], expected: &[f64]) -> Difference {
        match self {
            Self::Every(step) => {
                let found: Vec<f64> = found.iter().copied().step_by(step).collect();
                kind.difference(&found, expected)
            }
            Self::Sums => {
                let total: f64 = found.iter().sum();
                let magnitudes: f64 = found.iter().map(|value| value.abs()).sum();
                let squares: f64 = found.iter().map(|value| value * value).sum();
                // Sums may cancel, so theirs is the scale of the magnitudes; squares have one of
                // their own.
                let &[expected_total, expected_magnitudes, expected_squares] = expected else {
                    return Difference::failure("no sums".to_owned());
                };
                // At most the largest magnitude.
                let typical = expected_squares / expected_magnitudes;
                // A sum may be off by the values' errors together, squares by each times its value.
                let doubt = kind.doubt(typical);
                let sums = |doubt: f64| match kind {
                    Kind::Signal => Kind::Signal,
                    Kind::Difference { factor, .. } => {
                        Kind::Difference { reference: doubt, run: 0.0, factor }
                    }
                    _ => Kind::Value,
                };
                let expected_sums = [expected_total, expected_magnitudes];
                let first = sums(doubt * found.len() as f64)
                    .difference(&[total, magnitudes], &expected_sums);
                let second =
                    sums(doubt * expected_magnitudes).difference(&[squares], &[expected_squares]);
                if second.is_worse(&first) { second } else { first }
            }
        }
    }
}

#[test]
fn differences_are_relative_to_what_the_kind_says() {
    let error =
        |kind: Kind, found: &[f64], expected: &[f64]| kind.difference(found, expected).error;
    assert!((error(Kind::LogProbability, &[-0.11], &[-0.1]) - 0.01).abs() < 1e-12);
    assert!((error(Kind::LogProbability, &[-202.0], &[-200.0]) - 0.01).abs() < 1e-12);
    assert!((error(Kind::Signal, &[0.1, 4.0], &[0.0, 4.0]) - 0.025).abs() < 1e-12);
    assert!((error(Kind::Elementwise, &[1.1e-10], &[1e-10]) - 0.1).abs() < 1e-9);
}

#[test]
fn tolerances_are_those_of_the_reference() {
    let fails = |kind: Kind, found: f64| kind.difference(&[found], &[1.0]).problem.is_some();
    assert!(fails(Kind::LogProbability, 1.000_011) && !fails(Kind::LogProbability, 1.000_009));
    assert!(fails(Kind::Signal, 1.000_21) && !fails(Kind::Signal, 1.000_19));
    assert!(fails(Kind::Value, 1.000_011) && fails(Kind::Elementwise, 0.999_989));
}

#[test]
fn only_rounding_beyond_the_tolerance_widens_it() {
    let fails = |reference: f64, found: f64| {
        let kind = Kind::Difference { reference, run: 1e-5, factor: 1.0 };
        kind.difference(&[found, 1.0], &[0.5, 1.0]).problem.is_some()
    };
    assert!(!fails(1.9e-4, 0.500_199) && fails(1.9e-4, 0.500_201));
    assert!(!fails(3e-4, 0.500_309) && fails(3e-4, 0.500_311));
    let factor = Kind::Difference { reference: 0.0, run: 0.0, factor: 2.0 };
    assert!(factor.difference(&[1.000_41], &[1.0]).problem.is_some());
    assert!(factor.difference(&[1.000_39], &[1.0]).problem.is_none());
}

#[test]
fn what_is_not_finite_agrees_with_itself_only() {
    let infinite = f64::NEG_INFINITY;
    let fails = |found, expected| {
        Kind::LogProbability.difference(&[found, -1.0], &[expected, -1.0]).problem.is_some()
    };
    assert!(!fails(infinite, infinite) && !fails(f64::NAN, f64::NAN));
    for (found, expected) in [
        (infinite, -1.0),
        (-1.0, infinite),
        (f64::INFINITY, infinite),
        (f64::NAN, -1.0),
        (-1.0, f64::NAN),
        (f64::NAN, infinite),
        (infinite, f64::NAN),
    ] {
        assert!(fails(found, expected), "{found} {expected}");
    }
    assert!(Kind::Signal.difference(&[1e-30], &[0.0]).problem.is_some());
    assert!(Kind::Signal.difference(&[0.0], &[0.0, 0.0]).problem.is_some());
}

#[test]
fn summaries_stand_for_arrays() {
    assert_eq!(Summary::parse("every97"), Some(Summary::Every(97)));
    assert_eq!(Summary::parse("every0"), None);
    assert_eq!(Summary::parse("scale"), None);
    let values = [1.0, -2.0, 3.0, -4.0];
    let sums = |expected: &[f64]| Summary::Sums.difference(Kind::Signal, &values, expected);
    assert!(sums(&[-2.0, 10.0, 30.0]).problem.is_none());
    assert!(sums(&[-2.1, 10.0, 30.0]).problem.is_some());
    assert!(sums(&[-2.0, 10.0, 30.1]).problem.is_some());
    assert!(sums(&[]).problem.is_some());
    let doubtful = |reference: f64, expected: &[f64]| {
        let kind = Kind::Difference { reference, run: 0.0, factor: 1.0 };
        Summary::Sums.difference(kind, &values, expected).problem.is_none()
    };
    // Values of magnitude 3 count most; their tolerance is 6e-4.
    assert!(!doubtful(5e-4, &[-2.003, 10.0, 30.0]) && doubtful(1e-3, &[-2.003, 10.0, 30.0]));
    assert!(!doubtful(1e-3, &[-2.005, 10.0, 30.0]));
    assert!(doubtful(1e-3, &[-2.0, 10.0, 30.009]) && !doubtful(1e-3, &[-2.0, 10.0, 30.011]));
    let every = |expected: &[f64]| Summary::Every(2).difference(Kind::Signal, &values, expected);
    assert!(every(&[1.0, 3.0]).problem.is_none());
    assert!(every(&[1.0, -2.0]).problem.is_some());
}
