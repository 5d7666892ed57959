//! Any text as a layer file.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| drop(spn_ir::LayerFile::from_json(text)));
