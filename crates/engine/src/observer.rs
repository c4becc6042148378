//! Who wants to see runs while they go on.

use std::sync::Arc;

use gitbarge_core::Progress;

use crate::{RunRecord, RunStatus};

/// Is told when runs begin and end. Calls come from many tasks, and must return at once.
pub trait Observer: Send + Sync {
    /// A run of this pipeline begins; its counters may be read until it ends.
    fn started(&self, pipeline: &str, progress: Arc<Progress>);

    /// A run has ended.
    fn finished(&self, record: &RunRecord);
}

/// Writes a log line for each run that ends, for want of anybody who looks.
pub(crate) struct Log;

impl Observer for Log {
    fn started(&self, _: &str, _: Arc<Progress>) {}

    fn finished(&self, record: &RunRecord) {
        let (commit, ms) = (record.to.as_deref().unwrap_or_default(), record.duration_ms);
        match record.status {
            RunStatus::Synced => tracing::info!(commit, ms, "Synced."),
            RunStatus::Unchanged => tracing::debug!(commit, ms, "Unchanged."),
            RunStatus::Failed => record.failures().for_each(|(sink, failure)| {
                let (kind, error) = (failure.kind.as_str(), &failure.message);
                tracing::error!(sink, kind, error, "The run failed.");
            }),
        }
    }
}
