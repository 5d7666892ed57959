//! Cap'n Proto messages: segments, pointers, structs and lists.
//!
//! Every access is checked. Pointers may lead anywhere, also many to one place, so a message keeps
//! count of what was visited: in all it is not more than the message has.

use std::cell::Cell;

use crate::formats::error::{ImportError, ImportProblem};

type Result<T> = std::result::Result<T, ImportError>;

const WORD: usize = 8;

/// The most segments of a message.
const MAXIMUM_SEGMENTS: u32 = 512;

/// A message with its segments.
pub(super) struct Message<'a> {
    bytes: &'a [u8],
    /// Where each segment begins and ends, in bytes.
    segments: Vec<(usize, usize)>,
    /// How many more words may be visited.
    left: Cell<u64>,
}

/// A struct: where its data and pointers are; both may be shorter than the schema says.
#[derive(Clone, Copy)]
pub(super) struct Struct {
    segment: usize,
    /// Byte in the file.
    pub(super) offset: usize,
    data: usize,
    pointers: usize,
}

/// What a pointer leads to.
enum Target {
    Null,
    Struct(Struct),
    /// Byte in the file, segment, kind of element, number of elements.
    List(usize, usize, u64, u64),
}

/// Where the segments lie, if the bytes are a message from the first to the last.
fn segments(bytes: &[u8]) -> Result<Vec<(usize, usize)>> {
    let count = u32_at(bytes, 0).filter(|count| *count < MAXIMUM_SEGMENTS);
    let Some(count) = count else {
        let expected = format!("the number of segments, less than {MAXIMUM_SEGMENTS}");
        let found = "another number".to_owned();
        return Err(ImportError::in_binary(0, ImportProblem::Expected { expected, found }));
    };
    let count = count as usize + 1;
    let mut start = (4 + 4 * count).next_multiple_of(WORD);
    let mut segments = Vec::with_capacity(count);
    for index in 0..count {
        let at = 4 + 4 * index;
        let words = u32_at(bytes, at).unwrap_or(u32::MAX);
        let needed = u64::from(words) * WORD as u64;
        let available = bytes.len().saturating_sub(start);
        if needed > available as u64 {
            let problem = ImportProblem::Outside { what: "a segment", needed, available };
            return Err(ImportError::in_binary(at, problem));
        }
        segments.push((start, start + needed as usize));
        start += needed as usize;
    }
    if start != bytes.len() {
        let (what, found) = ("bytes behind the last segment".to_owned(), bytes.len() - start);
        let expected = "there should be none".to_owned();
        let problem = ImportProblem::Count { what, found: found as u64, expected };
        return Err(ImportError::in_binary(start, problem));
    }
    Ok(segments)
}

/// Whether the bytes look like a message.
pub(super) fn is_message(bytes: &[u8]) -> bool {
    bytes.len() >= 2 * WORD && segments(bytes).is_ok()
}

impl<'a> Message<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self> {
        let left = Cell::new((bytes.len() / WORD) as u64 + 1);
        Ok(Self { bytes, segments: segments(bytes)?, left })
    }

    /// The struct that the message begins with.
    pub(super) fn root(&self) -> Result<Struct> {
        let (start, _) = self.segments[0];
        match self.follow(0, start)? {
            Target::Struct(root) => Ok(root),
            _ => Err(expected(start, "a pointer to a struct")),
        }
    }

    /// The struct at a pointer of a struct.
    pub(super) fn structure(&self, parent: Struct, index: usize, what: &str) -> Result<Struct> {
        match self.pointer(parent, index)? {
            Target::Struct(found) => Ok(found),
            _ => Err(expected(parent.offset, what)),
        }
    }

    /// The list of `i32` at a pointer of a struct.
    pub(super) fn integers(&self, parent: Struct, index: usize) -> Result<Vec<i32>> {
        let bytes = self.list(parent, index, 4, "a list of 32-bit numbers")?;
        Ok(bytes.as_chunks().0.iter().map(|chunk| i32::from_le_bytes(*chunk)).collect())
    }

    /// The list of `f64` at a pointer of a struct.
    pub(super) fn doubles(&self, parent: Struct, index: usize) -> Result<Vec<f64>> {
        let bytes = self.list(parent, index, 5, "a list of 64-bit numbers")?;
        Ok(bytes.as_chunks().0.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect())
    }

    /// The bytes of a list of numbers; none if the pointer is null.
    fn list(&self, parent: Struct, index: usize, kind: u64, what: &str) -> Result<&'a [u8]> {
        match self.pointer(parent, index)? {
            Target::Null => Ok(&[]),
            Target::List(offset, segment, found, count) if found == kind => {
                let bytes = count * if kind == 4 { 4 } else { 8 };
                self.check(segment, offset, bytes, what)?;
                Ok(&self.bytes[offset..offset + bytes as usize])
            }
            _ => Err(expected(parent.offset, what)),
        }
    }

    /// The structs of a list at a pointer of a struct.
    pub(super) fn structures(&self, parent: Struct, index: usize) -> Result<Vec<Struct>> {
        let what = "a list of structs";
        let (offset, segment, words) = match self.pointer(parent, index)? {
            Target::Null => return Ok(Vec::new()),
            Target::List(offset, segment, 7, words) => (offset, segment, words),
            _ => return Err(expected(parent.offset, what)),
        };
        self.check(segment, offset, (words + 1) * WORD as u64, what)?;
        let tag = self.word(offset);
        let count = u64::from(tag as u32 >> 2);
        let (data, pointers) = ((tag >> 32 & 0xffff) as usize, (tag >> 48) as usize);
        let each = (data + pointers) as u64;
        // Empty structs would be many for nothing.
        if tag & 3 != 0 || each == 0 && count > 0 || count * each > words {
            return Err(expected(
                offset,
                "the size of the list's structs, as many as it has words",
            ));
        }
        let first = offset + WORD;
        let size = each as usize * WORD;
        let at = |index: usize| Struct { segment, offset: first + index * size, data, pointers };
        Ok((0..count as usize).map(at).collect())
    }

    /// Some bytes of a struct's data; zeros where it is shorter.
    pub(super) fn data<const N: usize>(&self, structure: Struct, at: usize) -> [u8; N] {
        let end = (at + N <= structure.data * WORD).then_some(structure.offset + at);
        let found = end.and_then(|start| self.bytes.get(start..)?.first_chunk());
        found.copied().unwrap_or([0; N])
    }

    /// What a pointer of a struct leads to.
    fn pointer(&self, structure: Struct, index: usize) -> Result<Target> {
        if index >= structure.pointers {
            return Ok(Target::Null);
        }
        self.follow(structure.segment, structure.offset + (structure.data + index) * WORD)
    }

    /// What the pointer at a byte leads to.
    fn follow(&self, segment: usize, at: usize) -> Result<Target> {
        self.check(segment, at, WORD as u64, "a pointer")?;
        let word = self.word(at);
        if word & 3 != 2 {
            // The offset is signed and counts from behind the pointer.
            let offset = i64::from(word as u32 as i32 >> 2);
            return self.target(segment, at, at as i64 + (1 + offset) * WORD as i64, word);
        }
        let (pad_segment, pad) = self.far(at, word)?;
        if word & 4 == 0 {
            self.check(pad_segment, pad, WORD as u64, "a far pointer's target")?;
            let word = self.word(pad);
            if word & 3 == 2 {
                return Err(expected(pad, "a pointer that is not far"));
            }
            let offset = i64::from(word as u32 as i32 >> 2);
            return self.target(pad_segment, pad, pad as i64 + (1 + offset) * WORD as i64, word);
        }
        self.check(pad_segment, pad, 2 * WORD as u64, "a far pointer's target")?;
        let (far, tag) = (self.word(pad), self.word(pad + WORD));
        if far & 7 != 2 {
            return Err(expected(pad, "a far pointer to the content"));
        }
        let (content_segment, content) = self.far(pad, far)?;
        self.target(content_segment, pad, content as i64, tag)
    }

    /// Segment and byte that a far pointer says.
    fn far(&self, at: usize, word: u64) -> Result<(usize, usize)> {
        let segment = (word >> 32) as usize;
        match self.segments.get(segment) {
            Some((start, _)) => Ok((segment, start + (word as u32 >> 3) as usize * WORD)),
            None => Err(expected(at, "a far pointer to a segment that there is")),
        }
    }

    /// What stands at `start`, described by a pointer.
    fn target(&self, segment: usize, at: usize, start: i64, word: u64) -> Result<Target> {
        if word == 0 {
            return Ok(Target::Null);
        }
        let Ok(offset) = usize::try_from(start) else {
            return Err(expected(at, "a pointer into the file"));
        };
        let high = word >> 32;
        match word & 3 {
            0 => {
                let (data, pointers) = ((high & 0xffff) as usize, (high >> 16) as usize);
                let bytes = (data + pointers) * WORD;
                self.check(segment, offset, bytes as u64, "a struct")?;
                Ok(Target::Struct(Struct { segment, offset, data, pointers }))
            }
            1 => Ok(Target::List(offset, segment, high & 7, high >> 3)),
            _ => Err(expected(at, "a pointer to a struct or a list")),
        }
    }

    /// Checks that bytes lie in a segment, and counts them as visited.
    fn check(&self, segment: usize, offset: usize, needed: u64, what: &str) -> Result<()> {
        let (start, end) = self.segments[segment];
        let available = if offset < start { 0 } else { end.saturating_sub(offset) };
        if needed > available as u64 {
            return Err(expected(offset, &format!("{what} of {needed} bytes inside its segment")));
        }
        let words = needed / WORD as u64;
        // Pointers are counted with their structs.
        let words = if what == "a pointer" { 0 } else { words };
        match self.left.get().checked_sub(words) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(expected(offset, "every part of the message to be used once")),
        }
    }

    fn word(&self, at: usize) -> u64 {
        let chunk = self.bytes.get(at..).and_then(|rest| rest.first_chunk());
        u64::from_le_bytes(chunk.copied().unwrap_or([0; WORD]))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// The error that something else is expected at a byte.
pub(super) fn expected(offset: usize, expected: &str) -> ImportError {
    let (expected, found) = (expected.to_owned(), "something else".to_owned());
    ImportError::in_binary(offset, ImportProblem::Expected { expected, found })
}
