#![doc = include_str!("../README.md")]

mod config;
mod signal;
mod trigger;

pub use config::SignalConfig;
pub use signal::{SignalError, UserSignal};
pub use trigger::SignalTrigger;

gitbarge_core::register! { gitbarge_core::TriggerPlugin::new::<SignalConfig>() }
