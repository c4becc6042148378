#![doc = include_str!("../README.md")]

mod alerter;
mod config;

mod answer;
mod headers;
mod message;
mod signature;

pub use alerter::WebhookAlerter;
pub use config::{Method, WebhookConfig};

gitbarge_core::register! { gitbarge_core::AlerterPlugin::new::<WebhookConfig>() }
