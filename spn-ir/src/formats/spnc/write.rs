//! Writing SPNC models: one segment, everything behind what points to it.

use super::NAME;
use crate::formats::Written;
use crate::formats::error::WriteError;
use crate::formats::scalar::{ScalarKind, Unrolled, unroll};
use crate::{Circuit, LocationScale};

/// The largest segment: offsets of pointers have 30 bits and a sign.
const MAXIMUM_WORDS: usize = 1 << 29;

/// What SPNC's examples ask for.
const BATCH_SIZE: i32 = 1;
const RELATIVE_ERROR: u16 = 1;
const ERROR: f64 = 0.02;

/// The type of the input rows.
const FEATURE_TYPE: &str = "float64";

const TEXT: u64 = 2;
const INTEGERS: u64 = 4;
const DOUBLES: u64 = 5;
const STRUCTS: u64 = 7;

pub(super) fn write(circuit: &Circuit) -> Result<Written, WriteError> {
    let mut unrolled = unroll(circuit, NAME, true)?;
    unrolled.replace_indicators();
    unrolled.replace_logarithms();
    let Unrolled { scalars, root, lost } = unrolled;
    let mut segment = Segment { words: vec![0] };
    let model = segment.model(root, circuit.variables);
    let nodes = segment.structures(model + 4, scalars.nodes.len());
    for (id, node) in scalars.nodes.iter().enumerate() {
        let place = nodes + 2 * id;
        segment.put(place, 0, &(id as i32).to_le_bytes());
        segment.put(place, 4, &[u8::from(id == root as usize)]);
        let Some(tag) = segment.payload(place + 1, &node.kind) else {
            return Err(WriteError::leaf(NAME, &node.kind, circuit, node.origin));
        };
        segment.put(place, 6, &tag.to_le_bytes());
        if segment.words.len() > MAXIMUM_WORDS {
            let mend = "write it in another format";
            let limit = MAXIMUM_WORDS as u64;
            return Err(WriteError::TooLarge { what: "words of 8 bytes", limit, mend });
        }
    }
    let nodes = scalars.nodes.len();
    Ok(Written { bytes: segment.message(), nodes, lost })
}

/// The only segment of a message; places are indices of words.
struct Segment {
    words: Vec<u64>,
}

impl Segment {
    /// A query with its model, still without nodes; the place of the model.
    fn model(&mut self, root: u32, variables: u32) -> usize {
        let header = self.structure(0, 1, 1);
        self.put(header, 0, &1_u16.to_le_bytes());
        let query = self.structure(header + 1, 2, 1);
        self.put(query, 0, &BATCH_SIZE.to_le_bytes());
        self.put(query, 4, &RELATIVE_ERROR.to_le_bytes());
        self.put(query, 8, &ERROR.to_le_bytes());
        let joint = self.structure(query + 2, 1, 1);
        self.put(joint, 0, &[1]);
        let model = self.structure(joint + 1, 1, 4);
        self.put(model, 0, &(root as i32).to_le_bytes());
        self.put(model, 4, &(variables as i32).to_le_bytes());
        self.text(model + 1, "spn");
        self.text(model + 2, FEATURE_TYPE);
        let scope: Vec<u32> = (0..variables).collect();
        self.integers(model + 3, &scope);
        model
    }

    /// What a node is, to which the pointer leads; its tag, or `None` for other families.
    fn payload(&mut self, pointer: usize, kind: &ScalarKind) -> Option<u16> {
        match kind {
            ScalarKind::Product(children) => {
                let product = self.structure(pointer, 0, 1);
                self.integers(product, children);
                Some(0)
            }
            ScalarKind::Sum { children, weights } => {
                let sum = self.structure(pointer, 0, 2);
                self.integers(sum, children);
                self.doubles(sum + 1, &weights.linear());
                Some(1)
            }
            ScalarKind::LocationScale {
                density: LocationScale::Normal,
                variable,
                location,
                scale,
            } => {
                let leaf = self.structure(pointer, 3, 0);
                self.put(leaf, 0, &location.to_le_bytes());
                self.put(leaf, 8, &scale.to_le_bytes());
                self.put(leaf, 16, &(*variable as i32).to_le_bytes());
                Some(3)
            }
            ScalarKind::Categorical { variable, probabilities } => {
                let leaf = self.structure(pointer, 1, 1);
                self.put(leaf, 0, &(*variable as i32).to_le_bytes());
                self.doubles(leaf + 1, &probabilities.linear());
                Some(4)
            }
            _ => None,
        }
    }

    /// Room for some words at the end.
    fn room(&mut self, words: usize) -> usize {
        let start = self.words.len();
        self.words.resize(start + words, 0);
        start
    }

    /// Sets the pointer at a word.
    fn point(&mut self, pointer: usize, target: usize, kind: u64, high: u64) {
        let offset = (target - pointer - 1) as u64;
        self.words[pointer] = offset << 2 | kind | high << 32;
    }

    /// A new struct, to which the pointer leads.
    fn structure(&mut self, pointer: usize, data: usize, pointers: usize) -> usize {
        let start = self.room(data + pointers);
        self.point(pointer, start, 0, data as u64 | (pointers as u64) << 16);
        start
    }

    /// A new list of structs of one word of data and one pointer.
    fn structures(&mut self, pointer: usize, count: usize) -> usize {
        let start = self.room(1 + 2 * count);
        self.point(pointer, start, 1, STRUCTS | (2 * count as u64) << 3);
        self.words[start] = (count as u64) << 2 | 1 << 32 | 1 << 48;
        start + 1
    }

    fn list(&mut self, pointer: usize, kind: u64, count: usize, bytes: &[u8]) {
        let start = self.room(bytes.len().div_ceil(8));
        self.point(pointer, start, 1, kind | (count as u64) << 3);
        self.put(start, 0, bytes);
    }

    fn integers(&mut self, pointer: usize, values: &[u32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.list(pointer, INTEGERS, values.len(), &bytes);
    }

    fn doubles(&mut self, pointer: usize, values: &[f64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.list(pointer, DOUBLES, values.len(), &bytes);
    }

    /// A text, which ends with a zero.
    fn text(&mut self, pointer: usize, text: &str) {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.list(pointer, TEXT, bytes.len(), &bytes);
    }

    /// Puts bytes into the words from `start` on; what was there is kept.
    fn put(&mut self, start: usize, at: usize, bytes: &[u8]) {
        for (index, byte) in bytes.iter().enumerate() {
            let position = at + index;
            self.words[start + position / 8] |= u64::from(*byte) << (8 * (position % 8));
        }
    }

    /// The message: one segment, its length, the words.
    fn message(&self) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&(self.words.len() as u32).to_le_bytes());
        bytes.extend(self.words.iter().flat_map(|word| word.to_le_bytes()));
        bytes
    }
}
