//! Tests of the `.npz` reader and writer.

use std::path::PathBuf;

use super::*;
use crate::data::mutate;

fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("spn-npz-{name}-{}", std::process::id()))
}

/// Reads bytes as an archive, all arrays.
fn arrays(name: &str, bytes: &[u8]) -> Result<BTreeMap<String, NpyArray>, String> {
    let path = temporary(name);
    std::fs::write(&path, bytes).unwrap();
    let result = npz_arrays(&path).map_err(|error| error.to_string());
    std::fs::remove_file(path).unwrap();
    result
}

/// An archive with a stored and a deflated array, as `numpy.savez_compressed` could make it.
fn archive() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, method) in
        [("fwd/0.npy", CompressionMethod::STORE), ("b.npy", CompressionMethod::DEFLATE)]
    {
        let (mut entry, config) =
            archive.new_file(name).compression_method(method).start().unwrap();
        let mut content = Vec::new();
        npy::write_array(&mut content, &[3, 1], Values::F32(&[1.0, 2.0, f32::NAN])).unwrap();
        let sums = if method == CompressionMethod::STORE {
            let mut writer = config.wrap(&mut entry);
            writer.write_all(&content).unwrap();
            writer.finish().unwrap().1
        } else {
            let encoder = flate2::write::DeflateEncoder::new(&mut entry, Default::default());
            let mut writer = config.wrap(encoder);
            writer.write_all(&content).unwrap();
            let (encoder, sums) = writer.finish().unwrap();
            encoder.finish().unwrap();
            sums
        };
        entry.finish(sums).unwrap();
    }
    archive.finish().unwrap();
    bytes
}

#[test]
fn stored_and_deflated_arrays_are_read() {
    let arrays = arrays("both", &archive()).unwrap();
    assert_eq!(arrays.keys().collect::<Vec<_>>(), ["b", "fwd/0"]);
    for array in arrays.values() {
        assert_eq!((array.shape.as_slice(), array.element_type), (&[3, 1][..], ElementType::F32));
        assert_eq!(array.values[..2], [1.0, 2.0]);
        assert!(array.values[2].is_nan());
    }
}

#[test]
fn one_array_is_read_by_key() {
    let path = temporary("key");
    std::fs::write(&path, archive()).unwrap();
    let array = |key, rows| read::<f32>(&path, gzip::open(&path)?, key, rows);
    assert_eq!(array(Some("fwd/0.npy"), Some(&(1..2))).unwrap().values, [2.0]);
    assert_eq!(array(Some("b"), Some(&(0..2))).unwrap().values, [1.0, 2.0]);
    let error = array(None, None).unwrap_err().in_file("a.npz").to_string();
    assert_eq!(
        error,
        "a.npz: holds several arrays; name one as FILE.npz:KEY, with KEY one of b, fwd/0"
    );
    let error = array(Some("c"), None).unwrap_err().in_file("a.npz:c").to_string();
    assert_eq!(error, "a.npz:c: holds no array `c`; it has b, fwd/0");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_changed_value_breaks_the_checksum() {
    let mut bytes = archive();
    let value = bytes.windows(4).position(|window| window == 2f32.to_le_bytes()).unwrap();
    bytes[value] ^= 1;
    let error = arrays("sum", &bytes).unwrap_err();
    assert!(error.contains("array `fwd/0`: cannot be read: "), "{error}");
}

#[test]
fn written_archives_come_back() {
    let path = temporary("written");
    let empty: [f64; 0] = [];
    write(
        &path,
        &[
            ("a/b", &[1, 2], Values::F64(&[0.1, -0.0])),
            ("c", &[], Values::F32(&[3.5])),
            ("d", &[0, 4], Values::F64(&empty)),
        ],
    )
    .unwrap();
    let arrays = npz_arrays(&path).unwrap();
    assert_eq!(arrays["a/b"].values, [0.1, -0.0]);
    assert_eq!((arrays["c"].shape.len(), arrays["c"].values[0]), (0, 3.5));
    assert_eq!(arrays["d"].shape, [0, 4]);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn damaged_files_never_panic() {
    let path = temporary("damaged");
    mutate::each(&archive(), |bytes| {
        std::fs::write(&path, bytes).unwrap();
        let _ = npz_arrays(&path);
        if let Ok(source) = gzip::open(&path) {
            let _ = read::<f32>(&path, source, Some("b"), Some(&(1..2)));
        }
    });
    std::fs::remove_file(path).unwrap();
}
