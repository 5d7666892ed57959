//! `NormalizeStandardScore`: input values become `(x - mean) / (deviation + epsilon)`.
//!
//! Lowers to the circuit's [`Normalisation`]; densities are those of the normalised values, as in
//! the reference. Differences: it must be the first layer, it ignores missing values in the
//! statistics, and the deviation from data is `sqrt(max(0, E[x²] - mean²))`, so that rounding of
//! a constant variable cannot give NaN.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::Normalisation;

use super::build::Initialization;
use super::data::Statistics;
use super::lowering::{Lowering, Tensor};
use super::shape::TensorShape;
use super::{LayerProblem, LayerRules, ParameterSpec, TrainingData};

/// Standard-score normalisation of the input rows; the first layer of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormalizeStandardScore {
    /// Over what mean and deviation are taken; default `sample-wise`.
    #[serde(default)]
    pub axes: NormalizeAxes,
    /// Added to the deviation; default 1e-8.
    #[serde(default = "default_epsilon")]
    pub normalization_epsilon: f64,
    /// Rows for the statistics of `variable-wise` and `global`; without them the training data
    /// are used. Dropped from a built network: the statistics are its parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapt_data: Option<AdaptData>,
}

/// Over what mean and deviation are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormalizeAxes {
    /// Over the values of each row; no parameters.
    #[default]
    #[serde(alias = "SAMPLE_WISE")]
    SampleWise,
    /// Over the rows, for each variable; parameters `mean`, `stddev` of the row's shape.
    #[serde(alias = "VARIABLE_WISE")]
    VariableWise,
    /// Over all rows and variables; scalar parameters `mean`, `stddev`.
    #[serde(alias = "GLOBAL")]
    Global,
}

/// Rows of values, in files nested arrays of any depth with `null` for a missing value.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct AdaptData(pub Vec<f64>);

impl<'de> Deserialize<'de> for AdaptData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut values = Vec::new();
        flatten(&Value::deserialize(deserializer)?, &mut values).map_err(D::Error::custom)?;
        Ok(Self(values))
    }
}

/// The reader bounds the nesting of JSON, and so this recursion.
fn flatten(value: &Value, values: &mut Vec<f64>) -> Result<(), String> {
    match value {
        Value::Array(list) => list.iter().try_for_each(|item| flatten(item, values)),
        Value::Null => {
            values.push(f64::NAN);
            Ok(())
        }
        other => {
            let number = other.as_f64();
            values.push(number.ok_or_else(|| format!("`adapt_data` holds {other}, no number"))?);
            Ok(())
        }
    }
}

fn default_epsilon() -> f64 {
    1e-8
}

impl Default for NormalizeStandardScore {
    fn default() -> Self {
        Self::new(NormalizeAxes::default())
    }
}

impl NormalizeStandardScore {
    /// Normalisation with statistics over `axes`.
    #[must_use]
    pub fn new(axes: NormalizeAxes) -> Self {
        Self { axes, normalization_epsilon: default_epsilon(), adapt_data: None }
    }

    /// The problem of a normalisation above other layers.
    pub(crate) fn misplaced(input: TensorShape) -> LayerProblem {
        LayerProblem::WrongInput {
            expected: "the input rows",
            found: input.to_string(),
            mend: "make NormalizeStandardScore the first layer",
        }
    }

    /// What is done to rows of `variables` values, `repeat` times side by side; `statistics`
    /// gives the values of `mean` (0) and `stddev` (1).
    pub(crate) fn normalisation<'a>(
        &self,
        variables: usize,
        repeat: usize,
        statistics: &impl Fn(usize) -> Option<&'a [f64]>,
    ) -> Result<Normalisation, LayerProblem> {
        let epsilon = self.normalization_epsilon;
        if self.axes == NormalizeAxes::SampleWise {
            return Ok(Normalisation::SampleWise { epsilon });
        }
        let tile = |slot: usize| -> Vec<f64> {
            let values = statistics(slot).unwrap_or_default();
            let copies = if values.len() == 1 { variables * repeat } else { repeat };
            values.repeat(copies)
        };
        Ok(Normalisation::Fixed { mean: tile(0), deviation: tile(1), epsilon })
    }

    /// Mean and deviation of the rows, one each or one for each variable.
    fn statistics(&self, data: TrainingData<'_>) -> Vec<Vec<f64>> {
        let global = self.axes == NormalizeAxes::Global;
        let count = if global { 1 } else { data.columns };
        let mut statistics = vec![Statistics::default(); count];
        data.for_rows(|row| {
            for (column, &value) in row.iter().enumerate() {
                statistics[if global { 0 } else { column }].add(value);
            }
        });
        vec![
            statistics.iter().map(Statistics::mean).collect(),
            statistics.iter().map(Statistics::deviation).collect(),
        ]
    }
}

impl LayerRules for NormalizeStandardScore {
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem> {
        let epsilon = self.normalization_epsilon;
        if !(epsilon.is_finite() && epsilon >= 0.0) {
            let reason = format!("is {epsilon}; it must be a number of at least 0");
            return Err(LayerProblem::BadOption { option: "normalization_epsilon", reason });
        }
        match input {
            TensorShape::Rows { .. } | TensorShape::Variables { tiled: false, .. } => Ok(input),
            _ => Err(Self::misplaced(input)),
        }
    }

    fn parameters(&self, input: TensorShape) -> Result<Vec<ParameterSpec>, LayerProblem> {
        let shape = match self.axes {
            NormalizeAxes::SampleWise => return Ok(Vec::new()),
            NormalizeAxes::VariableWise => input.to_vec(),
            NormalizeAxes::Global => Vec::new(),
        };
        let spec = |name| ParameterSpec::new(name, &shape, false);
        Ok(vec![spec("mean"), spec("stddev")])
    }

    fn initialize(
        &self,
        input: TensorShape,
        initialization: &Initialization<'_>,
    ) -> Result<Vec<Vec<f64>>, LayerProblem> {
        if self.axes == NormalizeAxes::SampleWise {
            return Ok(Vec::new());
        }
        let columns = input.to_vec().into_iter().product();
        let Some(AdaptData(values)) = &self.adapt_data else {
            return Ok(self.statistics(initialization.data("mean and stddev")?));
        };
        Ok(self.statistics(TrainingData::from_f64(values, columns).with_columns(columns)?))
    }

    fn lower(&self, input: &Tensor, lowering: &mut Lowering<'_>) -> Result<Tensor, LayerProblem> {
        let fixed = self.axes != NormalizeAxes::SampleWise;
        if lowering.step.dynamic && !fixed {
            let reason = "is `sample-wise`, which would mix the steps of a sequence; use \
                          `variable-wise` or `global`"
                .to_owned();
            return Err(LayerProblem::BadOption { option: "axes", reason });
        }
        let (variables, steps) = (lowering.variables(), lowering.step.count);
        let normalisation = if fixed {
            let statistics = [lowering.values("mean")?, lowering.values("stddev")?];
            self.normalisation(variables, steps, &|slot: usize| statistics.get(slot).copied())?
        } else {
            self.normalisation(variables, steps, &|_| None)?
        };
        lowering.builder.set_normalisation(Some(normalisation));
        Ok(input.clone())
    }
}
