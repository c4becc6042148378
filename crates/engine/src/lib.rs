#![doc = include_str!("../README.md")]

mod board;
mod engine;
mod observer;

mod daemon;
mod run;

mod asked;
mod attempt;
mod backoff;
mod contained;
mod listed;
mod slot;

pub mod history;
mod record;

mod alerts;

pub use board::{Board, Posted};
pub use engine::Engine;
pub use observer::Observer;
pub use record::{RunRecord, RunStatus, SinkRecord};
