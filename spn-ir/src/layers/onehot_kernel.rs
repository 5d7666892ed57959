//! The kernel of a one-hot convolutional product: which channel each output channel takes from
//! each kernel cell.
//!
//! As a parameter `[rows, columns, channels, outputs]` it holds a 1 for the chosen channel and 0
//! elsewhere, so that saved models and parameter counts carry it as the reference's do; as picks
//! it is `picks[cell][output]`.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use super::LayerProblem;

/// All combinations: output `k` takes channel `k div channels^cell mod channels` of a cell, the
/// first cell varying fastest.
pub(crate) fn combinations(cells: usize, channels: usize, outputs: usize) -> Vec<Vec<u32>> {
    let mut stride = 1_usize;
    let mut picks = Vec::with_capacity(cells);
    for _ in 0..cells {
        picks.push((0..outputs).map(|output| (output / stride % channels) as u32).collect());
        // One channel needs no stride; otherwise it stays within the number of outputs.
        stride = stride.saturating_mul(channels);
    }
    picks
}

/// A new kernel: all combinations, or drawn. With at least as many outputs as channels every
/// cell uses its channels equally often (up to one), otherwise outputs draw independently.
pub(crate) fn draw_kernel(
    cells: usize,
    channels: usize,
    outputs: usize,
    all: bool,
    generator: &mut impl Rng,
) -> Vec<f64> {
    let picks = if all {
        combinations(cells, channels, outputs)
    } else {
        (0..cells).map(|_| draw_picks(channels, outputs, generator)).collect()
    };
    let mut kernel = vec![0.0; cells * channels * outputs];
    for (cell, picks) in picks.iter().enumerate() {
        for (output, &channel) in picks.iter().enumerate() {
            kernel[(cell * channels + channel as usize) * outputs + output] = 1.0;
        }
    }
    kernel
}

fn draw_picks(channels: usize, outputs: usize, generator: &mut impl Rng) -> Vec<u32> {
    if outputs < channels {
        return (0..outputs).map(|_| generator.random_range(0..channels as u32)).collect();
    }
    let mut picks: Vec<u32> = (0..outputs).map(|output| (output % channels) as u32).collect();
    picks.shuffle(generator);
    picks
}

/// Reads the picks from a kernel `[cells, channels, outputs]`.
pub(crate) fn read_kernel(
    kernel: &[f64],
    cells: usize,
    channels: usize,
    outputs: usize,
) -> Result<Vec<Vec<u32>>, LayerProblem> {
    let mut picks = vec![vec![u32::MAX; outputs]; cells];
    for (row, values) in kernel.chunks_exact(outputs.max(1)).enumerate() {
        let (cell, input) = (row / channels, row % channels);
        for (channel, &value) in values.iter().enumerate() {
            let pick = &mut picks[cell][channel];
            match value {
                0.0 => {}
                1.0 if *pick == u32::MAX => *pick = input as u32,
                _ => return Err(LayerProblem::NotOneHot { cell, channel }),
            }
        }
    }
    for (cell, picks) in picks.iter().enumerate() {
        if let Some(channel) = picks.iter().position(|&pick| pick == u32::MAX) {
            return Err(LayerProblem::NotOneHot { cell, channel });
        }
    }
    Ok(picks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn the_first_cell_varies_fastest() {
        assert_eq!(combinations(2, 2, 4), [[0, 1, 0, 1], [0, 0, 1, 1]]);
        assert_eq!(combinations(3, 1, 1), [[0], [0], [0]]);
    }

    #[test]
    fn drawn_kernels_are_balanced_and_read_back() {
        let kernel = draw_kernel(4, 3, 7, false, &mut random::stream(1, 2));
        let picks = read_kernel(&kernel, 4, 3, 7).unwrap();
        for cell in picks {
            let count = |channel| cell.iter().filter(|&&pick| pick == channel).count();
            assert_eq!([count(0), count(1), count(2)], [3, 2, 2]);
        }
        let few = draw_kernel(4, 3, 2, false, &mut random::stream(1, 2));
        assert_eq!(read_kernel(&few, 4, 3, 2).unwrap().len(), 4);
    }

    #[test]
    fn kernels_must_be_one_hot() {
        let two = [1.0, 1.0];
        assert_eq!(
            read_kernel(&two, 1, 2, 1),
            Err(LayerProblem::NotOneHot { cell: 0, channel: 0 })
        );
        assert!(read_kernel(&[0.0, 0.0], 1, 2, 1).is_err());
        assert!(read_kernel(&[0.5, 0.5], 1, 2, 1).is_err());
        assert!(read_kernel(&[f64::NAN, 0.0], 1, 2, 1).is_err());
    }
}
