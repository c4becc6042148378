//! Deliveries as the forges send them, and as those who are none would, against the endpoint itself.

mod fuzzed;
mod lab;
mod log;
mod providers;
mod refused;
mod replayed;
mod secrets;
mod senders;
