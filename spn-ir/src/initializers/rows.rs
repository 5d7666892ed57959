//! RandomRows: locations that are rows of the training data (Forgy 1965).
//!
//! Component `k` of every cell gets its values from one and the same row, so that components which
//! a network combines across cells are whole examples from the start: what hard expectation
//! maximisation of mixtures (k-means) begins with.

use rand::RngExt;
use rand::seq::SliceRandom;

use super::{InitializerError, InitializerRequest};

/// `[1, a, b, K, V]`: the values of `K` rows, each drawn once as long as there are rows enough. A
/// missing value becomes the mean of its column, 0 if that has none.
pub(super) fn rows(request: &InitializerRequest<'_>) -> Result<Vec<f64>, InitializerError> {
    let (data, components) = request.leaf("RandomRows")?;
    let mut result = vec![0.0; request.len()];
    if data.rows == 0 {
        return Ok(result);
    }
    let mut generator = request.generator();
    let mut order: Vec<usize> = (0..data.rows).collect();
    order.shuffle(&mut generator);
    while order.len() < components {
        order.push(generator.random_range(0..data.rows));
    }
    for column in 0..data.width() {
        let (cell, dimension) = (column / data.dimensions, column % data.dimensions);
        let observed = data.column(column).count().max(1);
        let mean = data.column(column).sum::<f64>() / observed as f64;
        for (component, &row) in order[..components].iter().enumerate() {
            let value = data.values[row * data.width() + column];
            let position = (cell * components + component) * data.dimensions + dimension;
            result[position] = if value.is_finite() { value } else { mean };
        }
    }
    Ok(result)
}
