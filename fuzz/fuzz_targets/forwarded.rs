//! Lines of X-Forwarded-For.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gitbarge_trigger_webhook::fuzzing::forwarded_headers(data));
