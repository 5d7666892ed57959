//! Rows for networks of images.

/// Smooth grey images in 0..=255, row-major.
#[must_use]
pub fn images(rows: usize, columns: usize) -> Vec<f32> {
    let value = |index: usize| {
        let phase = (index / columns) as f32 * 0.7 + (index % columns) as f32 * 0.013;
        127.5 * (1.0 + phase.sin() * (phase * 3.1).cos())
    };
    (0..rows * columns).map(value).collect()
}
