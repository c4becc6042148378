#![doc = include_str!("../README.md")]

mod limits;
mod listener;
mod watched;

mod connection;
mod connections;
mod serving;
mod tls;

mod hook;
mod probes;
mod router;

mod api;
mod metrics;
mod page;

mod activity;
mod body;
mod budget;
mod reply;
mod token;

pub use limits::Limits;
pub use listener::{Listener, inspect};
pub use watched::Watched;
