//! Quantities: the tensors that nodes read, each computed from parameters by a formula.
//!
//! A sum reads *linear weights*, a leaf reads a *location* and a *scale*. What is stored and
//! trained may be something else: log weights, unnormalised weights, the inverse softplus of a
//! scale, moment accumulators. A [`Formula`] is the way from the one to the other. Its derivative
//! ([`Quantity::pull_back`]) takes gradients the way back, so kernels and flows deal with linear
//! weights, locations and scales only.

use num_traits::Float;
use serde::{Deserialize, Serialize};

use crate::{Parameter, ParameterId, Parameters};

/// Index of a quantity in its circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QuantityId(pub u32);

impl QuantityId {
    /// The index as a `usize`.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A contiguous part of a quantity, beginning at `offset`; its length follows from the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slice {
    /// Which quantity.
    pub quantity: QuantityId,
    /// Index of the first value.
    pub offset: u32,
}

/// How a quantity's values are computed from parameters.
///
/// The weight formulas work on matrices `[inputs, outputs]`, the last two axes of the shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Formula {
    /// The parameter itself.
    Direct(ParameterId),
    /// `exp(p)`: weights kept as logarithms, trusted to be normalised.
    Exp(ParameterId),
    /// `softmax(p)` over the inputs: log weights normalised on reading.
    Softmax(ParameterId),
    /// `p / sum(p)` over the inputs: linear weights normalised on reading.
    Normalized(ParameterId),
    /// `ln(1 + exp(p))`: a positive scale.
    Softplus(ParameterId),
    /// `numerator / denominator`, 0 where the denominator is 0: a mean from moment accumulators.
    Ratio {
        /// Accumulated first moment.
        numerator: ParameterId,
        /// Accumulated mass.
        denominator: ParameterId,
    },
    /// `sqrt(second / mass - mean²)` from moment accumulators, where `mean` is their [`Formula::Ratio`].
    MomentScale {
        /// Accumulated first moment.
        first_numerator: ParameterId,
        /// Mass of the first moment.
        first_denominator: ParameterId,
        /// Accumulated second moment.
        second_numerator: ParameterId,
        /// Mass of the second moment.
        second_denominator: ParameterId,
    },
}

/// A tensor that nodes read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// Lengths of the axes, row-major.
    pub shape: Vec<usize>,
    /// How its values are computed.
    pub formula: Formula,
    /// Bounds `[minimum, maximum]` applied after the formula (the reference's `scale_constraint`).
    pub bounds: Option<(f64, f64)>,
}

impl Formula {
    /// The parameters the formula reads.
    #[must_use]
    pub fn parameters(&self) -> Vec<ParameterId> {
        match *self {
            Self::Direct(p)
            | Self::Exp(p)
            | Self::Softmax(p)
            | Self::Normalized(p)
            | Self::Softplus(p) => vec![p],
            Self::Ratio { numerator, denominator } => vec![numerator, denominator],
            Self::MomentScale {
                first_numerator,
                first_denominator,
                second_numerator,
                second_denominator,
            } => vec![first_numerator, first_denominator, second_numerator, second_denominator],
        }
    }
}

impl Quantity {
    /// How many values the quantity has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows and columns of the matrices in a weight quantity: the last two axes.
    #[must_use]
    pub fn matrix(&self) -> (usize, usize) {
        match *self.shape.as_slice() {
            [.., inputs, outputs] => (inputs, outputs),
            [inputs] => (inputs, 1),
            [] => (1, 1),
        }
    }

    /// Computes the quantity's values in f64.
    #[must_use]
    pub fn evaluate(&self, parameters: &Parameters) -> Vec<f64> {
        self.evaluate_with(&|id: ParameterId| parameters.get(id).values.as_slice())
    }

    /// Computes the quantity's values in any precision; `read` gives a parameter's values.
    pub fn evaluate_with<'a, T: Float + 'a>(
        &self,
        read: &impl Fn(ParameterId) -> &'a [T],
    ) -> Vec<T> {
        let mut values = self.unbounded(read);
        if let Some((minimum, maximum)) = self.bounds {
            let (minimum, maximum) = (constant::<T>(minimum), constant::<T>(maximum));
            for value in &mut values {
                // Not `max` and `min`: they would hide a NaN from the checks.
                if *value < minimum {
                    *value = minimum;
                } else if *value > maximum {
                    *value = maximum;
                }
            }
        }
        values
    }

    fn unbounded<'a, T: Float + 'a>(&self, read: &impl Fn(ParameterId) -> &'a [T]) -> Vec<T> {
        let (inputs, outputs) = self.matrix();
        match self.formula {
            Formula::Direct(p) => read(p).to_vec(),
            Formula::Exp(p) => read(p).iter().map(|v| v.exp()).collect(),
            Formula::Softmax(p) => {
                let mut values = read(p).to_vec();
                for_columns(&mut values, inputs, outputs, softmax);
                values
            }
            Formula::Normalized(p) => {
                let mut values = read(p).to_vec();
                for_columns(&mut values, inputs, outputs, normalize);
                values
            }
            Formula::Softplus(p) => read(p).iter().map(|&v| softplus(v)).collect(),
            Formula::Ratio { numerator, denominator } => {
                read(numerator).iter().zip(read(denominator)).map(|(&n, &d)| ratio(n, d)).collect()
            }
            Formula::MomentScale {
                first_numerator,
                first_denominator,
                second_numerator,
                second_denominator,
            } => {
                let means = read(first_numerator).iter().zip(read(first_denominator));
                let squares = read(second_numerator).iter().zip(read(second_denominator));
                let pairs = means.zip(squares);
                pairs
                    .map(|((&n1, &d1), (&n2, &d2))| {
                        let mean = ratio(n1, d1);
                        (ratio(n2, d2) - mean * mean).sqrt()
                    })
                    .collect()
            }
        }
    }

    /// Takes a gradient with respect to the quantity to gradients with respect to the parameters
    /// it is computed from, one vector for each in the order of [`Formula::parameters`].
    ///
    /// `values` are the quantity's values, `read` gives a parameter's values.
    pub fn pull_back<'a, T: Float + 'a>(
        &self,
        values: &[T],
        gradient: &[T],
        read: &impl Fn(ParameterId) -> &'a [T],
    ) -> Vec<Vec<T>> {
        let mut gradient = gradient.to_vec();
        if let Some((minimum, maximum)) = self.bounds {
            let (minimum, maximum) = (constant::<T>(minimum), constant::<T>(maximum));
            for (g, value) in gradient.iter_mut().zip(self.unbounded(read)) {
                if value < minimum || value > maximum {
                    *g = T::zero();
                }
            }
        }
        self.pull_back_formula(values, gradient, read)
    }

    fn pull_back_formula<'a, T: Float + 'a>(
        &self,
        values: &[T],
        mut gradient: Vec<T>,
        read: &impl Fn(ParameterId) -> &'a [T],
    ) -> Vec<Vec<T>> {
        let (inputs, outputs) = self.matrix();
        match self.formula {
            Formula::Direct(_) => {}
            Formula::Exp(_) => {
                for (g, &w) in gradient.iter_mut().zip(values) {
                    *g = *g * w;
                }
            }
            Formula::Softmax(_) => {
                pull_back_normalization(values, &mut gradient, inputs, outputs, |w, _| w);
            }
            Formula::Normalized(p) => {
                let totals = column_totals(read(p), inputs, outputs);
                pull_back_normalization(values, &mut gradient, inputs, outputs, |_, column| {
                    totals[column].recip()
                });
            }
            Formula::Softplus(p) => {
                for (g, &v) in gradient.iter_mut().zip(read(p)) {
                    *g = *g / (T::one() + (-v).exp());
                }
            }
            Formula::Ratio { numerator, denominator } => {
                return pull_back_ratio(&gradient, read(numerator), read(denominator));
            }
            Formula::MomentScale {
                first_numerator: n1,
                first_denominator: d1,
                second_numerator: n2,
                second_denominator: d2,
            } => {
                let half = constant::<T>(0.5);
                let second: Vec<T> =
                    gradient.iter().zip(values).map(|(&g, &s)| g * half / s).collect();
                let means = read(n1).iter().zip(read(d1)).map(|(&n, &d)| ratio(n, d));
                let scaled = gradient.iter().zip(values);
                let first: Vec<T> = scaled.zip(means).map(|((&g, &s), m)| -g * m / s).collect();
                let mut result = pull_back_ratio(&first, read(n1), read(d1));
                result.extend(pull_back_ratio(&second, read(n2), read(d2)));
                return result;
            }
        }
        vec![gradient]
    }

    /// Whether training changes any parameter the quantity is computed from.
    #[must_use]
    pub fn is_trainable(&self, parameters: &Parameters) -> bool {
        self.formula.parameters().iter().any(|&id| parameters.get(id).trainable)
    }

    /// The quantity that is a parameter's own values.
    #[must_use]
    pub fn direct(id: ParameterId, parameter: &Parameter) -> Self {
        Self { shape: parameter.shape.clone(), formula: Formula::Direct(id), bounds: None }
    }
}

fn constant<T: Float>(value: f64) -> T {
    T::from(value).unwrap_or_else(T::nan)
}

fn ratio<T: Float>(numerator: T, denominator: T) -> T {
    if denominator == T::zero() { T::zero() } else { numerator / denominator }
}

/// `ln(1 + exp(x))` without overflow.
pub fn softplus<T: Float>(x: T) -> T {
    x.max(T::zero()) + (-x.abs()).exp().ln_1p()
}

/// The `x` whose [`softplus`] is `y > 0`.
pub fn inverse_softplus<T: Float>(y: T) -> T {
    y + (-(-y).exp()).ln_1p()
}

/// Calls `change` with each column of each `[inputs, outputs]` matrix, then writes it back.
fn for_columns<T: Float>(
    values: &mut [T],
    inputs: usize,
    outputs: usize,
    change: impl Fn(&mut [T]),
) {
    let mut column = vec![T::zero(); inputs];
    for matrix in values.chunks_exact_mut((inputs * outputs).max(1)) {
        for output in 0..outputs {
            for (input, value) in column.iter_mut().enumerate() {
                *value = matrix[input * outputs + output];
            }
            change(&mut column);
            for (input, value) in column.iter().enumerate() {
                matrix[input * outputs + output] = *value;
            }
        }
    }
}

fn softmax<T: Float>(values: &mut [T]) {
    let maximum = values.iter().fold(T::neg_infinity(), |m, &v| m.max(v));
    for value in values.iter_mut() {
        *value = (*value - maximum).exp();
    }
    normalize(values);
}

fn normalize<T: Float>(values: &mut [T]) {
    let total = values.iter().fold(T::zero(), |sum, &v| sum + v);
    for value in values {
        *value = *value / total;
    }
}

fn column_totals<T: Float>(values: &[T], inputs: usize, outputs: usize) -> Vec<T> {
    let mut totals = Vec::with_capacity(values.len() / inputs.max(1));
    for matrix in values.chunks_exact((inputs * outputs).max(1)) {
        for output in 0..outputs {
            let column = matrix.iter().skip(output).step_by(outputs);
            totals.push(column.fold(T::zero(), |sum, &v| sum + v));
        }
    }
    totals
}

/// `g ← factor · (g − Σ_n w_n g_n)` per column, the derivative of both kinds of normalisation;
/// `factor` gets the weight and the column's running index.
fn pull_back_normalization<T: Float>(
    weights: &[T],
    gradient: &mut [T],
    inputs: usize,
    outputs: usize,
    factor: impl Fn(T, usize) -> T,
) {
    let size = (inputs * outputs).max(1);
    for (index, (w, g)) in
        weights.chunks_exact(size).zip(gradient.chunks_exact_mut(size)).enumerate()
    {
        for output in 0..outputs {
            let cells = (0..inputs).map(|input| input * outputs + output);
            let mean = cells.clone().fold(T::zero(), |sum, cell| sum + w[cell] * g[cell]);
            for cell in cells {
                g[cell] = (g[cell] - mean) * factor(w[cell], index * outputs + output);
            }
        }
    }
}

fn pull_back_ratio<T: Float>(gradient: &[T], numerator: &[T], denominator: &[T]) -> Vec<Vec<T>> {
    let mut for_numerator = Vec::with_capacity(gradient.len());
    let mut for_denominator = Vec::with_capacity(gradient.len());
    for ((&g, &n), &d) in gradient.iter().zip(numerator).zip(denominator) {
        for_numerator.push(ratio(g, d));
        for_denominator.push(-ratio(g * ratio(n, d), d));
    }
    vec![for_numerator, for_denominator]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(values: &[&[f64]]) -> Parameters {
        let mut parameters = Parameters::default();
        for (index, list) in values.iter().enumerate() {
            parameters.add(Parameter::new(index.to_string(), vec![list.len()], list.to_vec()));
        }
        parameters
    }

    /// Compares `pull_back` with central differences of `Σ c_i · quantity_i`.
    fn check(formula: Formula, shape: Vec<usize>, bounds: Option<(f64, f64)>, values: &[&[f64]]) {
        let quantity = Quantity { shape, formula, bounds };
        let coefficients: Vec<f64> = (0..quantity.len()).map(|i| 0.3 + i as f64 * 0.7).collect();
        let objective = |parameters: &Parameters| -> f64 {
            quantity.evaluate(parameters).iter().zip(&coefficients).map(|(q, c)| q * c).sum()
        };
        let parameters = store(values);
        let read = |id: ParameterId| parameters.get(id).values.as_slice();
        let current = quantity.evaluate(&parameters);
        let gradients = quantity.pull_back(&current, &coefficients, &read);
        for (id, gradient) in formula.parameters().into_iter().zip(gradients) {
            for (index, &exact) in gradient.iter().enumerate() {
                let step = 1e-6;
                let mut shifted = parameters.clone();
                shifted.get_mut(id).values[index] += step;
                let above = objective(&shifted);
                shifted.get_mut(id).values[index] -= 2.0 * step;
                let slope = (above - objective(&shifted)) / (2.0 * step);
                assert!(
                    (slope - exact).abs() < 1e-6,
                    "{formula:?} {id:?} {index}: {slope} {exact}"
                );
            }
        }
    }

    #[test]
    fn pull_back_is_the_derivative() {
        let p = ParameterId(0);
        let weights: &[&[f64]] = &[&[0.3, -0.2, 1.0, 0.5, 0.1, -0.7, 0.2, 0.9]];
        check(Formula::Direct(p), vec![8], None, weights);
        check(Formula::Exp(p), vec![8], None, weights);
        check(Formula::Softmax(p), vec![1, 2, 2, 2], None, weights);
        check(Formula::Softplus(p), vec![8], Some((0.6, 1.0)), weights);
        check(
            Formula::Normalized(p),
            vec![1, 4, 2],
            None,
            &[&[0.3, 0.2, 1., 0.5, 0.1, 0.7, 2., 0.9]],
        );
        let moments: &[&[f64]] = &[&[0.3, -0.4], &[1.5, 0.7], &[2.0, 3.0], &[1.1, 0.9]];
        let ids = [0, 1, 2, 3].map(ParameterId);
        check(Formula::Ratio { numerator: ids[0], denominator: ids[1] }, vec![2], None, moments);
        let scale = Formula::MomentScale {
            first_numerator: ids[0],
            first_denominator: ids[1],
            second_numerator: ids[2],
            second_denominator: ids[3],
        };
        check(scale, vec![2], None, moments);
    }

    #[test]
    fn bounds_keep_a_nan() {
        let parameters = store(&[&[f64::NAN, -1.0, 3.0]]);
        let formula = Formula::Direct(ParameterId(0));
        let quantity = Quantity { shape: vec![3], formula, bounds: Some((0.5, 2.0)) };
        let values = quantity.evaluate(&parameters);
        assert!(values[0].is_nan());
        assert_eq!(values[1..], [0.5, 2.0]);
    }

    #[test]
    fn softplus_and_its_inverse_agree() {
        for y in [1e-3, 0.1, 1.0, 5.0, 50.0] {
            assert!((softplus(inverse_softplus(y)) - y).abs() < 1e-12 * y.max(1.0));
        }
        assert_eq!(softplus(800.0), 800.0);
    }
}
