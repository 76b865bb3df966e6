#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| moelab_data::fuzzing::matlab(bytes));
