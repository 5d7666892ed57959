//! Any bytes as a compiled plan: one that passes its own verification, or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(spn_ir::container::read_plan(bytes)));
