//! What the system says of this process.

use std::time::Duration;

use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Reads `/proc`, off the async workers; nothing if that takes too long.
pub(super) async fn families(patience: Duration) -> Vec<MetricFamily> {
    let read = spawn_blocking(|| {
        let registry = Registry::new();
        match registry.register(Box::new(ProcessCollector::for_self())) {
            Ok(()) => registry.gather(),
            Err(_) => Vec::new(),
        }
    });
    let read = timeout(patience, read).await;
    read.ok().and_then(Result::ok).unwrap_or_default()
}
