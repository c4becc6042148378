#![doc = include_str!("../README.md")]

mod config;
mod source;

mod lfs;

mod url;

mod key;
mod pem;

mod host_keys;
mod known_hosts;
mod learned;

mod channel;
mod pump;
mod session;
mod wire;

pub use config::{HostKeys, SshConfig};
pub use source::SshSource;

gitbarge_core::register! { gitbarge_core::SourcePlugin::new::<SshConfig>() }
