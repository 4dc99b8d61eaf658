//! Fuzzes the door `fuzz::decode_southbound`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::decode_southbound(bytes));
