//! Images in memory, and drawing on them with smooth edges.
//!
//! In: pixels, or a function that draws with `plotters`. Out: an [`Image`]. Drawings are made at twice
//! the size and then halved: lines and letters come out smooth, and their places finer than a pixel.

use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::prelude::BitMapBackend;
use plotters::style::{FontStyle, RGBColor, register_font};

use super::PictureError;

/// Name under which `plotters` finds the embedded font.
pub(super) const FONT: &str = "sans-serif";

/// How much larger drawings are made before they are reduced.
pub(super) const OVERSIZE: usize = 2;

/// Most pixels of a picture: 64 million, or 192 MB.
const MOST_PIXELS: usize = 64_000_000;

/// What the bytes of an image mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// One byte for each pixel, 0 is black.
    Gray,
    /// Three bytes for each pixel: red, green, blue.
    Rgb,
}

impl Color {
    fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
        }
    }
}

/// A picture of at least one pixel, its bytes in rows from the top left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    color: Color,
    width: usize,
    height: usize,
    bytes: Vec<u8>,
}

impl Image {
    /// Makes a picture of its bytes.
    ///
    /// # Errors
    ///
    /// When the bytes are not as many as the picture needs, none, or more than for 64 million pixels.
    pub fn new(
        color: Color,
        width: usize,
        height: usize,
        bytes: Vec<u8>,
    ) -> Result<Self, PictureError> {
        let expected = pixel_count(width, height)? * color.channels();
        if bytes.len() != expected {
            let found = bytes.len();
            return Err(PictureError::Size { what: "bytes of the image", expected, found });
        }
        Ok(Self { color, width, height, bytes })
    }

    /// A picture of one color.
    pub(super) fn filled(
        width: usize,
        height: usize,
        color: [u8; 3],
    ) -> Result<Self, PictureError> {
        let bytes = color.repeat(pixel_count(width, height)?);
        Ok(Self { color: Color::Rgb, width, height, bytes })
    }

    /// What the bytes mean.
    pub fn color(&self) -> Color {
        self.color
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows of pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes, in rows from the top left.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Sets a pixel of a color picture; nothing happens outside of it.
    pub(super) fn set(&mut self, x: usize, y: usize, color: [u8; 3]) {
        let start = (y * self.width + x) * 3;
        if x < self.width
            && let Some(pixel) = self.bytes.get_mut(start..start + 3)
        {
            pixel.copy_from_slice(&color);
        }
    }

    /// Puts another color picture on this one.
    pub(super) fn paste(&mut self, other: &Image, left: usize, top: usize) {
        let rows = other.bytes.chunks_exact(other.width * 3);
        for (y, row) in rows.enumerate() {
            for (x, pixel) in row.as_chunks::<3>().0.iter().enumerate() {
                self.set(left + x, top + y, *pixel);
            }
        }
    }
}

/// Checks the size of a picture.
fn pixel_count(width: usize, height: usize) -> Result<usize, PictureError> {
    match width.checked_mul(height) {
        Some(0) => Err(PictureError::Nothing("the picture has no pixels")),
        Some(count) if count <= MOST_PIXELS => Ok(count),
        _ => Err(PictureError::TooLarge { width, height }),
    }
}

/// What drawing functions draw on. Lengths there are [`OVERSIZE`] times those of the picture.
pub(super) type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Turns any error of `plotters` into ours.
pub(super) fn drawing_error(error: impl std::fmt::Display) -> PictureError {
    PictureError::Drawing(error.to_string())
}

/// Makes a color picture with a function that draws on a filled area.
pub(super) fn draw(
    width: usize,
    height: usize,
    paper: [u8; 3],
    drawing: impl FnOnce(&Area<'_>) -> Result<(), PictureError>,
) -> Result<Image, PictureError> {
    register()?;
    let mut large = Image::filled(width * OVERSIZE, height * OVERSIZE, paper)?;
    let too_large = |_| PictureError::TooLarge { width, height };
    let size = (
        u32::try_from(large.width).map_err(too_large)?,
        u32::try_from(large.height).map_err(too_large)?,
    );
    {
        let area = BitMapBackend::with_buffer(&mut large.bytes, size).into_drawing_area();
        area.fill(&RGBColor(paper[0], paper[1], paper[2])).map_err(drawing_error)?;
        drawing(&area)?;
        area.present().map_err(drawing_error)?;
    }
    reduce(&large, width, height)
}

/// Averages squares of pixels.
fn reduce(large: &Image, width: usize, height: usize) -> Result<Image, PictureError> {
    let mut image = Image::filled(width, height, [0; 3])?;
    for (position, byte) in image.bytes.iter_mut().enumerate() {
        let (pixel, channel) = (position / 3, position % 3);
        let (left, top) = (pixel % width * OVERSIZE, pixel / width * OVERSIZE);
        let mut sum = OVERSIZE * OVERSIZE / 2;
        for y in top..top + OVERSIZE {
            for x in left..left + OVERSIZE {
                sum += usize::from(large.bytes[(y * large.width + x) * 3 + channel]);
            }
        }
        *byte = (sum / (OVERSIZE * OVERSIZE)) as u8;
    }
    Ok(image)
}

/// Makes the embedded font known to `plotters`, once.
fn register() -> Result<(), PictureError> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let font = include_bytes!("../../assets/DejaVuSans-subset.ttf");
    let registered =
        REGISTERED.get_or_init(|| register_font(FONT, FontStyle::Normal, font).is_ok());
    if *registered {
        return Ok(());
    }
    Err(PictureError::Drawing("the embedded font is damaged".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plotters::prelude::{Rectangle, Text};
    use plotters::style::{BLACK, Color as _};

    #[test]
    fn sizes_are_checked() {
        assert!(Image::new(Color::Gray, 2, 2, vec![0; 4]).is_ok());
        let error = Image::new(Color::Rgb, 2, 2, vec![0; 4]).unwrap_err().to_string();
        assert_eq!(error, "bytes of the image: 12 values are needed, 4 are given");
        assert!(matches!(Image::filled(0, 5, [0; 3]), Err(PictureError::Nothing(_))));
        for (width, height) in [(1 << 20, 1 << 20), (usize::MAX, 2)] {
            let error = Image::filled(width, height, [0; 3]);
            assert!(matches!(error, Err(PictureError::TooLarge { .. })));
        }
    }

    #[test]
    fn half_covered_pixels_are_gray() {
        let image = draw(2, 1, [255; 3], |area| {
            area.draw(&Rectangle::new([(0, 0), (2, 1)], BLACK.filled())).map_err(drawing_error)
        });
        assert_eq!(image.unwrap().bytes(), [128, 128, 128, 255, 255, 255]);
    }

    #[test]
    fn the_font_holds_ascii() {
        for letter in ' '..='~' {
            let image = draw(20, 20, [255; 3], |area| {
                let text = Text::new(letter.to_string(), (4, 4), (FONT, 28));
                area.draw(&text).map_err(drawing_error)
            });
            let inked = image.unwrap().bytes().iter().any(|&byte| byte < 128);
            assert_eq!(inked, letter != ' ', "{letter}");
        }
    }
}
