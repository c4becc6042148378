#![doc = include_str!("../README.md")]

pub mod connection;
pub mod error;
pub mod history;
pub mod integrity;
pub mod mend;
pub mod refs;
pub mod remote;
pub mod repository;
pub mod worktree;

mod negotiate;
mod progress;
mod receive;
mod resolve;
mod share;
