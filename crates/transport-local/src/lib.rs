#![doc = include_str!("../README.md")]

mod config;
mod source;

mod child;
mod path;
mod pipes;

pub use config::LocalConfig;
pub use source::LocalSource;

gitbarge_core::register! { gitbarge_core::SourcePlugin::new::<LocalConfig>() }
