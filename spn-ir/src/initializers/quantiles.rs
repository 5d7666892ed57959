//! PoonDomingosMeanOfQuantileSplit and PoonDomingosStddevOfQuantileSplit.
//!
//! Each variable's observed training values are sorted and cut into as many chunks as the leaf
//! has components; component `k` gets the mean, or the population standard deviation, of chunk
//! `k`.
//!
//! The reference library cuts chunks of `n / K` values, rounded half to even, the last one being
//! the rest. Where that makes `K` chunks this does the same. Where it does not (the reference
//! fails there: 10 values in 4 chunks would be 5 chunks of 2) the chunks' sizes differ by at most
//! one, the larger ones first. Fewer values than components are repeated. A variable without any
//! observed value gets means of 0 and deviations of 1.

use std::ops::Range;

use super::{InitializerError, InitializerRequest};

/// The means of the chunks.
pub(super) fn means(request: &InitializerRequest<'_>) -> Result<Vec<f64>, InitializerError> {
    of_chunks(request, "PoonDomingosMeanOfQuantileSplit", 0.0, mean)
}

/// The population standard deviations of the chunks, at least `minimum`.
pub(super) fn deviations(
    request: &InitializerRequest<'_>,
    minimum: f64,
) -> Result<Vec<f64>, InitializerError> {
    let initializer = "PoonDomingosStddevOfQuantileSplit";
    if !(minimum >= 0.0 && minimum.is_finite()) {
        let allowed = "a finite number that is not negative";
        let (option, value) = ("minimum", minimum);
        return Err(InitializerError::BadOption { initializer, option, value, allowed });
    }
    of_chunks(request, initializer, 1.0, |chunk| {
        let mean = mean(chunk);
        let squares: f64 = chunk.iter().map(|value| (value - mean).powi(2)).sum();
        (squares / chunk.len() as f64).sqrt().max(minimum)
    })
}

fn mean(chunk: &[f64]) -> f64 {
    chunk.iter().sum::<f64>() / chunk.len() as f64
}

/// `[1, a, b, K, V]`: `statistic` of each variable's chunks, `unknown` where nothing is observed.
fn of_chunks(
    request: &InitializerRequest<'_>,
    initializer: &'static str,
    unknown: f64,
    statistic: impl Fn(&[f64]) -> f64,
) -> Result<Vec<f64>, InitializerError> {
    let (data, components) = request.leaf(initializer)?;
    let mut result = vec![unknown; request.len()];
    let mut sorted = Vec::with_capacity(data.rows);
    for column in 0..data.width() {
        sorted.clear();
        sorted.extend(data.column(column));
        sorted.sort_unstable_by(f64::total_cmp);
        if sorted.is_empty() {
            continue;
        }
        let (cell, dimension) = (column / data.dimensions, column % data.dimensions);
        for component in 0..components {
            let position = (cell * components + component) * data.dimensions + dimension;
            result[position] = statistic(&sorted[chunk(sorted.len(), components, component)]);
        }
    }
    Ok(result)
}

/// Which of `count` sorted values chunk `index` of `chunks` holds; never empty for `count > 0`.
fn chunk(count: usize, chunks: usize, index: usize) -> Range<usize> {
    if count < chunks {
        let single = index * count / chunks;
        return single..single + 1;
    }
    let size = (count as f64 / chunks as f64).round_ties_even() as usize;
    if count.div_ceil(size) == chunks {
        return index * size..((index + 1) * size).min(count);
    }
    let (size, larger) = (count / chunks, count % chunks);
    let start = index * size + index.min(larger);
    start..start + size + usize::from(index < larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_the_values_once() {
        for count in 1..60 {
            for chunks in 1..=count {
                let mut next = 0;
                for index in 0..chunks {
                    let range = chunk(count, chunks, index);
                    assert_eq!(range.start, next, "{count} values in {chunks} chunks");
                    assert!(!range.is_empty(), "{count} values in {chunks} chunks");
                    next = range.end;
                }
                assert_eq!(next, count);
            }
        }
    }

    #[test]
    fn chunks_where_the_reference_makes_another_number() {
        let sizes = |count, chunks| (0..chunks).map(|k| chunk(count, chunks, k).len()).collect();
        let sizes: [Vec<usize>; 5] =
            [sizes(7, 3), sizes(10, 4), sizes(5, 4), sizes(6, 4), sizes(11, 4)];
        assert_eq!(sizes[0], [3, 2, 2]);
        assert_eq!(sizes[1], [3, 3, 2, 2]);
        assert_eq!(sizes[2], [2, 1, 1, 1]);
        assert_eq!(sizes[3], [2, 2, 1, 1]);
        assert_eq!(sizes[4], [3, 3, 3, 2], "the reference's own split");
    }

    #[test]
    fn few_values_are_repeated() {
        let starts: Vec<usize> = (0..5).map(|index| chunk(2, 5, index).start).collect();
        assert_eq!(starts, [0, 0, 0, 1, 1]);
    }
}
