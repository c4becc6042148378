//! What has been seen of the engine: the board, and what came of runs in this process.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use gitbarge_core::Progress;
use gitbarge_engine::{Board, Observer, Posted, RunRecord};

use crate::metrics::Metrics;

/// How many runs of each pipeline the status page shows.
const SHOWN: usize = 5;

/// Watches an engine for a [`crate::Listener`]: give it to [`gitbarge_engine::Engine::observed_by`].
pub struct Watched {
    board: Arc<Board>,
    metrics: Metrics,
    recent: Mutex<BTreeMap<String, Recent>>,
}

/// What came of a pipeline's runs in this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recent {
    /// The last ones, the newest first.
    pub(crate) runs: VecDeque<Arc<RunRecord>>,
    /// The last good one.
    pub(crate) good: Option<Arc<RunRecord>>,
}

impl Watched {
    /// Watches the engine whose board this is.
    pub fn new(board: Arc<Board>) -> Self {
        Self {
            board,
            metrics: Metrics::new(),
            recent: Mutex::default(),
        }
    }

    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The pipelines that are followed now; what is kept of others is forgotten.
    pub(crate) fn pipelines(&self) -> Vec<(Posted, Recent)> {
        let posted = self.board.pipelines();
        let names: BTreeSet<&str> = posted
            .iter()
            .map(|posted| posted.pipeline.name.as_str())
            .collect();
        self.metrics.keep_only(&names);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|name, _| names.contains(name.as_str()));
        let with_recent = |posted: Posted| {
            let own = recent.get(&posted.pipeline.name).cloned();
            (posted, own.unwrap_or_default())
        };
        posted.into_iter().map(with_recent).collect()
    }
}

impl Observer for Watched {
    fn started(&self, _: &str, _: Arc<Progress>) {}

    fn finished(&self, record: &RunRecord) {
        if !self.board.has(&record.pipeline) {
            // Its configuration went while it ran.
            return;
        }
        self.metrics.ran(record);
        let record = Arc::new(record.clone());
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let own = recent.entry(record.pipeline.clone()).or_default();
        if !record.is_failed() {
            own.good = Some(record.clone());
        }
        own.runs.push_front(record);
        own.runs.truncate(SHOWN);
    }

    fn told(&self, alerter: &str, is_taken: bool) {
        self.metrics.told(alerter, is_taken);
    }
}
