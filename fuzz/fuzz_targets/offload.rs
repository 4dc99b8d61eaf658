//! Fuzzes the door `fuzz::take`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::take(bytes));
