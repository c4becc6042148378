#![doc = include_str!("../README.md")]

mod alerter;
mod config;

mod environment;
mod group;
mod output;
mod program;

pub use alerter::ExecAlerter;
pub use config::ExecConfig;

gitbarge_core::register! { gitbarge_core::AlerterPlugin::new::<ExecConfig>() }
