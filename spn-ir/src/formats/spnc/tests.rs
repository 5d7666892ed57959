//! Messages of several segments, and messages that are not what they should be.

use super::*;
use crate::formats::FormatError;
use crate::text;

const CIRCUIT: &str = "spn 1
variables 3
parameter probabilities [3] = [0.2 0.5 0.3]
quantity p = direct(probabilities)
parameter location [2] = [-1 2]
quantity l = direct(location)
parameter scale [2] = [1 0.5]
quantity s = direct(scale)
parameter weights [2] = [0.25 0.75]
quantity w = direct(weights)
c = leaf categorical(0) states=3 probabilities=p
a = leaf normal(2) location=l scale=s
b = leaf normal(2) location=l@1 scale=s@1
m = sum(a, b) weights=w
r = product(c, m)
root r
";

/// The segment of the written message.
fn words() -> Vec<u64> {
    let bytes = (FORMAT.write.unwrap())(&text::parse(CIRCUIT).unwrap()).unwrap().bytes;
    bytes[8..].as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

/// A message of these segments.
fn message(segments: &[&[u64]]) -> Vec<u8> {
    let mut bytes = (segments.len() as u32 - 1).to_le_bytes().to_vec();
    for segment in segments {
        bytes.extend((segment.len() as u32).to_le_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend(segments.iter().copied().flatten().flat_map(|word| word.to_le_bytes()));
    bytes
}

fn far(segment: u64, word: u64) -> u64 {
    2 | word << 3 | segment << 32
}

fn printed(bytes: &[u8]) -> String {
    text::print(&(FORMAT.read.unwrap())(bytes).unwrap())
}

#[test]
fn far_pointers_lead_to_other_segments() {
    let words = words();
    let expected = printed(&message(&[&words]));
    assert!(expected.contains("sum(n1, n2)") && expected.contains("variables 3"), "{expected}");
    // The root pointer alone in the first segment, its landing pad in front of the rest.
    assert_eq!(printed(&message(&[&[far(1, 0)], &words])), expected);
    // A landing pad of two words, in a third segment: where the content is, and what.
    let double = far(2, 1) | 4;
    let pad = [0, far(1, 0), words[0] & !0xffff_fffc];
    assert_eq!(printed(&message(&[&[double], &words[1..], &pad])), expected);
}

#[test]
fn wrong_messages_are_explained() {
    let words = words();
    let refused = |bytes: &[u8]| match (FORMAT.read.unwrap())(bytes).unwrap_err() {
        FormatError::Import(error) => error.to_string(),
        other => panic!("{other}"),
    };
    let check = |segments: &[&[u64]], part: &str| {
        let message = refused(&message(segments));
        assert!(message.starts_with("byte ") && message.contains(part), "{message}");
    };
    check(&[&[far(7, 0)], &words], "segment that there is");
    check(&[&[far(1, 9999)], &words], "inside its segment");
    check(&[&[far(1, 0)], &[far(0, 0)]], "not far");
    check(&[&[0]], "pointer to a struct");
    check(&[&[3]], "struct or a list");
    let mut bytes = message(&[&words]);
    bytes.push(0);
    assert!(refused(&bytes).contains("behind the last segment"));
    bytes.truncate(bytes.len() - 9);
    assert!(refused(&bytes).contains("are left"), "{}", refused(&bytes));
    assert!(refused(&[]).contains("number of segments"));
}

/// Many nodes that share one long list would be a large circuit from a small file.
#[test]
fn parts_are_used_once() {
    let leaf = |k: u32| format!("a{k} = leaf normal(0) location=[{k}] scale=[1]\n");
    let leaves: String = (0..40).map(leaf).collect();
    let names: Vec<String> = (0..40).map(|k| format!("a{k}")).collect();
    let weights = ["0.025"; 40].join(" ");
    let sum = format!("s = sum({}) weights=[{weights}]", names.join(", "));
    let circuit = text::parse(&format!("spn 1\nvariables 1\n{leaves}{sum}\nroot s\n")).unwrap();
    let bytes = (FORMAT.write.unwrap())(&circuit).unwrap().bytes;
    let mut words: Vec<u64> =
        bytes[8..].as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    // Every node of the list becomes the sum: its pointer leads to the sum's lists.
    let nodes = words.iter().position(|word| *word == 41 << 2 | 1 << 32 | 1 << 48).unwrap() + 1;
    let of_sum = nodes + 2 * 40;
    let lists = of_sum + 2 + (words[of_sum + 1] as u32 >> 2) as usize;
    for node in 0..40 {
        let place = nodes + 2 * node;
        words[place] = node as u64 | 1 << 48;
        words[place + 1] = ((lists - place - 2) as u64) << 2 | 2 << 48;
    }
    let error = (FORMAT.read.unwrap())(&message(&[&words])).unwrap_err().to_string();
    assert!(error.contains("used once"), "{error}");
}
