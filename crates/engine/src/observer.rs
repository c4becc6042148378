//! Who wants to see runs while they go on.

use std::sync::Arc;

use gitbarge_core::Progress;

use crate::{Board, RunRecord, RunStatus};

/// Is told when runs begin and end. Calls come from many tasks, and must return at once.
pub trait Observer: Send + Sync {
    /// A run of this pipeline begins; its counters may be read until it ends.
    fn started(&self, pipeline: &str, progress: Arc<Progress>);

    /// A run has ended.
    fn finished(&self, record: &RunRecord);

    /// An alerter of this type was asked to tell something, and has taken it or not.
    fn told(&self, _alerter: &str, _is_taken: bool) {}
}

/// Sees nothing.
pub(crate) struct Nobody;

impl Observer for Nobody {
    fn started(&self, _: &str, _: Arc<Progress>) {}

    fn finished(&self, _: &RunRecord) {}
}

/// A daemon's: its log, its board, and whoever else wants to see.
pub(crate) struct Watch {
    pub(crate) board: Arc<Board>,
    pub(crate) also: Arc<dyn Observer>,
}

impl Observer for Watch {
    fn started(&self, pipeline: &str, progress: Arc<Progress>) {
        self.board.started(pipeline, progress.clone());
        self.also.started(pipeline, progress);
    }

    fn finished(&self, record: &RunRecord) {
        log(record);
        self.board.finished(record);
        self.also.finished(record);
    }

    fn told(&self, alerter: &str, is_taken: bool) {
        self.also.told(alerter, is_taken);
    }
}

/// Writes a line for a run that has ended.
fn log(record: &RunRecord) {
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
