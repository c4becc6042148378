#![doc = include_str!("../README.md")]

pub mod config;
mod plugin;

mod alert;
mod endpoint;
mod lfs;
mod pack;
mod ref_patterns;
mod sink;
mod source;
mod state;
mod trigger;

mod address;
pub mod bounded;
pub mod duration;
mod error;
mod network;
pub mod redact;
mod retry_after;
mod run;
mod search_path;
mod secret;
pub mod size;
pub mod timeouts;

pub use address::Address;
pub use alert::{Alert, Alerter, Event, Notice};
pub use endpoint::{Endpoint, Reply};
pub use error::{Error, ErrorKind, Failure, Result, io_kind};
pub use inventory::submit as register;
pub use lfs::{HostHeaders, LfsServer};
pub use network::{HttpProxy, Network};
pub use pack::PackStream;
pub use plugin::{
    AlerterPlugin, Component, Kind, Plugin, PluginConfig, Problem, SinkPlugin, SourcePlugin,
    StatePlugin, TriggerPlugin, registered,
};
pub use ref_patterns::RefPatterns;
pub use retry_after::retry_after;
pub use run::{Gauge, Progress, Run, panic_error};
pub use search_path::search_path;
pub use secret::{Secret, SecretText, secret_variables};
pub use sink::{
    Delivery, FetchOptions, Held, Objects, PackRequest, Receipt, RemoteRef, Sink, Target, Wanted,
};
pub use source::{Connection, Ending, RemoteEnd, Service, Source};
pub use state::{Entry, Expect, Key, Lease, ScopedState, StateStore, Version};
pub use trigger::{Asked, Listening, Requests, Ticket, Trigger};
