//! Pictures that the commands write: completed images side by side, and learning curves.
//!
//! In: numbers. Out: [`Image`]s, which [`png::write`] stores. Text is set in a font that is embedded in
//! the program (`assets/README.md`), so that no system fonts are needed.

mod canvas;
pub mod curve;
pub mod png;
pub mod strip;

pub use canvas::{Color, Image};

/// Why a picture could not be drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The values do not fill the picture.
    #[error("{what}: {expected} values are needed, {found} are given")]
    Size {
        /// Which values.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The rows of the data are no images.
    #[error(
        "rows of shape {0:?} cannot be drawn; images have the shape [height, width], or \
         [height, width, channels] with 1 or 3 channels"
    )]
    Shape(Vec<usize>),
    /// There is nothing to draw.
    #[error("there is nothing to draw: {0}")]
    Nothing(&'static str),
    /// The picture would be huge.
    #[error("the picture would have {width} x {height} pixels; draw fewer images")]
    TooLarge {
        /// Pixels in a row.
        width: usize,
        /// Rows of pixels.
        height: usize,
    },
    /// The drawing library refused.
    #[error("the picture could not be drawn: {0}")]
    Drawing(String),
}
