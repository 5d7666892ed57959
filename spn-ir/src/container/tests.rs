//! Tests of the container: files come back, damaged and hostile ones are errors.

use super::header::Header;
use super::*;
use crate::Parameter;
use crate::plan::sample_plan;

pub(super) type Structure = (String, Vec<u32>);

/// A structure and parameters with all that the format can say.
pub(super) fn network() -> (Structure, Parameters) {
    let mut parameters = Parameters::default();
    let values = vec![f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE, 1.0 / 3.0, f64::MAX, 7.5];
    parameters.add(Parameter::new("2/sum_weights", vec![1, 3, 2], values));
    parameters.add(Parameter::new("0/scale", vec![], vec![2.0]).frozen());
    parameters.add(
        Parameter::new("none", vec![2, 0], vec![])
            .constrained(Constraint::Clip { minimum: 0.5, maximum: f64::INFINITY }),
    );
    parameters.add(Parameter::new("last", vec![9], (0..9).map(f64::from).collect()));
    (("{\"layers\": []}".to_owned(), vec![1, 200, 70_000]), parameters)
}

pub(super) fn file(precision: Precision) -> Vec<u8> {
    let (structure, parameters) = network();
    let mut file = Vec::new();
    write_container(&mut file, Kind::Network, precision, &structure, &parameters).unwrap();
    file
}

pub(super) fn read(bytes: &[u8]) -> Result<(Structure, Parameters), ContainerError> {
    read_container(bytes, Kind::Network)
}

pub(super) fn plan_file() -> Vec<u8> {
    let mut file = Vec::new();
    write_plan(&mut file, Precision::Double, &sample_plan()).unwrap();
    file
}

/// Makes length and checksum right again, so that the damage behind them is reached.
pub(super) fn repair(bytes: &mut [u8]) {
    let length = bytes.len() as u64;
    if let Some(place) = bytes.get_mut(32..40) {
        place.copy_from_slice(&length.to_le_bytes());
    }
    if let Some((before, checksum)) = bytes.split_last_chunk_mut() {
        *checksum = crc32fast::hash(before).to_le_bytes();
    }
}

#[test]
fn files_come_back() {
    assert_eq!(read(&file(Precision::Double)), Ok(network()));
    let (structure, parameters) = read(&file(Precision::Single)).unwrap();
    let (expected_structure, expected) = network();
    assert_eq!(structure, expected_structure);
    for ((_, found), (_, expected)) in parameters.iter().zip(expected.iter()) {
        let single = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<_>>();
        assert_eq!(single(&found.values), single(&expected.values));
        assert_eq!((&found.name, &found.constraint), (&expected.name, &expected.constraint));
    }
    assert_eq!(read_plan(&plan_file()), Ok(sample_plan()));
}

/// The layout that `docs/format-spnb.md` promises.
#[test]
fn arrays_lie_aligned_and_little_endian() {
    let file = file(Precision::Double);
    let number = |at: usize| u64::from_le_bytes(*file[at..].first_chunk().unwrap());
    assert_eq!(&file[..16], b"SPNB\x02\0\0\0\x01\0\0\0\0\0\0\0");
    assert_eq!(number(32), file.len() as u64);
    let start = (40 + number(16) as usize + number(24) as usize).next_multiple_of(64);
    assert_eq!(f64::from_bits(number(start + 3 * 8)), 1.0 / 3.0);
    assert_eq!(f64::from_bits(number(start + 64)), 2.0, "the second array");
    assert_eq!(f64::from_bits(number(start + 128 + 8 * 8)), 8.0, "the last value");
    assert_eq!(file.len(), start + 128 + 9 * 8 + 4);
}

/// The example of `docs/format-spnb.md`.
#[test]
fn the_documented_example_is_what_is_written() {
    let mut parameters = Parameters::default();
    parameters.add(Parameter::new("w", vec![], vec![2.0]).frozen());
    let mut file = Vec::new();
    let structure = "ok".to_owned();
    write_container(&mut file, Kind::Network, Precision::Double, &structure, &parameters).unwrap();
    assert_eq!(&file[0x28..0x31], b"\x02ok\x01\x01w\0\0\0");
    assert_eq!(&file[0x31..0x48], [&[0; 15][..], &2.0_f64.to_le_bytes()].concat());
    assert_eq!(&file[0x48..], [0xF7, 0x11, 0xF0, 0xE4]);
}

/// A change of the fields of a plan must not pass unnoticed: old files would be misread.
#[test]
fn the_layout_of_plans_is_that_of_this_version() {
    // Without the file's own checksum: with it, every file has the same one.
    let file = plan_file();
    let checksum = crc32fast::hash(&file[..file.len() - CHECKSUM_LENGTH]);
    assert_eq!(
        checksum, 1_364_784_518,
        "the layout changed: raise VERSION in header.rs, then this number"
    );
}

#[test]
fn files_that_could_not_be_read_are_not_written() {
    let mut parameters = Parameters::default();
    parameters.add(Parameter::new("w", vec![2, 2], vec![0.0; 3]));
    let result = write_container(Vec::new(), Kind::Network, Precision::Double, &(), &parameters);
    let error = result.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "parameter `w` of shape [2, 2] has 3 values");
}

#[test]
fn kinds_are_told_apart() {
    let (network, plan) = (file(Precision::Double), plan_file());
    assert_eq!(sniff(&network), Some(Kind::Network));
    assert_eq!(sniff(&plan[..12]), Some(Kind::Plan));
    assert_eq!(sniff(b"SPNB\x01\0\0\0\x03\0\0\0"), Some(Kind::Checkpoint));
    assert_eq!(sniff(b"SPNB\x01\0\0\0\x07\0\0\0"), None);
    assert_eq!(sniff(b"SPNB"), None);
    assert_eq!(sniff(b"{\"layers\": []}"), None);
    let error = read_plan(&network).unwrap_err();
    assert_eq!(
        error.to_string(),
        "byte 8: the file holds a network, but a compiled plan is needed here"
    );
}

#[test]
fn damage_is_named_with_its_place() {
    let damaged = |change: fn(&mut Vec<u8>)| {
        let mut bytes = file(Precision::Double);
        change(&mut bytes);
        read(&bytes).unwrap_err().to_string()
    };
    assert!(damaged(|b| b[0] = b'X').starts_with("byte 0: not an spn container"));
    assert!(damaged(|b| b.truncate(30)).starts_with("byte 30: the file ends"));
    assert!(damaged(|b| b[4] = 9).starts_with("byte 4: format version 9"));
    assert!(damaged(|b| b[8] = 9).starts_with("byte 8: kind 9"));
    assert!(damaged(|b| b[12] = 2).starts_with("byte 12: flags 0x2"));
    assert!(damaged(|b| b.truncate(200)).starts_with("byte 32: the file says"));
    assert!(damaged(|b| b.push(0)).starts_with("byte 32: the file says"));
    assert!(damaged(|b| b[50] ^= 1).contains("the file is damaged"));
    let hostile = |change: fn(&mut Vec<u8>)| {
        let mut bytes = file(Precision::Double);
        change(&mut bytes);
        repair(&mut bytes);
        read(&bytes).unwrap_err().to_string()
    };
    assert!(hostile(|b| b[23] = 0xff).starts_with("byte 40: the structure would take"));
    assert!(hostile(|b| b[31] = 0xff).contains("the tensor table would take"));
    assert!(hostile(|b| b[40] = 0xff).starts_with("byte 40: the structure that begins here"));
    assert!(hostile(|b| b[16] += 1).contains("byte"));
    assert!(hostile(|b| b.extend([0; 64])).contains("bytes too many after the arrays"));
}

/// A table that claims 2^60 values, and one that claims 2^60 tensors.
#[test]
fn claimed_lengths_take_no_memory() {
    let table = |tensors: &[u8]| {
        let (kind, precision) = (Kind::Network, Precision::Double);
        let header = Header { kind, precision, structure: 0, table: tensors.len() as u64, file: 0 };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend_from_slice(tensors);
        bytes.extend([0; 64]);
        repair(&mut bytes);
        read_container::<()>(&bytes, Kind::Network).unwrap_err()
    };
    let huge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
    let shape = [&[1, 0, 1][..], &huge, &[1, 0]].concat();
    assert!(matches!(table(&shape), ContainerError::TensorOutside { .. }));
    let shape = [&[1, 0, 2][..], &huge, &huge, &[1, 0]].concat();
    assert!(matches!(table(&shape), ContainerError::TensorOutside { .. }));
    assert!(matches!(table(&huge), ContainerError::Malformed { .. }));
}
