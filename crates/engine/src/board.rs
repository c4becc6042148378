//! What a daemon is doing, for those who ask from outside: the listener, its probes and its pages.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use gitbarge_core::config::Pipeline;
use gitbarge_core::{Endpoint, Listening, Progress, Requests, Run, StateStore, Ticket};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{RunRecord, RunStatus, history};

/// Shows the pipelines that a daemon follows, and takes requests for them. Reading it never waits for a run.
pub struct Board {
    state: Arc<dyn StateStore>,
    posted: RwLock<BTreeMap<String, Posted>>,
}

/// What is shown of a pipeline.
#[derive(Clone)]
pub struct Posted {
    /// As the configuration in force has it.
    pub pipeline: Pipeline,
    /// Its run, if one goes on.
    pub running: Option<Arc<Progress>>,
    /// Its last run in this process.
    pub last: Option<Arc<RunRecord>>,
    /// When its last good run in this process ended.
    pub last_success: Option<Timestamp>,
    requests: Requests,
    endpoints: BTreeMap<String, Arc<dyn Endpoint>>,
}

impl Posted {
    /// Whether it had a success, and not too long ago.
    pub fn is_ready(&self, now: Timestamp) -> bool {
        let fresh = |last: Timestamp| match self.pipeline.stale_after {
            Some(limit) => now.duration_since(last).unsigned_abs() < limit,
            None => true,
        };
        self.last_success.is_some_and(fresh)
    }

    /// Whether a run is asked for that has not begun.
    pub fn is_waiting(&self) -> bool {
        self.requests.is_waiting()
    }
}

impl Board {
    pub(crate) fn new(state: Arc<dyn StateStore>) -> Self {
        Self {
            state,
            posted: RwLock::default(),
        }
    }

    /// All pipelines, by name.
    pub fn pipelines(&self) -> Vec<Posted> {
        self.read().values().cloned().collect()
    }

    /// One pipeline.
    pub fn pipeline(&self, name: &str) -> Option<Posted> {
        self.read().get(name).cloned()
    }

    /// Whether there is a pipeline of this name.
    pub fn has(&self, name: &str) -> bool {
        self.read().contains_key(name)
    }

    /// The last runs of a pipeline, the newest last, also those of earlier processes.
    ///
    /// # Errors
    /// Those of [`StateStore::get`].
    pub async fn runs(&self, name: &str) -> gitbarge_core::Result<Vec<RunRecord>> {
        history::read(&self.state, name).await
    }

    /// Asks for a run; `None` if there is no such pipeline.
    pub fn request(&self, name: &str) -> Option<Ticket> {
        self.read()
            .get(name)
            .map(|posted| posted.requests.request())
    }

    /// What listens at a path.
    pub fn endpoint(&self, path: &str) -> Option<Arc<dyn Endpoint>> {
        let posted = self.read();
        let mut found = posted
            .values()
            .filter_map(|posted| posted.endpoints.get(path));
        found.next().cloned()
    }

    /// Shows a pipeline. What is known of an earlier one of its name stays.
    pub(crate) fn post(&self, pipeline: &Pipeline, requests: &Requests, stop: &CancellationToken) {
        let run = Run::new(&pipeline.name, self.state.clone(), stop.clone());
        let endpoints = pipeline.triggers.iter().filter_map(|trigger| {
            let path = trigger.component.instance.path(&pipeline.name)?;
            let listening = Listening {
                pipeline: pipeline.name.clone(),
                reference: pipeline.reference.clone(),
                requests: requests.clone(),
                run: run.for_component(&format!("trigger/{}", trigger.name)),
            };
            Some((path, trigger.component.instance.endpoint(listening)?))
        });
        let endpoints = endpoints.collect();
        let mut posted = self.posted.write().unwrap_or_else(PoisonError::into_inner);
        let old = posted.remove(&pipeline.name);
        let new = Posted {
            pipeline: pipeline.clone(),
            running: old.as_ref().and_then(|old| old.running.clone()),
            last: old.as_ref().and_then(|old| old.last.clone()),
            last_success: old.and_then(|old| old.last_success),
            requests: requests.clone(),
            endpoints,
        };
        posted.insert(pipeline.name.clone(), new);
    }

    /// Shows these pipelines only.
    pub(crate) fn retain(&self, pipelines: &[Pipeline]) {
        let mut posted = self.posted.write().unwrap_or_else(PoisonError::into_inner);
        posted.retain(|name, _| pipelines.iter().any(|pipeline| pipeline.name == *name));
    }

    pub(crate) fn started(&self, name: &str, progress: Arc<Progress>) {
        self.change(name, |posted| posted.running = Some(progress));
    }

    pub(crate) fn finished(&self, record: &RunRecord) {
        self.change(&record.pipeline, |posted| {
            posted.running = None;
            posted.last = Some(Arc::new(record.clone()));
            if record.status != RunStatus::Failed {
                posted.last_success = Some(Timestamp::now());
            }
        });
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Posted)) {
        let mut posted = self.posted.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(posted) = posted.get_mut(name) {
            change(posted);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Posted>> {
        self.posted.read().unwrap_or_else(PoisonError::into_inner)
    }
}
