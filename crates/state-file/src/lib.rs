#![doc = include_str!("../README.md")]

mod config;
mod store;

mod directory;
mod durable;
mod lock;
mod names;
mod record;

pub use config::FileConfig;
pub use store::FileState;

gitbarge_core::register! { gitbarge_core::StatePlugin::new::<FileConfig>() }
