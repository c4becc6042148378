#![doc = include_str!("../README.md")]

mod config;
mod sink;

mod apply;
mod discarded;
mod held;
mod leftovers;
mod memory;
mod repair;
mod report;
mod target;

pub use config::CheckoutConfig;
pub use sink::{CheckoutOptions, CheckoutSink};

gitbarge_core::register! { gitbarge_core::SinkPlugin::new::<CheckoutConfig>() }
