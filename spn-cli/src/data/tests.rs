//! Tests of the entry points: telling the kind, keys, rows, labels.

use std::io::Write;
use std::path::PathBuf;

use super::*;

/// A file that goes away with the value.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("spn-data-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn spec(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The same table, 3 x 2, in every kind of file.
fn kinds() -> Vec<(&'static str, Vec<u8>)> {
    let values = [0.0_f32, 1.0, 2.0, 3.0, 4.0, 5.0];
    let mut npy = Vec::new();
    npy::write_array(&mut npy, &[3, 2], npy::Values::F32(&values)).unwrap();
    let path = Temporary::new("kinds.npz", b"");
    npz::write(&path.0, &[("k", &[3, 2], npy::Values::F32(&values))]).unwrap();
    let npz = std::fs::read(&path.0).unwrap();
    let mut idx = vec![0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 2];
    idx.extend(0..6);
    vec![("npy", npy), ("npz", npz), ("idx", idx), ("csv", b"0,1\n2,3\n4,5\n".to_vec())]
}

#[test]
fn kinds_are_told_by_content_with_and_without_gzip() {
    for (kind, plain) in kinds() {
        for (suffix, bytes) in [("plain", plain.clone()), ("gz", gzip(&plain))] {
            // A name that says nothing, or even something wrong.
            let file = Temporary::new(&format!("{kind}-{suffix}.txt"), &bytes);
            let table = read(file.spec(), None).unwrap();
            assert_eq!((table.rows, table.columns, table.shape.as_slice()), (3, 2, &[2][..]));
            assert_eq!(table.values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "{kind} {suffix}");
            let part = read(file.spec(), Some(1..3)).unwrap();
            assert_eq!((part.rows, part.values.as_slice()), (2, &[2.0, 3.0, 4.0, 5.0][..]));
            assert_eq!((part.row(1), part.row(2)), (Some(&[4.0, 5.0][..]), None));
            let error = read(file.spec(), Some(2..4)).unwrap_err().to_string();
            assert!(error.ends_with("has 3 rows, so rows 2..4 cannot be taken; rows count from 0"));
            assert!(read(file.spec(), Some(2..2)).unwrap_err().to_string().contains("are none"));
        }
    }
}

#[test]
fn keys_belong_to_npz_files_only() {
    for (kind, bytes) in kinds() {
        let file = Temporary::new(&format!("keys-{kind}"), &bytes);
        let result = read(&format!("{}:k", file.spec()), None);
        match kind {
            "npz" => assert_eq!(result.unwrap().rows, 3),
            _ => assert!(matches!(result.unwrap_err().problem, Problem::KeyUnwanted(_)), "{kind}"),
        }
    }
    let file = Temporary::new("colon:k.csv", b"1\n");
    assert_eq!(read(file.spec(), None).unwrap().values, [1.0]);
}

#[test]
fn labels_are_whole_numbers() {
    let good = Temporary::new("labels", b"label\n0\n7\n4294967295\n1.0\n");
    assert_eq!(read_labels(good.spec(), None).unwrap(), [0, 7, u32::MAX, 1]);
    assert_eq!(read_labels(good.spec(), Some(1..2)).unwrap(), [7]);
    for (bad, shown) in [("-1", "-1"), ("0.5", "0.5"), ("?", "NaN"), ("4294967296", "4294967296")] {
        let file = Temporary::new("labels-bad", format!("0\n1\n{bad}\n").as_bytes());
        let error = read_labels(file.spec(), Some(1..3)).unwrap_err().to_string();
        let expected = format!(", row 2 (counted from 0): the label is {shown};");
        assert!(error.contains(&expected), "{error}");
    }
    let file = Temporary::new("labels-wide", b"0,1\n");
    let error = read_labels(file.spec(), None).unwrap_err();
    assert!(matches!(error.problem, Problem::LabelColumns(2)), "{error}");
}

#[test]
fn unusable_files_are_told() {
    let cases: [(&[u8], &str); 4] = [
        (b"", ": is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", ": is of no known kind (it begins with the bytes "),
        (&gzip(b"1,2\n")[..8], ": cannot be read: "),
        (&gzip(b""), ": is empty"),
    ];
    for (number, (bytes, expected)) in cases.into_iter().enumerate() {
        let file = Temporary::new(&format!("unusable-{number}"), bytes);
        let error = read(file.spec(), None).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = read("/no/such/file.csv", None).unwrap_err().to_string();
    assert!(error.starts_with("/no/such/file.csv: cannot be opened: "), "{error}");
}

#[test]
fn arrays_without_rows_or_columns_are_no_tables() {
    for shape in [&[][..], &[3, 0], &[0, 2, 0]] {
        let values = vec![0.0_f32; shape.iter().product()];
        let file = Temporary::new("shape", b"");
        npy::write(&file.0, shape, values.as_slice()).unwrap();
        let error = read(file.spec(), None).unwrap_err();
        assert!(matches!(error.problem, Problem::Shape(_)), "{error}");
    }
    let file = Temporary::new("flat", b"");
    npy::write(&file.0, &[2], [1.0_f64, 2.0].as_slice()).unwrap();
    let table = read(file.spec(), None).unwrap();
    assert_eq!((table.rows, table.columns, table.shape), (2, 1, vec![1]));
}

#[test]
fn damaged_files_of_any_kind_never_panic() {
    let file = Temporary::new("damaged", b"");
    for (_, bytes) in kinds() {
        mutate::each(&gzip(&bytes), |bytes| {
            std::fs::write(&file.0, bytes).unwrap();
            let _ = read(file.spec(), None);
        });
    }
}
