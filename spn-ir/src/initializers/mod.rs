//! Initialisers: the first values of a parameter.
//!
//! In: an [`Initializer`] (by name in a layer file), the parameter's shape, a seed with a stream
//! number, and for the data-driven ones the training rows. Out: the values, row-major. The same
//! request gives the same values, up to the rounding of a platform's logarithms.
//!
//! In a layer file an initialiser is `"Zeros"` or `{"name": "Constant", "value": 0.5}`; defaults
//! are those of libspn-keras and Keras. Each initialiser is one file here.

mod dirichlet;
mod equidistant;
mod error;
mod glorot;
mod kmeans;
mod normal;
mod parse;
mod quantiles;
mod request;
mod rows;
#[cfg(test)]
mod tests;
mod uniform;

use serde::Serialize;

pub use error::InitializerError;
pub use kmeans::{CentroidInitialization, KMeans};
pub use request::{InitializerRequest, LeafData};

/// How a parameter gets its first values.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "name")]
pub enum Initializer {
    /// Slices along `axis` are drawn from a symmetric Dirichlet distribution.
    Dirichlet {
        /// The axis whose slices sum to 1, negative from the end; default -2.
        axis: i32,
        /// Concentration; default 0.1.
        alpha: f64,
    },
    /// Every value is `epsilon` divided by the axis' length.
    EpsilonInverseFanIn {
        /// The axis, negative from the end; default -2.
        axis: i32,
        /// Default 1e-4.
        epsilon: f64,
    },
    /// Evenly spaced values along the last axis, both ends included.
    Equidistant {
        /// First value; default 0.
        minval: f64,
        /// Last value; default 1.
        maxval: f64,
    },
    /// Normal values, drawn again while they are more than two deviations from the mean.
    TruncatedNormal {
        /// Mean; default 0.
        mean: f64,
        /// Standard deviation before the tails are cut; default 0.05.
        stddev: f64,
    },
    /// Normal values.
    RandomNormal {
        /// Mean; default 0.
        mean: f64,
        /// Standard deviation; default 0.05.
        stddev: f64,
    },
    /// Uniform values.
    RandomUniform {
        /// Lower bound; default -0.05.
        minval: f64,
        /// Upper bound, excluded; default 0.05.
        maxval: f64,
    },
    /// One value everywhere.
    Constant {
        /// The value; default 0.
        value: f64,
    },
    /// 0 everywhere.
    Zeros,
    /// 1 everywhere.
    Ones,
    /// Keras' Glorot initialisation with uniform values.
    GlorotUniform,
    /// Keras' Glorot initialisation with truncated normal values.
    GlorotNormal,
    /// Centroids of the training data, clustered cell by cell; for locations.
    KMeans(KMeans),
    /// Means of the quantiles of the training data, variable by variable; for locations.
    PoonDomingosMeanOfQuantileSplit,
    /// Population standard deviations of the quantiles of the training data; for scales.
    PoonDomingosStddevOfQuantileSplit {
        /// What a quantile of equal values gets, since a scale of 0 (the reference's answer) is
        /// no density; default 1e-4.
        minimum: f64,
    },
    /// Rows of the training data, the same for all cells; for locations.
    RandomRows,
    /// Values given one by one, row-major.
    Value {
        /// As many as the shape holds.
        values: Vec<f64>,
    },
}

impl Initializer {
    /// Whether [`initialize`](Self::initialize) reads [`InitializerRequest::data`].
    #[must_use]
    pub fn needs_data(&self) -> bool {
        matches!(
            self,
            Self::KMeans(_)
                | Self::PoonDomingosMeanOfQuantileSplit
                | Self::PoonDomingosStddevOfQuantileSplit { .. }
                | Self::RandomRows
        )
    }

    /// Computes the first values of a parameter.
    ///
    /// # Errors
    /// If an option is out of its range, an axis is not one of the shape, or the data are missing
    /// or do not fit the shape.
    pub fn initialize(
        &self,
        request: &InitializerRequest<'_>,
    ) -> Result<Vec<f64>, InitializerError> {
        match *self {
            Self::Dirichlet { axis, alpha } => dirichlet::dirichlet(request, axis, alpha),
            Self::EpsilonInverseFanIn { axis, epsilon } => {
                let length = request.axis("EpsilonInverseFanIn", axis)?.length;
                Ok(vec![epsilon / length as f64; request.len()])
            }
            Self::Equidistant { minval, maxval } => {
                Ok(equidistant::equidistant(request, minval, maxval))
            }
            Self::TruncatedNormal { mean, stddev } => normal::truncated(request, mean, stddev),
            Self::RandomNormal { mean, stddev } => normal::normal(request, mean, stddev),
            Self::RandomUniform { minval, maxval } => uniform::uniform(request, minval, maxval),
            Self::Constant { value } => Ok(vec![value; request.len()]),
            Self::Zeros => Ok(vec![0.0; request.len()]),
            Self::Ones => Ok(vec![1.0; request.len()]),
            Self::GlorotUniform => glorot::uniform(request),
            Self::GlorotNormal => glorot::normal(request),
            Self::KMeans(ref options) => options.initialize(request),
            Self::PoonDomingosMeanOfQuantileSplit => quantiles::means(request),
            Self::PoonDomingosStddevOfQuantileSplit { minimum } => {
                quantiles::deviations(request, minimum)
            }
            Self::RandomRows => rows::rows(request),
            Self::Value { ref values } => request.exactly(values),
        }
    }
}
