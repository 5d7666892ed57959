//! What happens to an input row before the leaves see it, and its derivative.
//!
//! In: a circuit's [`Normalisation`], a row and which values are observed. Out: the normalised row
//! with NaN for missing values, or the gradient with respect to the original values.

use spn_ir::{Circuit, Normalisation};

/// Which values of a row sample-wise statistics are taken of. NaN never counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Statistics {
    /// Only observed values.
    #[default]
    Observed,
    /// All values of the row, also those that the mask calls missing.
    WholeRow,
}

/// Mean and population standard deviation of a row, and which values they are taken of.
struct Moments {
    counted: Vec<bool>,
    count: f64,
    mean: f64,
    deviation: f64,
}

/// The normalised row, one value for each of the circuit's variables; NaN where a value is missing.
///
/// A value is missing if it is NaN, not observed, or beyond the end of a short row.
#[must_use]
pub fn normalise(
    circuit: &Circuit,
    row: &[f64],
    observed: Option<&[bool]>,
    statistics: Statistics,
) -> Vec<f64> {
    let present = present(circuit, row, observed);
    match &circuit.normalisation {
        None => present,
        Some(Normalisation::Fixed { mean, deviation, epsilon }) => present
            .iter()
            .zip(mean.iter().zip(deviation))
            .map(|(x, (mean, deviation))| (x - mean) / (deviation + epsilon))
            .collect(),
        Some(Normalisation::SampleWise { epsilon }) => {
            let moments = moments(&statistics_row(circuit, row, &present, statistics));
            present.iter().map(|x| (x - moments.mean) / (moments.deviation + epsilon)).collect()
        }
    }
}

/// Takes a gradient with respect to the normalised row to one with respect to the row.
/// Entries of `gradient` at missing values are ignored.
#[must_use]
pub fn pull_back(
    circuit: &Circuit,
    row: &[f64],
    observed: Option<&[bool]>,
    statistics: Statistics,
    gradient: &[f64],
) -> Vec<f64> {
    let present = present(circuit, row, observed);
    let gradient: Vec<f64> =
        gradient.iter().zip(&present).map(|(&g, x)| if x.is_nan() { 0.0 } else { g }).collect();
    match &circuit.normalisation {
        None => gradient,
        Some(Normalisation::Fixed { deviation, epsilon, .. }) => {
            gradient.iter().zip(deviation).map(|(g, deviation)| g / (deviation + epsilon)).collect()
        }
        Some(Normalisation::SampleWise { epsilon }) => {
            let values = statistics_row(circuit, row, &present, statistics);
            pull_back_moments(&present, &values, &moments(&values), *epsilon, &gradient)
        }
    }
}

/// `y_i = (x_i - m) / (s + ε)` with `dm/dx_j = 1/n` and `ds/dx_j = (x_j - m) / (n s)`.
fn pull_back_moments(
    present: &[f64],
    values: &[f64],
    moments: &Moments,
    epsilon: f64,
    gradient: &[f64],
) -> Vec<f64> {
    let Moments { counted, count, mean, deviation } = moments;
    let spread = deviation + epsilon;
    let for_mean: f64 = -gradient.iter().sum::<f64>() / spread;
    let observed = gradient.iter().zip(present).filter(|(_, x)| !x.is_nan());
    let for_deviation: f64 = observed.map(|(g, x)| -g * (x - mean) / spread / spread).sum();
    let own = gradient.iter().map(|g| g / spread);
    own.zip(counted.iter().zip(values))
        .map(|(own, (&counted, value))| match counted {
            false => own,
            true if *deviation == 0.0 => own + for_mean / count,
            true => own + (for_mean + for_deviation * (value - mean) / deviation) / count,
        })
        .collect()
}

/// The row with NaN for everything that is missing.
fn present(circuit: &Circuit, row: &[f64], observed: Option<&[bool]>) -> Vec<f64> {
    let is_observed = |index: usize| observed.is_none_or(|mask| mask.get(index) == Some(&true));
    (0..circuit.variables as usize)
        .map(|index| row.get(index).copied().filter(|_| is_observed(index)).unwrap_or(f64::NAN))
        .collect()
}

/// The values that statistics are taken of, NaN for those that do not count.
fn statistics_row(
    circuit: &Circuit,
    row: &[f64],
    present: &[f64],
    statistics: Statistics,
) -> Vec<f64> {
    match statistics {
        Statistics::Observed => present.to_vec(),
        Statistics::WholeRow => self::present(circuit, row, None),
    }
}

fn moments(values: &[f64]) -> Moments {
    let counted: Vec<bool> = values.iter().map(|x| !x.is_nan()).collect();
    let known: Vec<f64> = values.iter().copied().filter(|x| !x.is_nan()).collect();
    let count = known.len().max(1) as f64;
    let mean = known.iter().sum::<f64>() / count;
    let variance = known.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
    Moments { counted, count, mean, deviation: variance.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circuit(normalisation: Normalisation) -> Circuit {
        Circuit { variables: 4, normalisation: Some(normalisation), ..Circuit::default() }
    }

    #[test]
    fn sample_wise_rows_have_mean_zero_and_deviation_one() {
        let circuit = circuit(Normalisation::SampleWise { epsilon: 0.0 });
        let row = normalise(&circuit, &[1.0, f64::NAN, 4.0, 7.0], None, Statistics::Observed);
        assert!(row[1].is_nan());
        let root = 1.5_f64.sqrt();
        assert!((row[0] + root).abs() < 1e-12 && row[2].abs() < 1e-12 && (row[3] - root) < 1e-12);
    }

    #[test]
    fn whole_row_statistics_count_hidden_values() {
        let circuit = circuit(Normalisation::SampleWise { epsilon: 0.0 });
        let mask = [true, true, false, false];
        let row = [0.0, 2.0, 4.0, 6.0];
        let own = normalise(&circuit, &row, Some(&mask), Statistics::Observed);
        let whole = normalise(&circuit, &row, Some(&mask), Statistics::WholeRow);
        assert_eq!(&own[..2], [-1.0, 1.0]);
        assert!((whole[0] + 3.0 / 5_f64.sqrt()).abs() < 1e-12 && whole[2].is_nan());
    }

    #[test]
    fn pull_back_is_the_derivative() {
        let fixed = Normalisation::Fixed {
            mean: vec![0.5, 1.0, -1.0, 0.0],
            deviation: vec![1.0, 2.0, 0.5, 3.0],
            epsilon: 1e-3,
        };
        let row = [0.3, -1.2, 2.5, 0.9];
        let coefficients = [0.7, -0.4, 1.9, 0.2];
        let mask = [true, true, true, false];
        for circuit in [circuit(Normalisation::SampleWise { epsilon: 0.1 }), circuit(fixed)] {
            for statistics in [Statistics::Observed, Statistics::WholeRow] {
                let objective = |row: &[f64]| -> f64 {
                    let values = normalise(&circuit, row, Some(&mask), statistics);
                    values.iter().zip(coefficients).take(3).map(|(y, c)| y * c).sum()
                };
                let exact = pull_back(&circuit, &row, Some(&mask), statistics, &coefficients);
                for index in 0..4 {
                    let (mut above, mut below) = (row, row);
                    above[index] += 1e-6;
                    below[index] -= 1e-6;
                    let slope = (objective(&above) - objective(&below)) / 2e-6;
                    assert!((slope - exact[index]).abs() < 1e-8, "{index}: {slope} {exact:?}");
                }
            }
        }
    }
}
