//! Any text as a variable tree.
#![no_main]

use spn_ir::formats::Vtree;

libfuzzer_sys::fuzz_target!(|text: &str| drop(Vtree::read(text)));
