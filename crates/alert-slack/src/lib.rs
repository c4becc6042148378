#![doc = include_str!("../README.md")]

mod alerter;
mod config;

mod answer;
mod message;
mod text;

pub use alerter::SlackAlerter;
pub use config::SlackConfig;

gitbarge_core::register! { gitbarge_core::AlerterPlugin::new::<SlackConfig>() }
