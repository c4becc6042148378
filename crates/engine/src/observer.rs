//! Who wants to see runs while they go on.

use std::sync::Arc;

use gitbarge_core::Progress;

use crate::RunRecord;

/// Is told when runs begin and end. Calls come from many tasks, and must return at once.
pub trait Observer: Send + Sync {
    /// A run of this pipeline begins; its counters may be read until it ends.
    fn started(&self, pipeline: &str, progress: Arc<Progress>);

    /// A run has ended.
    fn finished(&self, record: &RunRecord);
}

/// Looks away.
pub struct Silent;

impl Observer for Silent {
    fn started(&self, _: &str, _: Arc<Progress>) {}

    fn finished(&self, _: &RunRecord) {}
}
