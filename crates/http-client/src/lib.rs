#![doc = include_str!("../README.md")]

mod client;
mod unanswered;

pub use client::{builder, server};
pub use unanswered::{is_closed, lost, unanswered};
