//! Fuzzes the door `fuzz::converse`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::converse(bytes));
