//! PNG files.
//!
//! In: an [`Image`]. Out: a file, whole or not at all.

use std::io;
use std::path::Path;

use ::png::{BitDepth, ColorType, Encoder};

use super::{Color, Image};
use crate::output::{OutputError, write_atomically};

/// Writes a picture as a PNG file.
///
/// # Errors
///
/// When the file cannot be written; nothing remains then.
///
/// ```
/// use spn_cli::picture::{Color, Image, png};
/// let path = std::env::temp_dir().join("spn-png-example.png");
/// let image = Image::new(Color::Gray, 2, 1, vec![0, 255])?;
/// png::write(&path, &image)?;
/// assert!(std::fs::read(&path)?.starts_with(b"\x89PNG"));
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(path: &Path, image: &Image) -> Result<(), OutputError> {
    write_atomically(path, |writer| {
        let size = |length| u32::try_from(length).map_err(io::Error::other);
        let mut encoder = Encoder::new(writer, size(image.width())?, size(image.height())?);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_color(match image.color() {
            Color::Gray => ColorType::Grayscale,
            Color::Rgb => ColorType::Rgb,
        });
        let mut writer = encoder.write_header()?;
        writer.write_image_data(image.bytes())?;
        writer.finish()?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_back() {
        let path = std::env::temp_dir().join(format!("spn-png-{}.png", std::process::id()));
        for (color, channels) in [(Color::Gray, 1), (Color::Rgb, 3)] {
            let bytes: Vec<u8> = (0..6 * channels).map(|value| value as u8 * 13).collect();
            write(&path, &Image::new(color, 3, 2, bytes.clone()).unwrap()).unwrap();
            let file = io::BufReader::new(std::fs::File::open(&path).unwrap());
            let mut reader = ::png::Decoder::new(file).read_info().unwrap();
            let mut decoded = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut decoded).unwrap();
            assert_eq!((info.width, info.height, decoded), (3, 2, bytes));
        }
        std::fs::remove_file(path).unwrap();
    }
}
