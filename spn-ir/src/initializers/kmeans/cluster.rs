//! Lloyd's algorithm in all cells at once.
//!
//! In: the points of each cell. Out: centroids `[cells, clusters, dimensions]`. All cells take
//! the same number of iterations, as in the reference library: they end when the distance
//! averaged over all cells' points settles.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use super::{CentroidInitialization, KMeans};

/// Deviation of the noise on randomly chosen first centroids.
const FIRST_NOISE: f64 = 0.05;

/// Points `[count, dimensions]` of one cell; values that are not finite are missing.
#[derive(Clone, Debug)]
pub(super) struct Points {
    dimensions: usize,
    values: Vec<f64>,
}

impl Points {
    /// No points.
    pub(super) fn new(dimensions: usize) -> Self {
        Self { dimensions, values: Vec::new() }
    }

    /// The points of a list `[count, dimensions]`.
    pub(super) fn of(dimensions: usize, values: Vec<f64>) -> Self {
        Self { dimensions, values }
    }

    /// Adds a point, unless all of it is missing.
    pub(super) fn push(&mut self, point: &[f64]) {
        if point.iter().any(|value| value.is_finite()) {
            let known = |&value: &f64| if value.is_finite() { value } else { f64::NAN };
            self.values.extend(point.iter().map(known));
        }
    }

    fn iter(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.dimensions)
    }

    /// Means of the dimensions, 0 where nothing is observed.
    fn means(&self) -> Vec<f64> {
        let mut means = Means::new(1, self.dimensions);
        self.iter().for_each(|point| means.add(0, point));
        means.finish()
    }

    /// First centroids `[clusters, dimensions]`; missing dimensions of a chosen point are
    /// replaced by their means.
    pub(super) fn first_centroids(
        &self,
        clusters: usize,
        method: CentroidInitialization,
        generator: &mut impl Rng,
    ) -> Vec<f64> {
        let count = self.iter().len();
        if count == 0 {
            return vec![0.0; clusters * self.dimensions];
        }
        let means = self.means();
        let mut centroids = Vec::with_capacity(clusters * self.dimensions);
        let mut nearest = vec![f64::INFINITY; count];
        for cluster in 0..clusters {
            let chosen = match method {
                CentroidInitialization::PlusPlus if cluster > 0 => draw(&nearest, generator),
                _ => generator.random_range(0..count),
            };
            let point = &self.values[chosen * self.dimensions..][..self.dimensions];
            let filled =
                point.iter().zip(&means).map(|(&v, &mean)| if v.is_nan() { mean } else { v });
            centroids.extend(filled);
            let centroid = &centroids[cluster * self.dimensions..];
            for (nearest, point) in nearest.iter_mut().zip(self.iter()) {
                *nearest = nearest.min(distance(point, centroid));
            }
        }
        centroids
    }
}

impl KMeans {
    /// The centroids of each cell's points.
    pub(super) fn cluster(
        &self,
        cells: &[Points],
        clusters: usize,
        dimensions: usize,
        generator: &mut impl Rng,
    ) -> Vec<f64> {
        let mut centroids = Vec::with_capacity(cells.len() * clusters * dimensions);
        for points in cells {
            let method = self.centroid_initialization;
            let mut first = points.first_centroids(clusters, method, generator);
            if method == CentroidInitialization::Random {
                for value in &mut first {
                    let noise: f64 = StandardNormal.sample(generator);
                    *value += noise * FIRST_NOISE;
                }
            }
            centroids.extend(first);
        }
        let count: usize = cells.iter().map(|points| points.iter().len()).sum();
        let mut before = f64::INFINITY;
        for _ in 0..self.num_iters {
            let mut total = 0.0;
            let size = (clusters * dimensions).max(1);
            for (points, centroids) in cells.iter().zip(centroids.chunks_exact_mut(size)) {
                total += improve(points, centroids);
            }
            let mean = total / count.max(1) as f64;
            if (before - mean).abs() < self.stop_epsilon {
                break;
            }
            before = mean;
        }
        centroids
    }
}

/// Moves each centroid to the mean of the points nearest to it; the sum of their distances.
fn improve(points: &Points, centroids: &mut [f64]) -> f64 {
    let dimensions = points.dimensions;
    let mut means = Means::new(centroids.len() / dimensions, dimensions);
    let mut total = 0.0;
    for point in points.iter() {
        let mut best = (0, f64::INFINITY);
        for (cluster, centroid) in centroids.chunks_exact(dimensions).enumerate() {
            let distance = distance(point, centroid);
            if distance < best.1 {
                best = (cluster, distance);
            }
        }
        means.add(best.0, point);
        total += best.1;
    }
    centroids.copy_from_slice(&means.finish());
    total
}

/// Squared distance in the observed dimensions of `point`.
pub(super) fn distance(point: &[f64], centroid: &[f64]) -> f64 {
    let differences = point.iter().zip(centroid).map(|(value, centre)| value - centre);
    differences.filter(|difference| !difference.is_nan()).map(|d| d * d).sum()
}

/// A position with probability proportional to its weight; any if all weights are 0.
fn draw(weights: &[f64], generator: &mut impl Rng) -> usize {
    let total: f64 = weights.iter().sum();
    let mut rest = generator.random::<f64>() * total;
    for (position, &weight) in weights.iter().enumerate() {
        if rest < weight {
            return position;
        }
        rest -= weight;
    }
    // All weights are 0, or rounding left a rest behind the last one.
    generator.random_range(0..weights.len())
}

/// Running means of the observed values of several groups.
struct Means {
    dimensions: usize,
    sums: Vec<f64>,
    counts: Vec<f64>,
}

impl Means {
    fn new(groups: usize, dimensions: usize) -> Self {
        let size = groups * dimensions;
        Self { dimensions, sums: vec![0.0; size], counts: vec![0.0; size] }
    }

    fn add(&mut self, group: usize, point: &[f64]) {
        let start = group * self.dimensions;
        for (index, &value) in (start..).zip(point) {
            if !value.is_nan() {
                self.sums[index] += value;
                self.counts[index] += 1.0;
            }
        }
    }

    /// The means, 0 where nothing was added.
    fn finish(mut self) -> Vec<f64> {
        for (sum, count) in self.sums.iter_mut().zip(self.counts) {
            *sum /= count.max(1.0);
        }
        self.sums
    }
}
