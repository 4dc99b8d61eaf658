//! Fuzzes the door `fuzz::deliver`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::deliver(bytes));
