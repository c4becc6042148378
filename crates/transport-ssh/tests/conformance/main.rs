//! The SSH source keeps the promises of every source, against a real OpenSSH server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod lab;
mod lfs;
mod network;
mod trust;

use std::sync::Arc;

use gitbarge_core::Secret;
use gitbarge_testkit::source;
use gitbarge_testkit::sshd::Sshd;
use gitbarge_transport_ssh::{SshConfig, SshSource};

#[tokio::test(flavor = "multi_thread")]
async fn the_ssh_source_keeps_the_contract() {
    let sshd = Sshd::start();
    source::conformance(|repository| {
        let key = Secret::literal(&sshd.client_key().private);
        let config = SshConfig::new(sshd.url(repository), key);
        Arc::new(SshSource::new(config).unwrap())
    })
    .await;
}
