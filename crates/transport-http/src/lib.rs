#![doc = include_str!("../README.md")]

mod config;
mod source;

mod credentials;
mod url;

mod client;
mod redirect;
mod transport;

mod answer;
mod unanswered;

pub use config::HttpConfig;
pub use source::HttpSource;

gitbarge_core::register! { gitbarge_core::SourcePlugin::new::<HttpConfig>() }
