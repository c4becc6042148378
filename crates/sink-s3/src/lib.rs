#![doc = include_str!("../README.md")]

mod config;
mod sink;
mod url;

mod mirror;

mod credentials;
mod store;

pub use config::{LfsPolicy, S3Config};
pub use sink::{S3Mirror, S3Sink};

gitbarge_core::register! { gitbarge_core::SinkPlugin::new::<S3Config>() }
