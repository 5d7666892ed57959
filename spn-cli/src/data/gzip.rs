//! Files and their transparent decompression.
//!
//! In: a path. Out: its bytes as a stream, decompressed if the file begins with the gzip magic
//! whatever its name is, and the first bytes for telling the kind.
//!
//! A compressed file says little about its size, so decompression stops with an error after
//! [`DECOMPRESSED_LIMIT`] bytes: a small file can then not fill the memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::error::{Fault, Problem};

/// Bytes that a compressed file, or a compressed array of an `.npz`, may decompress to: 4 GiB.
pub const DECOMPRESSED_LIMIT: u64 = 4 << 30;

/// How many bytes are looked at to tell the kind of a file.
const HEAD: u64 = 512;

/// A file whose content is about to be read.
pub(super) struct Source {
    /// The first bytes after decompression, still to come from `reader`.
    pub(super) head: Vec<u8>,
    /// All bytes after decompression.
    pub(super) reader: Box<dyn BufRead>,
    /// Whether they are decompressed, so that they differ from those of the file.
    pub(super) compressed: bool,
}

/// Opens a file, compressed or not.
pub(super) fn open(path: &Path) -> Result<Source, Fault> {
    let mut file = File::open(path).map_err(Problem::Open)?;
    if file.metadata().map_err(Problem::Open)?.is_dir() {
        return Err(Problem::Open(io::ErrorKind::IsADirectory.into()).into());
    }
    let magic = peek(&mut file, 2)?;
    let compressed = magic == [0x1f, 0x8b];
    let whole = BufReader::with_capacity(1 << 16, io::Cursor::new(magic).chain(file));
    let mut reader: Box<dyn BufRead> = if compressed {
        let limited = Limited::new(MultiGzDecoder::new(whole), DECOMPRESSED_LIMIT);
        Box::new(BufReader::with_capacity(1 << 16, limited))
    } else {
        Box::new(whole)
    };
    let head = peek(&mut reader, HEAD)?;
    let reader = Box::new(io::Cursor::new(head.clone()).chain(reader));
    Ok(Source { head, reader, compressed })
}

/// Takes up to `count` bytes off the front.
fn peek(reader: &mut impl Read, count: u64) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(count).read_to_end(&mut head)?;
    Ok(head)
}

/// A reader that fails, rather than ends, after a number of bytes.
pub(super) struct Limited<R> {
    inner: R,
    limit: u64,
    left: u64,
}

impl<R> Limited<R> {
    /// Lets `limit` bytes pass.
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self { inner, limit, left: limit }
    }

    /// How many more bytes may pass.
    pub(super) fn left(&self) -> u64 {
        self.left
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::other(format!("it decompresses to more than {} bytes", self.limit))
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_an_error_and_not_an_end() {
        let mut text = Vec::new();
        Limited::new(io::repeat(7).take(10), 10).read_to_end(&mut text).unwrap();
        assert_eq!(text, [7; 10]);
        let error = Limited::new(io::repeat(7).take(11), 10).read_to_end(&mut text).unwrap_err();
        assert_eq!(error.to_string(), "it decompresses to more than 10 bytes");
    }

    #[test]
    fn joined_gzip_files_are_one_stream_and_names_do_not_matter() {
        let mut file = Vec::new();
        for part in [&b"1,2\n"[..], b"3,4\n"] {
            flate2::read::GzEncoder::new(part, flate2::Compression::best())
                .read_to_end(&mut file)
                .unwrap();
        }
        let path = std::env::temp_dir().join(format!("spn-gzip-{}.csv", std::process::id()));
        std::fs::write(&path, file).unwrap();
        let mut source = open(&path).unwrap();
        let mut text = String::new();
        source.reader.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), source.head.as_slice()), ("1,2\n3,4\n", text.as_bytes()));
        assert!(source.compressed);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_folder_and_a_missing_file_are_told() {
        for path in [std::env::temp_dir(), "/no/such/file".into()] {
            assert!(matches!(open(&path), Err(Fault { problem: Problem::Open(_), .. })));
        }
    }
}
