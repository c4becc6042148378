//! The HTTP source keeps the promises of every source, against git's own HTTP server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod door;
mod github;
mod lab;
mod network;
mod protocol;
mod ways;

use std::sync::Arc;

use gitbarge_core::Source;
use gitbarge_testkit::http_backend::GitHttp;
use gitbarge_testkit::{plugin, source};
use gitbarge_transport_http::{HttpConfig, HttpSource};

#[tokio::test(flavor = "multi_thread")]
async fn the_http_source_keeps_the_contract() {
    let server = GitHttp::start(&std::env::temp_dir()).await;
    source::conformance(|repository| {
        let config = HttpConfig::new(server.url(repository));
        Arc::new(HttpSource::new(config).unwrap())
    })
    .await;
    let version = Some("version=2".to_owned());
    assert!(server.requests().iter().all(|r| r.protocol == version));
}

#[test]
fn the_configuration_keeps_the_contract() {
    plugin::conformance::<dyn Source, HttpConfig>();
}
