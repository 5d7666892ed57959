//! Completed images beside what they were completed from.
//!
//! In: images, which of their values were hidden, and the completions. Out: one picture with a triple
//! for each image: the original, the evidence with the hidden part in hatched blue-grey, and the
//! completion. Images are enlarged by a whole factor, so that each pixel stays a square.

use plotters::prelude::Text;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{IntoTextStyle, RGBColor};

use super::canvas::{FONT, OVERSIZE, draw, drawing_error};
use super::{Image, PictureError};

/// Pixels that the longer side of an enlarged image at least has.
const SIDE: usize = 64;
/// Pixels between the parts of a triple.
const PART_GAP: usize = 3;
/// Pixels between triples in a row.
const TRIPLE_GAP: usize = 22;
/// Pixels between rows of triples.
const ROW_GAP: usize = 10;
/// Pixels around all.
const MARGIN: usize = 16;
/// Height of the line of captions, which stands above images that are wide enough for it.
const CAPTION: usize = 20;
/// The narrowest image that has captions.
const CAPTION_WIDTH: usize = 60;
/// The ratio of width and height that sheets come close to.
const RATIO: f64 = 1.4;

/// The paper.
const PAPER: [u8; 3] = [0xff, 0xff, 0xff];
/// The two tones of the hatching that stands for hidden values.
const HIDDEN: [[u8; 3]; 2] = [[0x86, 0x9f, 0xbd], [0x9c, 0xb2, 0xcc]];
/// The captions above the three parts.
const NAMES: [&str; 3] = ["original", "evidence", "completed"];

/// Images and their completions. All slices hold the same number of values: images in rows as in a
/// `data::Table`.
#[derive(Debug, Clone, Copy)]
pub struct Strips<'a> {
    /// The shape of one image: `[height, width]`, or `[height, width, channels]` with 1 or 3 channels.
    pub shape: &'a [usize],
    /// The values that are drawn as black and as white.
    pub range: (f32, f32),
    /// The true images. Values that are not known (NaN) are drawn as hidden.
    pub original: &'a [f32],
    /// Which values the completion did not see.
    pub hidden: &'a [bool],
    /// The completed images.
    pub completed: &'a [f32],
}

/// Draws all images on one sheet.
///
/// # Errors
///
/// When the shape is not that of images, the slices are not of one length, or nothing or far too much
/// is to be drawn.
///
/// ```
/// let sheet = spn_cli::picture::strip::sheet(&spn_cli::picture::strip::Strips {
///     shape: &[1, 2],
///     range: (0.0, 1.0),
///     original: &[0.0, 1.0],
///     hidden: &[false, true],
///     completed: &[0.0, 0.8],
/// })?;
/// assert!(sheet.width() > 3 * 64);
/// # Ok::<(), spn_cli::picture::PictureError>(())
/// ```
pub fn sheet(strips: &Strips<'_>) -> Result<Image, PictureError> {
    let layout = Layout::new(strips)?;
    let (width, height) = layout.size();
    let mut sheet = Image::filled(width, height, PAPER)?;
    if layout.caption > 0 {
        sheet.paste(&captions(&layout, width)?, 0, MARGIN - 4);
    }
    for image in 0..layout.count {
        let (left, top) = layout.corner(image);
        for part in 0..NAMES.len() {
            draw_part(&mut sheet, strips, &layout, image, part, (left + layout.step(part), top));
        }
    }
    Ok(sheet)
}

/// Where everything stands.
struct Layout {
    /// Images.
    count: usize,
    /// Triples in a row.
    across: usize,
    /// Pixels of an image before it is enlarged: height, width and channels.
    image: [usize; 3],
    /// How many times each image is enlarged.
    factor: usize,
    /// Height of the captions, if there are any.
    caption: usize,
}

impl Layout {
    fn new(strips: &Strips<'_>) -> Result<Self, PictureError> {
        let image = match *strips.shape {
            [height, width] => [height, width, 1],
            [height, width, channels @ (1 | 3)] => [height, width, channels],
            _ => return Err(PictureError::Shape(strips.shape.to_vec())),
        };
        let [height, width, channels] = image;
        let values = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
        let values = values.ok_or(PictureError::TooLarge { width, height })?;
        if values == 0 || strips.original.is_empty() {
            return Err(PictureError::Nothing("there are no images"));
        }
        let count = strips.original.len().div_ceil(values);
        let expected = count * values;
        for (what, found) in [
            ("original images", strips.original.len()),
            ("hidden values", strips.hidden.len()),
            ("completed images", strips.completed.len()),
        ] {
            if found != expected {
                return Err(PictureError::Size { what, expected, found });
            }
        }
        let factor = SIDE.div_ceil(height.max(width));
        let caption = if width * factor < CAPTION_WIDTH { 0 } else { CAPTION };
        let layout = |across| Self { count, across, image, factor, caption };
        let distance = |layout: &Self| {
            let (width, height) = layout.size();
            (width as f64 / height as f64 / RATIO).ln().abs()
        };
        let best = (1..=count.min(12))
            .map(layout)
            .min_by(|one, other| distance(one).total_cmp(&distance(other)));
        Ok(best.unwrap_or(layout(1)))
    }

    /// From the left of a triple to the left of one of its parts.
    fn step(&self, part: usize) -> usize {
        part * (self.image[1] * self.factor + PART_GAP)
    }

    /// Width and height of the sheet.
    fn size(&self) -> (usize, usize) {
        let triple = self.step(NAMES.len()) - PART_GAP;
        let down = self.count.div_ceil(self.across);
        let width = self.across * (triple + TRIPLE_GAP) - TRIPLE_GAP;
        let height = down * (self.image[0] * self.factor + ROW_GAP) - ROW_GAP;
        (width + 2 * MARGIN, height + self.caption + 2 * MARGIN)
    }

    /// The top left corner of a triple.
    fn corner(&self, image: usize) -> (usize, usize) {
        let (column, row) = (image % self.across, image / self.across);
        let left = column * (self.step(NAMES.len()) - PART_GAP + TRIPLE_GAP);
        let top = row * (self.image[0] * self.factor + ROW_GAP);
        (MARGIN + left, MARGIN + self.caption + top)
    }
}

/// The line of captions, as wide as the sheet.
fn captions(layout: &Layout, width: usize) -> Result<Image, PictureError> {
    draw(width, CAPTION, PAPER, |area| {
        let style = (FONT, 11.5 * OVERSIZE as f64, &RGBColor(0x55, 0x5b, 0x66))
            .into_text_style(area)
            .pos(Pos::new(HPos::Center, VPos::Center));
        for triple in 0..layout.across.min(layout.count) {
            for (part, name) in NAMES.iter().enumerate() {
                let middle = layout.image[1] * layout.factor / 2;
                let x = layout.corner(triple).0 + layout.step(part) + middle;
                let place = ((x * OVERSIZE) as i32, (CAPTION * OVERSIZE / 2) as i32);
                area.draw(&Text::new(*name, place, style.clone())).map_err(drawing_error)?;
            }
        }
        Ok(())
    })
}

/// Draws the original, the evidence or the completion of an image.
fn draw_part(
    sheet: &mut Image,
    strips: &Strips<'_>,
    layout: &Layout,
    image: usize,
    part: usize,
    (left, top): (usize, usize),
) {
    let [height, width, channels] = layout.image;
    let values = if part == 2 { strips.completed } else { strips.original };
    for pixel in 0..height * width {
        let start = (image * height * width + pixel) * channels;
        let range = start..start + channels;
        let color = color(&values[range.clone()], strips.range);
        let color = if part == 1 && strips.hidden[range].contains(&true) { None } else { color };
        let (x, y) = (pixel % width * layout.factor, pixel / width * layout.factor);
        for y in y..y + layout.factor {
            for x in x..x + layout.factor {
                let color = color.unwrap_or(HIDDEN[(x + y) / 4 % 2]);
                sheet.set(left + x, top + y, color);
            }
        }
    }
}

/// The color of a pixel; none if one of its values is missing.
fn color(values: &[f32], (black, white): (f32, f32)) -> Option<[u8; 3]> {
    let byte = |value: f32| {
        let part = (value - black) / (white - black);
        // A range without width gives NaN for its one value; the cast makes that black.
        (part.clamp(0.0, 1.0) * 255.0).round() as u8
    };
    match *values {
        _ if values.iter().any(|value| value.is_nan()) => None,
        [red, green, blue] => Some([byte(red), byte(green), byte(blue)]),
        [gray, ..] => Some([byte(gray); 3]),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strips<'a>(shape: &'a [usize], values: &'a [f32], hidden: &'a [bool]) -> Strips<'a> {
        Strips { shape, range: (0.0, 16.0), original: values, hidden, completed: values }
    }

    fn pixel(image: &Image, x: usize, y: usize) -> [u8; 3] {
        let start = (y * image.width() + x) * 3;
        image.bytes()[start..start + 3].try_into().unwrap()
    }

    #[test]
    fn images_are_enlarged_and_hidden_parts_marked() {
        // One image of 2 x 2 with a white pixel at the top right, its right half hidden.
        let (values, hidden) = ([0.0, 16.0, 4.0, f32::NAN], [false, true, false, true]);
        let sheet = sheet(&strips(&[2, 2], &values, &hidden)).unwrap();
        assert_eq!(sheet.width(), 2 * MARGIN + 3 * 64 + 2 * PART_GAP);
        assert_eq!(sheet.height(), 2 * MARGIN + CAPTION + 64);
        let (left, top) = (MARGIN, MARGIN + CAPTION);
        assert_eq!(pixel(&sheet, left, top), [0; 3]);
        assert_eq!(pixel(&sheet, left + 32, top), [255; 3]);
        assert_eq!(pixel(&sheet, left, top + 32), [64; 3]);
        assert!(HIDDEN.contains(&pixel(&sheet, left + 63, top + 63)), "not known");
        let evidence = left + 64 + PART_GAP;
        assert_eq!(pixel(&sheet, evidence, top), [0; 3]);
        assert!(HIDDEN.contains(&pixel(&sheet, evidence + 32, top)));
        let completed = left + 2 * (64 + PART_GAP);
        assert_eq!(pixel(&sheet, completed + 32, top), [255; 3]);
    }

    #[test]
    fn many_images_make_a_sheet_and_not_a_ribbon() {
        for (shape, enlarged) in [([8, 8], 64), ([28, 28], 84), ([100, 100], 100)] {
            let values = vec![1.0; 20 * shape[0] * shape[1]];
            let hidden = vec![false; values.len()];
            let sheet = sheet(&strips(&shape, &values, &hidden)).unwrap();
            let ratio = sheet.width() as f64 / sheet.height() as f64;
            assert!((0.9..2.2).contains(&ratio), "{shape:?} {ratio}");
            assert_eq!(enlarged % shape[0], 0);
        }
    }

    #[test]
    fn colors_follow_the_range() {
        assert_eq!(color(&[-1.0], (0.0, 1.0)), Some([0; 3]));
        assert_eq!(color(&[0.5, 2.0, 0.0], (0.0, 1.0)), Some([128, 255, 0]));
        assert_eq!(color(&[0.0], (1.0, 0.0)), Some([255; 3]));
        assert_eq!(color(&[3.0], (3.0, 3.0)), Some([0; 3]));
        assert_eq!(color(&[f32::NAN], (0.0, 1.0)), None);
    }

    #[test]
    fn misfits_are_errors() {
        let cases = [
            (strips(&[4], &[0.0; 4], &[false; 4]), "rows of shape [4] cannot be drawn"),
            (strips(&[1, 2, 2], &[0.0; 4], &[false; 4]), "rows of shape [1, 2, 2]"),
            (strips(&[2, 2], &[], &[]), "there is nothing to draw"),
            (strips(&[0, 2], &[0.0; 4], &[false; 4]), "there is nothing to draw"),
            (strips(&[2, 2], &[0.0; 5], &[false; 5]), "original images: 8 values are needed"),
            (strips(&[2, 2], &[0.0; 4], &[false; 3]), "hidden values: 4 values are needed, 3"),
            (strips(&[usize::MAX, 3], &[0.0; 4], &[false; 4]), "the picture would have"),
        ];
        for (strips, expected) in cases {
            let error = sheet(&strips).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
