#![doc = include_str!("../README.md")]

mod client;
mod download;
mod object;
mod stream;

pub mod agent;

mod answer;
mod batch;
mod folder;
mod hosts;
mod http;
mod server;

pub use client::Client;
pub use download::Download;
pub use object::Object;
pub use stream::ObjectStream;
