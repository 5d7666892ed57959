//! Tests of the `.npy` reader and writer.

use super::*;
use crate::data::mutate;

/// A file with the given header text.
fn file(header: &str, values: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend([1, 0]);
    file.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(values);
    file
}

fn problem(file: &[u8]) -> String {
    read::<f64>(&mut &file[..], None).unwrap_err().in_file("a.npy").to_string()
}

#[test]
fn every_number_type_is_read() {
    let cases: [(&str, &[u8], f64); 15] = [
        ("|b1", &[1], 1.0),
        ("|u1", &[200], 200.0),
        ("|i1", &[0xff], -1.0),
        ("<u2", &[1, 2], 513.0),
        (">u2", &[1, 2], 258.0),
        ("<i2", &[0xfe, 0xff], -2.0),
        ("<u4", &[0, 0, 0, 0x80], 2_147_483_648.0),
        ("<i4", &[0, 0, 0, 0x80], -2_147_483_648.0),
        (">i4", &[0, 0, 1, 0], 256.0),
        ("<u8", &[1, 0, 0, 0, 1, 0, 0, 0], 4_294_967_297.0),
        ("<i8", &[0xff; 8], -1.0),
        ("<f2", &[0x00, 0xbc], -1.0),
        ("<f4", &[0, 0, 0xc0, 0x3f], 1.5),
        (">f8", &[0x3f, 0xf8, 0, 0, 0, 0, 0, 0], 1.5),
        ("=f4", &[0, 0, 0xc0, 0x3f], 1.5),
    ];
    for (descr, bytes, value) in cases {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}\n");
        let block: Block<f64> = read(&mut file(&header, bytes).as_slice(), None).unwrap();
        assert_eq!((block.shape, block.values), (vec![1], vec![value]), "{descr}");
    }
}

#[test]
fn header_spellings_are_understood() {
    for header in [
        "{'shape':(2L,1L),'fortran_order':True,'descr':'|u1'}",
        "  { \"descr\" : \"u1\" , 'fortran_order' : True, 'shape' : ( 2 , 1 , ) } \n\n",
    ] {
        let block: Block<f32> = read(&mut file(header, &[3, 4]).as_slice(), None).unwrap();
        assert_eq!((block.shape, block.values), (vec![2, 1], vec![3.0, 4.0]), "{header}");
    }
}

#[test]
fn problems_say_what_and_where() {
    let cases = [
        ("{'descr': '<U3', 'fortran_order': False, 'shape': (1,)}", "have type `<U3`; save them"),
        ("{'descr': [('a', '<f4')], 'shape': (1,)}", "have type of records"),
        ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "have type `<c8`"),
        ("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "byte 44: the header is not"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "byte 61"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': 3}", "byte 60: the header is not"),
        ("{'descr': '<f4', 'fortran_order': False}", "one of the keys"),
        ("{'descr': '<f4', 'order': False}", "the key `order` is unknown"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", "follows the dictionary"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}", "fits"),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 1)}",
            "8000000000000 b",
        ),
    ];
    for (header, expected) in cases {
        let problem = problem(&file(header, &[0; 4]));
        assert!(problem.starts_with("a.npy"), "{problem}");
        assert!(problem.contains(expected), "{header}: {problem}");
    }
    assert!(problem(b"\x93NUMPY\x04\x00").contains("version 4 is unknown"));
    assert!(problem(b"\x93NUMPY\x03\x00\xff\xff\xff\xff").contains("65536 is the limit"));
    assert!(problem(b"\x93NUMPY\x01\x00\xff\xff").contains("ends within"));
}

#[test]
fn written_arrays_come_back() {
    let values = [0.1, -2.0, f64::INFINITY, 1e300, 5e-324, 0.0];
    for shape in [&[6][..], &[2, 3], &[3, 1, 2]] {
        let mut bytes = Vec::new();
        write_array(&mut bytes, shape, Values::F64(&values)).unwrap();
        assert_eq!((bytes.len() - 48) % 64, 0);
        let block: Block<f64> = read(&mut bytes.as_slice(), None).unwrap();
        assert_eq!((block.shape.as_slice(), block.values.as_slice()), (shape, &values[..]));
    }
    let mut bytes = Vec::new();
    write_array(&mut bytes, &[], Values::F32(&[0.1])).unwrap();
    assert_eq!(read::<f32>(&mut bytes.as_slice(), None).unwrap().values, [0.1]);
    let error = write_array(&mut bytes, &[2, 2], Values::F32(&[0.0; 3])).unwrap_err();
    assert_eq!(error.to_string(), "3 values do not make an array of shape [2, 2]");
}

#[test]
fn damaged_files_never_panic() {
    let header = "{'descr': '>i2', 'fortran_order': True, 'shape': (3, 2), }";
    mutate::each(&file(header, &[7; 12]), |bytes| {
        let mut source = bytes;
        let _ = read::<f32>(&mut source, None);
        let _ = read::<f64>(&mut &bytes[..], Some(&(1..3)));
    });
}
