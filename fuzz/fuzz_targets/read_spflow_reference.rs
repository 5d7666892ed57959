//! Any bytes as a file of the format `spflow-reference`: a circuit, which is written and read again, or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| spn_fuzz::round("spflow-reference", bytes));
