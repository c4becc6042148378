#![doc = include_str!("../README.md")]

mod app;
mod args;
mod plugins;
mod verbs;

mod manual;
mod reference;
mod report;

mod configuration;
mod exit;
mod logging;
mod process;
mod progress;
mod terminal;

pub use app::main;
pub use reference::config_reference;
