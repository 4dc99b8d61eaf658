//! Fuzzes the door `fuzz::decode_northbound`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::decode_northbound(bytes));
