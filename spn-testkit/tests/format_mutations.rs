//! Damaged files of every format: whatever the bytes, a circuit or an error that says where.
//!
//! Small files of each format are changed from fixed seeds, 100,000 times for each reader. What is
//! read anyway can be printed, has no more numbers than its file warrants, and is written in the same
//! format again.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spn_ir::formats::{self, FORMATS, Format, Vtree};
use spn_ir::{Circuit, text};
use spn_testkit::{CircuitOptions, random_circuit};

/// Changed files for each reader.
const ROUNDS: usize = 100_000;

/// Files that no writer makes: other spellings of the formats.
const WRITTEN_BY_HAND: &[(&str, &str)] = &[
    (
        "psdd",
        "c a comment\npsdd 6\nL 0 0 1\nL 1 0 -1\nT 2 2 2 -0.6931471805599453\nL 3 2 2\n\
        D 4 1 2 0 2 -0.22314355131420976 1 3 -1.6094379124341003\nD 5 1 1 0 3 0.0\n",
    ),
    ("psdd", "psdd\nT 7 0 1 -0.25\n"),
    (
        "jpc",
        "cc x\njpc 7\nL 0 0 1\nL 1 0 -1\nC 2 0 2 -0.105360516 -2.302585093\n\
        C 3 0 2 -1.609437912 -0.223143551\nP 4 0 2 0 2\nP 5 0 2 1 3\n\
        S 6 0 2 4 -1.203972804 5 -0.356674944\n",
    ),
    ("jpc", "jpc 3\nI 0 0 1 3\nI 1 0 1 2\nS 2 0 2 0 -0.5 1 -inf\n"),
    (
        "spflow-text",
        "(0.25*((Bernoulli(age|p=0.9) * Gaussian(b|mean=-1.5;stdev=2.0))) + \
        0.75*((Bernoulli(age|p=0.1) * Gaussian(b|mean=3;stdev=5e-1))))\n# age;b\n",
    ),
    (
        "spflow-reference",
        "S_0 SumNode(0.25*P_1, 0.75*P_2){\nP_1 ProductNode(A, B){\n\
        A Categorical(V0|p=[0.2,0.8])\nB Gaussian(V1|mean=0;stdev=1) }\n\
        P_2 ProductNode(A, C){ A Categorical(V0|p=[0.2,0.8])\nC Bernoulli(V1|p=0.5)}\n}\n",
    ),
    (
        "spflow-json",
        r#"{"Sum":{"children":[{"Product":{"children":[{"Bernoulli":{"id":3,"p":0.9,
        "scope":["a"]}},{"Categorical":{"id":4,"p":"[0.2 0.8]","scope":["b"]}}],"id":1,
        "scope":["a","b"]}},{"Product":{"children":[{"Bernoulli":{"id":3,"p":0.9,"scope":["a"]}},
        {"Gaussian":{"id":5,"mean":0,"stdev":1,"scope":["b"]}}],"id":2,"scope":["a","b"]}}],
        "id":0,"scope":["a","b"],"weights":"[0.5 0.5]"}}"#,
    ),
    (
        "deeprob-json",
        r#"{"directed":true,"graph":{},"nodes":[{"class":"Sum","scope":[0],
        "weights":[0.33333333,0.66666667],"id":7},{"class":"Bernoulli","scope":[0],
        "params":{"p":0.9},"id":1},{"class":"Categorical","scope":[0],"id":2,
        "params":{"categories":[2,0],"probabilities":[0.25,0.75]}}],
        "edges":[{"idx":1,"source":1,"target":7},{"idx":0,"source":2,"target":7}]}"#,
    ),
];

/// What mutations put in: words of the formats and numbers that are hard.
const PIECES: &[&str] = &[
    "0",
    "1",
    "2",
    "-1",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "1e999",
    "-0.5",
    "nan",
    "inf",
    "\"inf\"",
    "null",
    "true",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    ",",
    ":",
    ";",
    "*",
    "+",
    "|",
    "=",
    "#",
    "\"",
    "\\",
    "\\u0041",
    "\n",
    " ",
    "é",
    "\u{feff}",
    "[]",
    "{}",
    "c",
    "L 0 0 1\n",
    "Gaussian",
    "Poisson",
    "Histogram",
    "SumNode(",
    "\"nodes\"",
    "\"id\"",
    "\"children\"",
    "...",
    "leaf",
    "root",
    "x2",
    "\"outer\"",
    "\"layer\"",
    "\"table\"",
    "\"weights\":",
    "-inf",
];

/// Small files of a format.
fn files(format: &Format) -> Vec<Vec<u8>> {
    let options = |seed: u64| CircuitOptions {
        size: 6,
        maximum_variables: 3,
        maximum_width: if seed.is_multiple_of(2) { 1 } else { 3 },
        normalisation: format.name.starts_with("spn") && seed.is_multiple_of(3),
        ..CircuitOptions::default()
    };
    let by_hand = WRITTEN_BY_HAND.iter().filter(|(name, _)| *name == format.name);
    let mut files: Vec<Vec<u8>> = by_hand.map(|(_, file)| file.as_bytes().to_vec()).collect();
    for file in &files {
        format.read(file).unwrap_or_else(|error| panic!("{}: {error}", format.name));
    }
    let circuits = (0..400).map(|seed| random_circuit(seed, &options(seed)));
    let written = circuits.filter_map(|circuit| format.write(&circuit).ok());
    files.extend(written.map(|file| file.bytes).filter(|file| file.len() < 1500).take(40));
    assert!(!files.is_empty(), "{}", format.name);
    files
}

/// Whether the files of a format are text.
fn is_text(file: &[u8]) -> bool {
    std::str::from_utf8(file).is_ok() && !file.contains(&0)
}

/// One random change of a file.
fn mutate(rng: &mut ChaCha8Rng, file: &mut Vec<u8>, text: bool) {
    let length = file.len().max(1);
    let at = rng.random_range(0..length).min(file.len());
    let other = rng.random_range(0..length).min(file.len());
    let end = (at + rng.random_range(1..=24)).min(file.len());
    match rng.random_range(0..10) {
        0 => file.truncate(at),
        1 => drop(file.drain(at..end)),
        2 => {
            let copy = file[at..end].to_vec();
            file.splice(other..other, copy);
        }
        3 | 4 if text => {
            let piece = PIECES[rng.random_range(0..PIECES.len())];
            file.splice(at..at, piece.bytes());
        }
        5 if text => {
            let piece = PIECES[rng.random_range(0..PIECES.len())];
            file.splice(at..end, piece.bytes());
        }
        6.. if text => {
            // Another digit: the change that is most often still a circuit.
            let digits: Vec<usize> =
                (0..file.len()).filter(|i| file[*i].is_ascii_digit()).collect();
            if !digits.is_empty() {
                file[digits[rng.random_range(0..digits.len())]] = b'0' + rng.random_range(0..10);
            }
        }
        3 | 4 if at < file.len() => file[at] ^= 1 << rng.random_range(0..8),
        5 | 6 if at < file.len() => file[at] = [0, 1, 2, 0x7f, 0x80, 0xff][at % 6],
        7 if file.len() > 16 => {
            let word = at / 8 * 8;
            let copy = file[word..(word + 8).min(file.len())].to_vec();
            let other = (other / 8 * 8).min(file.len() - copy.len());
            file[other..other + copy.len()].copy_from_slice(&copy);
        }
        _ if at < file.len() => file[at] = file[at].wrapping_add(rng.random_range(0..9)),
        _ => {}
    }
}

/// Makes the checksum of a `.spnb` file right, so that more than it is looked at.
fn repair(file: &mut [u8]) {
    let length = file.len() as u64;
    if let Some((before, checksum)) = file.split_last_chunk_mut::<4>() {
        if let Some(declared) = before.get_mut(32..40) {
            declared.copy_from_slice(&length.to_le_bytes());
        }
        *checksum = crc32fast::hash(before).to_le_bytes();
    }
}

/// How many numbers a circuit holds.
fn size(circuit: &Circuit) -> usize {
    let values: usize = circuit.parameters.iter().map(|(_, p)| p.values.len()).sum();
    let children: usize = circuit.nodes.iter().map(|node| node.children().len()).sum();
    values + children + circuit.nodes.len()
}

fn survives(format: &Format, seed: u64) {
    let files = files(format);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut read, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let original = &files[round % files.len()];
        let text_file = is_text(original);
        let mut file = original.clone();
        for _ in 0..rng.random_range(1..4) {
            mutate(&mut rng, &mut file, text_file);
        }
        if format.name == "spnb" {
            repair(&mut file);
        }
        match format.read(&file) {
            Ok(circuit) => {
                read += 1;
                // Indicators of large values are large tables.
                assert!(
                    size(&circuit) < 2 * 65_536 + 4 * file.len() + 64,
                    "{} {round}",
                    format.name
                );
                if round % 16 == 0 {
                    let again = text::parse(&text::print(&circuit));
                    // Arrays of a container may hold NaN, which no text may.
                    let readable = again.is_ok() || format.name == "spnb";
                    assert!(readable, "{} {round}: {again:?}", format.name);
                    if let Ok(written) = format.write(&circuit) {
                        let again = format.read(&written.bytes);
                        let again =
                            again.unwrap_or_else(|e| panic!("{} {round}: {e}", format.name));
                        let second = format.write(&again).map(|second| second.bytes);
                        assert_eq!(second, Ok(written.bytes), "{} {round}", format.name);
                    }
                }
            }
            Err(error) => {
                refused += 1;
                let message = error.to_string();
                let positioned = message.starts_with("line ") || message.starts_with("byte ");
                let whole = format.name == "spnb" && message.starts_with("the file is whole");
                assert!(positioned || whole, "{} {round}: {message}", format.name);
            }
        }
        let _ = formats::recognise(&file);
    }
    println!("{}: {read} read, {refused} refused", format.name);
    assert!(read > ROUNDS / 100 && refused > ROUNDS / 10, "{}: {read} {refused}", format.name);
}

/// A test for each reader, so that they run side by side.
macro_rules! readers {
    ($($test:ident => $name:literal),+ $(,)?) => {
        const TESTED: &[&str] = &[$($name),+];
        $(
            #[test]
            fn $test() {
                survives(formats::find($name).unwrap(), 1);
            }
        )+
    };
}

readers! {
    spn_text => "spn",
    spnb => "spnb",
    circuit_json => "spn-circuit-v1",
    nodes_json => "spn-nodes-v1",
    jpc => "jpc",
    psdd => "psdd",
    spflow_text => "spflow-text",
    spflow_reference => "spflow-reference",
    spflow_json => "spflow-json",
    deeprob_json => "deeprob-json",
    spnc => "spnc",
}

#[test]
fn every_reader_is_tested() {
    for format in FORMATS.iter().filter(|format| format.read.is_some()) {
        assert!(TESTED.contains(&format.name), "{}", format.name);
    }
}

#[test]
fn vtrees() {
    let file = b"c x\nvtree 5\nL 0 1\nL 1 2\nI 3 0 1\nL 4 3\nI 2 3 4\n";
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..ROUNDS {
        let mut changed = file.to_vec();
        mutate(&mut rng, &mut changed, true);
        let Ok(text) = std::str::from_utf8(&changed) else { continue };
        match Vtree::read(text) {
            Ok(_) => read += 1,
            Err(error) => {
                refused += 1;
                assert!(error.to_string().starts_with("line "), "{error}");
            }
        }
    }
    assert!(read > 1000 && refused > 10_000, "{read} {refused}");
}

#[test]
fn every_reader_survives_the_files_of_the_others() {
    for other in FORMATS {
        for file in files(other) {
            for format in FORMATS.iter().filter(|format| format.read.is_some()) {
                let _ = format.read(&file);
            }
        }
    }
}
