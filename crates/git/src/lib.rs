#![doc = include_str!("../README.md")]

pub mod connection;
pub mod error;
pub mod history;
pub mod index;
pub mod integrity;
pub mod mend;
pub mod pointer;
pub mod refs;
pub mod remote;
pub mod repository;
pub mod worktree;

mod ask;
mod negotiate;
mod progress;
mod receive;
mod resolve;
mod share;
mod stream;
