//! The engine with plugins that do as they are told.

mod fakes;
mod lab;
mod script;

mod cancel;
mod leases;
mod panics;
mod retries;
mod runs;
mod sinks;

mod daemon;
mod reload;
mod shutdown;

mod alerts;
mod delivery;
mod synced;
mod telling;
