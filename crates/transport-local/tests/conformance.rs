//! The local source keeps the promises of every source.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{Run, Source as _};
use gitbarge_testkit::source;
use gitbarge_transport_local::LocalSource;

#[tokio::test(flavor = "multi_thread")]
async fn the_local_source_keeps_the_contract() {
    source::conformance(|path| {
        let url = format!("file://{}", path.display());
        Arc::new(LocalSource::new(&url, Duration::from_secs(60)).unwrap())
    })
    .await;
}

#[tokio::test]
async fn lfs_objects_are_in_the_repository_itself() {
    let source = LocalSource::new("a b.git", Duration::from_secs(60)).unwrap();
    let server = source.lfs(&Run::standalone("site")).await.unwrap().unwrap();
    assert!(server.url.starts_with("file:///") && server.url.ends_with("/a%20b.git"));
    assert!(server.headers.is_empty());
}
