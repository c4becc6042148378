//! The listener over real sockets, before an engine with plugins that do as they are told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fakes;
mod lab;
mod wire;

mod api;
mod bodies;
mod connections;
mod hooks;
mod metrics;
mod page;
mod probes;
mod reload;
mod schema;
mod tls;
