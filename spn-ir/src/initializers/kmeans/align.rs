//! Aligning the clusters of all cells, so that cluster `k` means something similar everywhere.
//!
//! As in the reference library: common centroids are chosen among all cells' centroids; then, in
//! turns, each cell orders its centroids such that their distance to the common ones is smallest,
//! and the common centroids become the means of the cells'. The best of the `K!` orders is found
//! exactly with a table over subsets, in `2^K · K` steps.

use rand::Rng;

use super::KMeans;
use super::cluster::{Points, distance};

impl KMeans {
    /// Reorders the clusters of each cell in `centroids`, `[cells, clusters, dimensions]`.
    pub(super) fn align(
        &self,
        centroids: &mut [f64],
        clusters: usize,
        dimensions: usize,
        generator: &mut impl Rng,
    ) {
        let size = clusters * dimensions;
        if size == 0 || centroids.is_empty() {
            return;
        }
        let all = Points::of(dimensions, centroids.to_vec());
        let mut common = all.first_centroids(clusters, self.centroid_initialization, generator);
        let cells = (centroids.len() / size) as f64;
        let mut before = f64::INFINITY;
        for _ in 0..self.num_iters {
            for cell in centroids.chunks_exact_mut(size) {
                reorder(cell, &common, clusters, dimensions);
            }
            common.fill(0.0);
            for cell in centroids.chunks_exact(size) {
                for (mean, &value) in common.iter_mut().zip(cell) {
                    *mean += value / cells;
                }
            }
            let apart = centroids.chunks_exact(size).map(|cell| distance(cell, &common));
            let mean = apart.sum::<f64>() / (cells * clusters as f64);
            if (before - mean).abs() < self.stop_epsilon {
                break;
            }
            before = mean;
        }
    }
}

/// Puts a cell's centroids into the order that is nearest to the common ones.
fn reorder(cell: &mut [f64], common: &[f64], clusters: usize, dimensions: usize) {
    let costs: Vec<f64> = common
        .chunks_exact(dimensions)
        .flat_map(|goal| cell.chunks_exact(dimensions).map(|own| distance(own, goal)))
        .collect();
    let old = cell.to_vec();
    let order = best_order(&costs, clusters);
    for (new, &own) in cell.chunks_exact_mut(dimensions).zip(&order) {
        new.copy_from_slice(&old[own * dimensions..][..dimensions]);
    }
}

/// The permutation `order` with the smallest `Σ_k costs[k, order[k]]`.
///
/// `best[s]` is the smallest cost of giving the members of subset `s` to the first `|s|` places;
/// the last of these places went to one of the members.
fn best_order(costs: &[f64], clusters: usize) -> Vec<usize> {
    let mut best = vec![(0.0, 0); 1 << clusters];
    for subset in 1_usize..1 << clusters {
        let place = subset.count_ones() as usize - 1;
        let members = (0..clusters).filter(|member| subset >> member & 1 == 1);
        best[subset] = members.fold((f64::INFINITY, 0), |found, member| {
            let cost = best[subset & !(1 << member)].0 + costs[place * clusters + member];
            // An infinite distance still needs a member of the subset.
            if cost < found.0 || found.0 == f64::INFINITY { (cost, member) } else { found }
        });
    }
    let mut order = vec![0; clusters];
    let mut subset = (1 << clusters) - 1;
    for place in order.iter_mut().rev() {
        *place = best[subset].1;
        subset &= !(1 << *place);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    /// All orders of `rest`, appended to `start`.
    fn orders(start: &[usize], rest: &[usize], found: &mut Vec<Vec<usize>>) {
        if rest.is_empty() {
            found.push(start.to_vec());
        }
        for &next in rest {
            let start = [start, &[next]].concat();
            let rest: Vec<usize> = rest.iter().copied().filter(|&other| other != next).collect();
            orders(&start, &rest, found);
        }
    }

    #[test]
    fn the_best_order_is_the_best_of_all_permutations() {
        let mut generator = crate::random::stream(5, 0);
        for clusters in 1..=6 {
            let mut all = Vec::new();
            orders(&[], &(0..clusters).collect::<Vec<_>>(), &mut all);
            for _ in 0..20 {
                let costs: Vec<f64> =
                    (0..clusters * clusters).map(|_| generator.random()).collect();
                let cost = |order: &Vec<usize>| -> f64 {
                    order.iter().enumerate().map(|(k, &own)| costs[k * clusters + own]).sum()
                };
                let least = all.iter().map(cost).fold(f64::INFINITY, f64::min);
                let order = best_order(&costs, clusters);
                assert!(all.contains(&order));
                assert!((cost(&order) - least).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn infinite_costs_still_give_a_permutation() {
        let mut order = best_order(&[f64::INFINITY; 16], 4);
        order.sort_unstable();
        assert_eq!(order, [0, 1, 2, 3]);
    }
}
