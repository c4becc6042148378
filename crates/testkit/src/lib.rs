#![doc = include_str!("../README.md")]

pub mod alerter;
pub mod plugin;
pub mod sink;
pub mod source;
pub mod state;
pub mod trigger;

pub mod files;
pub mod forward_proxy;
pub mod github;
pub mod http_backend;
pub mod lfs;
pub mod memory;
pub mod metrics;
pub mod proxy;
pub mod repository;
pub mod s3;
pub mod slack;
pub mod sshd;
pub mod tls;
pub mod upload_pack;
pub mod webhook;

mod serving;
