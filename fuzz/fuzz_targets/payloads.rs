//! Bodies of deliveries, as each event of each provider.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gitbarge_trigger_webhook::fuzzing::payloads(data));
