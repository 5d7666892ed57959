//! KMeans: locations from a k-means clustering of the training data, cell by cell.
//!
//! [`cluster`] finds the centroids of each cell, [`align`] orders them so that component `k` of
//! neighbouring cells means something similar, and components beyond `max_num_clusters` are
//! noisy copies of the centroids. Missing values take no part in distances and means.

mod align;
mod cluster;

use std::ops::RangeInclusive;

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::named::Named;

use super::{InitializerError, InitializerRequest, LeafData};
use cluster::Points;

const NAME: &str = "KMeans";

/// Aligning takes `2^clusters` steps for each cell; more clusters than this would not end.
const MOST_ALIGNED: usize = 16;

/// The options of k-means; the defaults are the reference library's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KMeans {
    /// Whether each row is normalised to mean 0 and deviation 1 first; default true. Does little
    /// to rows that the network itself normalises sample by sample.
    pub samplewise_normalization: bool,
    /// Share of the rows that is used, drawn with replacement; default 0.2.
    pub data_fraction: f64,
    /// Added to the deviation in the normalisation; default 1e-2.
    pub normalization_epsilon: f64,
    /// Iterations end when the mean squared distance changes by less; default 1e-4.
    pub stop_epsilon: f64,
    /// The most iterations; default 100.
    pub num_iters: usize,
    /// Whether clusters are put into an order that agrees across cells; default true. Takes
    /// `cells · 2^K · K` steps for each iteration with `K` clusters.
    pub group_centroids: bool,
    /// The most clusters; default 8. A leaf with more components, which must be a multiple, gets
    /// noisy copies.
    pub max_num_clusters: usize,
    /// Standard deviation of the noise on copies; default 0.05.
    pub jitter_factor: f64,
    /// How the first centroids are chosen; default k-means++.
    pub centroid_initialization: CentroidInitialization,
}

/// How k-means chooses its first centroids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CentroidInitialization {
    /// One after the other, with probability proportional to the squared distance from the
    /// nearest one chosen before.
    #[serde(rename = "kmeans++")]
    PlusPlus,
    /// Random points with a little noise.
    #[serde(rename = "random")]
    Random,
}

impl Default for KMeans {
    fn default() -> Self {
        Self {
            samplewise_normalization: true,
            data_fraction: 0.2,
            normalization_epsilon: 1e-2,
            stop_epsilon: 1e-4,
            num_iters: 100,
            group_centroids: true,
            max_num_clusters: 8,
            jitter_factor: 0.05,
            centroid_initialization: CentroidInitialization::PlusPlus,
        }
    }
}

impl KMeans {
    /// Takes the options of a layer file. The reference's `downsample` and `use_groups` are
    /// accepted at their defaults only.
    pub(super) fn read(named: &mut Named) -> Result<Self, String> {
        let default = Self::default();
        let options = Self {
            samplewise_normalization: named
                .option("samplewise_normalization", default.samplewise_normalization)?,
            data_fraction: named.option("data_fraction", default.data_fraction)?,
            normalization_epsilon: named
                .option("normalization_epsilon", default.normalization_epsilon)?,
            stop_epsilon: named.option("stop_epsilon", default.stop_epsilon)?,
            num_iters: named.option("num_iters", default.num_iters)?,
            group_centroids: named.option("group_centroids", default.group_centroids)?,
            max_num_clusters: named.option("max_num_clusters", default.max_num_clusters)?,
            jitter_factor: named.option("jitter_factor", default.jitter_factor)?,
            centroid_initialization: named
                .option("centroid_initialization", default.centroid_initialization)?,
        };
        named.only("downsample", &Value::Null)?;
        named.only("use_groups", &Value::Bool(false))?;
        Ok(options)
    }

    /// Locations `[1, a, b, K, V]`. A cluster that no row belongs to is 0, as in the reference.
    pub(super) fn initialize(
        &self,
        request: &InitializerRequest<'_>,
    ) -> Result<Vec<f64>, InitializerError> {
        self.check()?;
        let (data, components) = request.leaf(NAME)?;
        let clusters = components.min(self.max_num_clusters);
        if components == 0 || !components.is_multiple_of(clusters) {
            return Err(InitializerError::NoMultiple { components, clusters });
        }
        let mut generator = request.generator();
        let cells = self.points(data, clusters, &mut generator);
        let mut centroids = self.cluster(&cells, clusters, data.dimensions, &mut generator);
        if self.group_centroids {
            self.align(&mut centroids, clusters, data.dimensions, &mut generator);
        }
        Ok(self.copies(centroids, components / clusters, data.dimensions, &mut generator))
    }

    fn check(&self) -> Result<(), InitializerError> {
        let bad = |option, value, allowed| {
            Err(InitializerError::BadOption { initializer: NAME, option, value, allowed })
        };
        let most = if self.group_centroids { MOST_ALIGNED } else { usize::MAX };
        let fraction: RangeInclusive<f64> = f64::MIN_POSITIVE..=1.0;
        let positive: RangeInclusive<f64> = 0.0..=f64::MAX;
        if !(1..=most).contains(&self.max_num_clusters) {
            let allowed = "at least 1, and at most 16 with `group_centroids`";
            bad("max_num_clusters", self.max_num_clusters as f64, allowed)
        } else if !fraction.contains(&self.data_fraction) {
            bad("data_fraction", self.data_fraction, "above 0 and at most 1")
        } else if !positive.contains(&self.jitter_factor) {
            bad("jitter_factor", self.jitter_factor, "a finite number that is not negative")
        } else if !(positive.contains(&self.normalization_epsilon)) {
            let allowed = "a finite number that is not negative";
            bad("normalization_epsilon", self.normalization_epsilon, allowed)
        } else {
            Ok(())
        }
    }

    /// The points of each cell: a random part of the rows, at least as many as clusters.
    fn points(
        &self,
        data: &LeafData<'_>,
        clusters: usize,
        generator: &mut impl Rng,
    ) -> Vec<Points> {
        let cells: usize = data.cells.iter().product();
        let mut points = vec![Points::new(data.dimensions); cells];
        if data.rows == 0 || data.width() == 0 {
            return points;
        }
        let wanted = (data.rows as f64 * self.data_fraction) as usize;
        for _ in 0..wanted.max(clusters) {
            let start = generator.random_range(0..data.rows) * data.width();
            let mut row = data.values[start..start + data.width()].to_vec();
            if self.samplewise_normalization {
                normalize(&mut row, self.normalization_epsilon);
            }
            for (cell, point) in points.iter_mut().zip(row.chunks_exact(data.dimensions)) {
                cell.push(point);
            }
        }
        points
    }

    /// Each centroid `copies` times, with noise on each if there are several.
    fn copies(
        &self,
        centroids: Vec<f64>,
        copies: usize,
        dimensions: usize,
        generator: &mut impl Rng,
    ) -> Vec<f64> {
        if copies == 1 {
            return centroids;
        }
        let mut result = Vec::with_capacity(centroids.len() * copies);
        for centroid in centroids.chunks_exact(dimensions) {
            for _ in 0..copies {
                for &value in centroid {
                    let noise: f64 = StandardNormal.sample(generator);
                    result.push(value + noise * self.jitter_factor);
                }
            }
        }
        result
    }
}

/// Takes the observed values of a row to mean 0 and population deviation 1.
fn normalize(row: &mut [f64], epsilon: f64) {
    let observed = || row.iter().copied().filter(|value| value.is_finite());
    let count = observed().count().max(1) as f64;
    let mean = observed().sum::<f64>() / count;
    let variance = observed().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    let deviation = variance.sqrt() + epsilon;
    // A constant row without an epsilon: only the mean is taken off.
    let deviation = if deviation > 0.0 { deviation } else { 1.0 };
    for value in row {
        *value = (*value - mean) / deviation;
    }
}
