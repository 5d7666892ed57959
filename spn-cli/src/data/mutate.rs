//! Damaged copies of small files, for tests that readers never panic.

/// Calls `check` with every truncation of `file` and with some thousand seeded mutations of it.
pub(super) fn each(file: &[u8], mut check: impl FnMut(&[u8])) {
    for length in 0..=file.len() {
        check(&file[..length]);
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        // The generator xorshift64: chance enough, and the same on every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below.max(1)
    };
    for _ in 0..4000 {
        let mut bytes = file.to_vec();
        for _ in 0..=random(4) {
            let position = random(bytes.len());
            match random(5) {
                0 => bytes.insert(position, random(256) as u8),
                1 if bytes.len() > 1 => drop(bytes.remove(position)),
                2 => bytes[position] = [0, 0xff, 0x7f, 0x80, b'('][random(5)],
                3 => bytes[position] ^= 1 << random(8),
                _ => bytes[position] = random(256) as u8,
            }
        }
        check(&bytes);
    }
}
