//! What all targets do with a file.

use spn_ir::formats;

/// Reads bytes in a format; what is read anyway is written and read again, and stays the same.
///
/// # Panics
/// If a reader refuses what the writer of its format wrote, or reads something else.
pub fn round(name: &str, bytes: &[u8]) {
    let format = formats::find(name).expect("the format is in the list");
    let Ok(circuit) = format.read(bytes) else { return };
    let Ok(written) = format.write(&circuit) else { return };
    let again = format.read(&written.bytes).expect("what was written is read");
    let second = format.write(&again).expect("what was read is written");
    assert_eq!(second.bytes, written.bytes);
}
