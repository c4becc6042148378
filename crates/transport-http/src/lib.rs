#![doc = include_str!("../README.md")]

mod config;
mod source;

mod askpass;
mod cookies;
mod credentials;
mod github_app;
mod jwt;
mod login;
mod network;
mod url;

mod client;
mod redirect;
mod transport;

mod answer;

pub use config::{HostConfig, HttpConfig};
pub use github_app::GithubAppConfig;
pub use source::HttpSource;

gitbarge_core::register! { gitbarge_core::SourcePlugin::new::<HttpConfig>() }
