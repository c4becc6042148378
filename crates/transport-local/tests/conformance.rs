//! The local source keeps the promises of every source.

use std::sync::Arc;
use std::time::Duration;

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
