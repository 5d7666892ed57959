//! NumPy's `.npz` files: ZIP archives of named `.npy` files.
//!
//! In: the path of an archive and the name of an array, with or without `.npy`; or only the path, for
//! all arrays. Out: the arrays. Members may be stored or deflated, as `numpy.savez` and
//! `numpy.savez_compressed` write them; their checksums are verified when they are read to the end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::ops::Range;
use std::path::Path;

use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, FileReader, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder};

use super::array::{Block, ElementType, Number, read_block};
use super::error::{DataError, Fault, Place, Problem};
use super::gzip::{self, DECOMPRESSED_LIMIT, Limited};
use super::npy::{self, Values};
use crate::output::{OutputError, write_atomically};

/// An array of an `.npz` file as double-precision numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct NpyArray {
    /// Length of each dimension; none for a single number.
    pub shape: Vec<usize>,
    /// The values in row-major order.
    pub values: Vec<f64>,
    /// The type of the values in the file.
    pub element_type: ElementType,
}

/// Whether a file begins as a ZIP archive, perhaps an empty one, does.
pub(super) fn is_npz(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// Reads all arrays of an `.npz` file by name. Members that are no `.npy` files are passed over.
///
/// # Errors
///
/// When the file cannot be read or is damaged, when one of the arrays does not hold numbers, and when
/// they take more than [`DECOMPRESSED_LIMIT`] bytes in all.
pub fn npz_arrays(path: &Path) -> Result<BTreeMap<String, NpyArray>, DataError> {
    let read = || {
        let source = gzip::open(path)?;
        if !is_npz(&source.head) {
            return Err(Problem::Archive("it does not begin as a ZIP archive".to_owned()).into());
        }
        let archive = Archive::open(path, source)?;
        let mut left = DECOMPRESSED_LIMIT;
        let mut arrays = BTreeMap::new();
        for (name, member) in &archive.members {
            let array = archive.array(member, &mut left).map_err(|fault| {
                let within = Box::new(fault.place);
                fault.problem.at(Place::Array { name: name.clone(), within })
            })?;
            arrays.insert(name.clone(), array);
        }
        Ok(arrays)
    };
    read().map_err(|fault: Fault| fault.in_file(&path.to_string_lossy()))
}

/// Reads one array, or a range of its first dimension. Without a key the archive must hold one array.
pub(super) fn read<T: Number>(
    path: &Path,
    source: gzip::Source,
    key: Option<&str>,
    rows: Option<&Range<usize>>,
) -> Result<Block<T>, Fault> {
    let archive = Archive::open(path, source)?;
    let member = match key {
        Some(key) => {
            let name = key.strip_suffix(".npy").unwrap_or(key);
            archive
                .members
                .get(name)
                .ok_or_else(|| Problem::NoSuchKey { key: key.to_owned(), have: archive.names() })?
        }
        None if archive.members.len() > 1 => {
            return Err(Problem::KeyMissing(archive.names()).into());
        }
        None => archive.members.values().next().ok_or(Problem::Empty)?,
    };
    npy::read(&mut archive.bytes(member, DECOMPRESSED_LIMIT)?, rows)
}

/// An open archive and the arrays it lists.
struct Archive {
    zip: ZipArchive<Box<dyn ReaderAt>>,
    members: BTreeMap<String, Member>,
}

/// Where an array lies in the archive.
struct Member {
    place: ZipArchiveEntryWayfinder,
    compression: CompressionMethod,
}

impl Archive {
    /// Reads the list of members. The archive is read in place, or from memory if it is compressed.
    fn open(path: &Path, mut source: gzip::Source) -> Result<Self, Fault> {
        let (reader, end): (Box<dyn ReaderAt>, u64) = if source.compressed {
            let mut bytes = Vec::new();
            source.reader.read_to_end(&mut bytes)?;
            let end = bytes.len() as u64;
            (Box::new(bytes), end)
        } else {
            let file = File::open(path).map_err(Problem::Open)?;
            let end = file.metadata().map_err(Problem::Open)?.len();
            (Box::new(FileReader::from(file)), end)
        };
        let mut buffer = vec![0; rawzip::MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
        let zip = rawzip::ZipLocator::new()
            .locate_in_reader(reader, &mut buffer, end)
            .map_err(|(_, error)| archive_problem(&error))?;
        let mut members = BTreeMap::new();
        let mut entries = zip.entries(&mut buffer);
        while let Some(entry) = entries.next_entry().map_err(|error| archive_problem(&error))? {
            let name = String::from_utf8_lossy(entry.file_path().as_bytes()).into_owned();
            if let Some(name) = name.strip_suffix(".npy") {
                let compression = entry.compression_method();
                members.insert(name.to_owned(), Member { place: entry.wayfinder(), compression });
            }
        }
        Ok(Self { zip, members })
    }

    /// The names for a message, the first twenty of them.
    fn names(&self) -> String {
        let mut names: Vec<&str> = self.members.keys().take(20).map(String::as_str).collect();
        if names.len() < self.members.len() {
            names.push("…");
        }
        if names.is_empty() { "no arrays".to_owned() } else { names.join(", ") }
    }

    /// The `.npy` file of a member. A compressed one may grow to `limit` bytes; a stored one cannot be
    /// larger than the archive.
    fn bytes(&self, member: &Member, limit: u64) -> Result<Box<dyn Read + '_>, Fault> {
        let entry = self.zip.get_entry(member.place).map_err(|error| archive_problem(&error))?;
        match member.compression {
            CompressionMethod::STORE => Ok(Box::new(entry.verifying_reader(entry.reader()))),
            CompressionMethod::DEFLATE => {
                let deflated = BufReader::with_capacity(1 << 16, entry.reader());
                let bytes = Limited::new(DeflateDecoder::new(deflated), limit);
                Ok(Box::new(entry.verifying_reader(bytes)))
            }
            other => {
                let what = format!("an array is compressed with {other}, which is not supported");
                Err(Problem::Archive(what).into())
            }
        }
    }

    /// A whole array; its size is taken off what is left.
    fn array(&self, member: &Member, left: &mut u64) -> Result<NpyArray, Fault> {
        // Stored members can overlap in a hostile archive, so all of them count.
        let mut bytes = Limited::new(self.bytes(member, *left)?, *left);
        let layout = npy::read_header(&mut bytes)?;
        let Block { shape, values } = read_block(&mut bytes, &layout, None)?;
        *left = bytes.left();
        Ok(NpyArray { shape, values, element_type: layout.element })
    }
}

fn archive_problem(error: &rawzip::Error) -> Problem {
    Problem::Archive(error.to_string())
}

/// Writes named arrays as an `.npz` file, whole or not at all; `.npy` is added to the names.
///
/// # Errors
///
/// When the file cannot be written, and when a shape does not hold as many values as are given.
///
/// ```
/// use spn_cli::data::{npz_arrays, npz};
/// let path = std::env::temp_dir().join("spn-npz-example.npz");
/// npz::write(&path, &[("mean", &[2, 1], [0.5_f64, 1.5].as_slice().into())])?;
/// assert_eq!(npz_arrays(&path)?["mean"].values, [0.5, 1.5]);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(path: &Path, arrays: &[(&str, &[usize], Values<'_>)]) -> Result<(), OutputError> {
    write_atomically(path, |writer| write_archive(writer, arrays))
}

fn write_archive(
    writer: &mut dyn Write,
    arrays: &[(&str, &[usize], Values<'_>)],
) -> io::Result<()> {
    let mut archive = rawzip::ZipArchiveWriter::new(writer);
    for (name, shape, values) in arrays {
        let (mut entry, config) = archive
            .new_file(rawzip::path::EntryPath::conformant(format!("{name}.npy")))
            .compression_method(CompressionMethod::STORE)
            .start()
            .map_err(io::Error::other)?;
        let mut checked = config.wrap(&mut entry);
        npy::write_array(&mut checked, shape, *values)?;
        let (_, sums) = checked.finish().map_err(io::Error::other)?;
        entry.finish(sums).map_err(io::Error::other)?;
    }
    archive.finish().map_err(io::Error::other)?;
    Ok(())
}

#[cfg(test)]
#[path = "npz_tests.rs"]
mod tests;
