//! Any bytes as a file of the format `spn-circuit-v1`: a circuit, which is written and read again, or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| spn_fuzz::round("spn-circuit-v1", bytes));
