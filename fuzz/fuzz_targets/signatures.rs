//! Header lines that are to prove a delivery.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gitbarge_trigger_webhook::fuzzing::signatures(data));
