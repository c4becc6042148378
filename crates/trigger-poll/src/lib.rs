#![doc = include_str!("../README.md")]

mod config;
mod trigger;

pub use config::PollConfig;
pub use trigger::PollTrigger;

gitbarge_core::register! { gitbarge_core::TriggerPlugin::new::<PollConfig>() }
