#![doc = include_str!("../README.md")]

mod config;
mod secrets;
mod trigger;

mod endpoint;
mod judge;
mod parts;

mod provider;

mod keys;
mod proof;
mod signature;

mod payload;
mod wanted;

mod forwarded;
mod networks;
mod sender;

mod bucket;
mod flood;
mod journal;

mod ledger;
mod memory;
mod stored;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

pub use config::WebhookConfig;
pub use networks::{NetworkError, Networks};
pub use provider::Provider;
pub use secrets::Secrets;
pub use trigger::WebhookTrigger;

gitbarge_core::register! { gitbarge_core::TriggerPlugin::new::<WebhookConfig>() }
