//! Output files that appear whole or not at all.
//!
//! In: a path and a function that writes the content. Out: the file under that path, complete and on
//! disk, or an error and no trace. The content goes to a hidden file beside the target, is synced and
//! then renamed over the target, and the folder is synced, so a reader never sees half a file, a
//! failed run never destroys an older result, and what was written survives a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Why an output file was not written. The target is then as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The folder that should hold the file does not exist.
    #[error(
        "cannot write {}: the folder {} does not exist; make it or choose another path",
        path.display(), folder.display()
    )]
    NoFolder {
        /// The file asked for.
        path: PathBuf,
        /// The folder that is missing.
        folder: PathBuf,
    },
    /// The path names a folder, or no file at all.
    #[error("cannot write {}: this is a folder; add a file name", path.display())]
    IsFolder {
        /// The path asked for.
        path: PathBuf,
    },
    /// The operating system, or the writer of the content, refused.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file asked for.
        path: PathBuf,
        /// What was refused.
        source: io::Error,
    },
}

/// What names of hidden files end with.
const PARTIAL: &str = ".partial";

/// Writes the file `path` with the content that `content` produces, all of it or none of it.
///
/// A symbolic link is followed. A target that is no regular file (a device or a pipe such as
/// `/dev/stdout`) is written in place, as it cannot be replaced.
///
/// # Errors
///
/// When the folder is missing, when the path is a folder, and when writing, syncing or renaming
/// fails or `content` returns an error; the target is then untouched and nothing else remains.
///
/// ```
/// let path = std::env::temp_dir().join("spn-output-example.txt");
/// spn_cli::output::write_atomically(&path, |writer| writer.write_all(b"whole"))?;
/// assert_eq!(std::fs::read(&path).ok(), Some(b"whole".to_vec()));
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), spn_cli::output::OutputError>(())
/// ```
pub fn write_atomically(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), OutputError> {
    let refused = |source| OutputError::Io { path: path.to_owned(), source };
    let target = match fs::metadata(path) {
        Ok(existing) if existing.is_dir() => {
            return Err(OutputError::IsFolder { path: path.to_owned() });
        }
        Ok(existing) if !existing.is_file() => {
            let file = OpenOptions::new().write(true).open(path).map_err(refused)?;
            let mut writer = BufWriter::new(file);
            return content(&mut writer).and_then(|()| writer.flush()).map_err(refused);
        }
        // Renaming over a link would replace the link and leave the file it points to behind.
        Ok(_) => fs::canonicalize(path).map_err(refused)?,
        Err(_) => path.to_owned(),
    };
    let partial = partial_path(path, &target)?;
    let written = write_partial(&partial, content).and_then(|()| fs::rename(&partial, &target));
    if written.is_err() {
        // Nothing more can be done if this fails too; the first error is the one to report.
        let _ = fs::remove_file(&partial);
    }
    written.map_err(refused)?;
    sync_folder(&partial).map_err(refused)
}

/// A name beside `target` that no other writer of this machine uses now.
fn partial_path(path: &Path, target: &Path) -> Result<PathBuf, OutputError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Some(name) = target.file_name() else {
        return Err(OutputError::IsFolder { path: path.to_owned() });
    };
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let folder = folder.to_owned();
        return Err(OutputError::NoFolder { path: path.to_owned(), folder });
    }
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}-{count}{PARTIAL}", std::process::id()));
    Ok(folder.join(hidden))
}

/// Brings the new name of a file in the folder of `partial` to the disk.
fn sync_folder(partial: &Path) -> io::Result<()> {
    // Where folders cannot be opened or synced, the system keeps names in its own way.
    let Some(Ok(folder)) = partial.parent().filter(|_| cfg!(unix)).map(File::open) else {
        return Ok(());
    };
    match folder.sync_all() {
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => Err(error),
        _ => Ok(()),
    }
}

/// Removes what writers of the file `path` left beside it when they were killed.
///
/// # Errors
/// If the folder cannot be read or a file not be removed.
pub(crate) fn remove_partial_files(path: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let start = format!(".{}.", name.to_string_lossy());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&start) && name.ends_with(PARTIAL) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Fills the hidden file and brings it to the disk.
fn write_partial(
    partial: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut writer = BufWriter::with_capacity(1 << 16, File::create(partial)?);
    content(&mut writer)?;
    writer.flush()?;
    writer.get_ref().sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("spn-output-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn replaces_an_older_file() {
        let folder = folder("replace");
        let path = folder.join("a.txt");
        write_atomically(&path, |writer| writer.write_all(b"old and longer")).unwrap();
        write_atomically(&path, |writer| writer.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(&folder), ["a.txt"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn leaves_the_old_file_and_nothing_else_on_error() {
        let folder = folder("error");
        let path = folder.join("a.txt");
        write_atomically(&path, |writer| writer.write_all(b"old")).unwrap();
        let error = write_atomically(&path, |writer| {
            writer.write_all(&[b'x'; 100_000])?;
            Err(io::Error::other("the disk is full"))
        })
        .unwrap_err();
        assert!(error.to_string().ends_with("a.txt: the disk is full"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(&folder), ["a.txt"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn says_that_the_folder_is_missing() {
        let path = Path::new("/no/such/folder/a.txt");
        let error = write_atomically(path, |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("the folder /no/such/folder does not exist"), "{error}");
    }

    #[test]
    fn says_that_the_path_is_a_folder() {
        for path in [std::env::temp_dir(), PathBuf::from("/"), PathBuf::from("nothing/..")] {
            let error = write_atomically(&path, |_| Ok(())).unwrap_err();
            assert!(matches!(error, OutputError::IsFolder { .. }), "{error}");
        }
    }

    #[test]
    fn removes_what_killed_writers_left_and_nothing_else() {
        let folder = folder("killed");
        for name in [".a.txt.12-0.partial", ".a.txt.7-3.partial", "a.txt", ".b.txt.12-0.partial"] {
            fs::write(folder.join(name), b"x").unwrap();
        }
        remove_partial_files(&folder.join("a.txt")).unwrap();
        let mut left = names(&folder);
        left.sort();
        assert_eq!(left, [".b.txt.12-0.partial", "a.txt"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn follows_links_and_writes_devices_in_place() {
        let folder = folder("link");
        let (path, link) = (folder.join("a.txt"), folder.join("link"));
        fs::write(&path, b"old").unwrap();
        std::os::unix::fs::symlink("a.txt", &link).unwrap();
        write_atomically(&link, |writer| writer.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::remove_dir_all(folder).unwrap();

        write_atomically(Path::new("/dev/null"), |writer| writer.write_all(b"gone")).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
