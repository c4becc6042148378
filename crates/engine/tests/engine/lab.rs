//! Pipelines made of fakes, run once or by a daemon.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::config::{AlertRoute, Config, Named, Pipeline};
use gitbarge_core::{Component, Progress, Sink, StateStore};
use gitbarge_engine::{Engine, Observer, RunRecord, history};
use gitbarge_testkit::memory::MemoryState;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use crate::fakes::{FakeAlerter, FakeSink, FakeSource, FakeTrigger};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A pipeline whose sinks are called `a`, `b`, ….
pub(crate) fn pipeline(name: &str, source: &Arc<FakeSource>, sinks: &[&Arc<FakeSink>]) -> Pipeline {
    let sinks = sinks.iter().zip('a'..).map(|(&sink, name)| Named {
        name: name.to_string(),
        component: Component::made("fake", sink.clone() as Arc<dyn Sink>),
    });
    Pipeline {
        name: name.to_owned(),
        reference: None,
        run_timeout: HOUR,
        stale_after: None,
        source: Component::made("fake", source.clone()),
        sinks: sinks.collect(),
        triggers: Vec::new(),
        alerters: Vec::new(),
    }
}

pub(crate) fn with_trigger(mut pipeline: Pipeline, trigger: &Arc<FakeTrigger>) -> Pipeline {
    pipeline.triggers.push(Named {
        name: "asked".to_owned(),
        component: Component::made("fake", trigger.clone()),
    });
    pipeline
}

pub(crate) fn with_alerter(mut pipeline: Pipeline, route: AlertRoute) -> Pipeline {
    pipeline.alerters.push(route);
    pipeline
}

pub(crate) fn config(state: &MemoryState, pipelines: impl IntoIterator<Item = Pipeline>) -> Config {
    Config {
        http: None,
        shutdown_grace: Duration::from_secs(10),
        state: Component::made("memory", Arc::new(state.clone())),
        alerters: Vec::new(),
        pipelines: pipelines.into_iter().collect(),
    }
}

struct Nobody;

impl Observer for Nobody {
    fn started(&self, _: &str, _: Arc<Progress>) {}

    fn finished(&self, _: &RunRecord) {}
}

/// Runs every pipeline once and tells of it, in an engine of its own.
pub(crate) async fn sync(
    state: &MemoryState,
    pipelines: impl IntoIterator<Item = Pipeline>,
) -> Vec<RunRecord> {
    sync_until(state, pipelines, &CancellationToken::new()).await
}

pub(crate) async fn sync_until(
    state: &MemoryState,
    pipelines: impl IntoIterator<Item = Pipeline>,
    cancel: &CancellationToken,
) -> Vec<RunRecord> {
    let engine = Engine::new(&config(state, pipelines));
    let records = engine.sync(&[], Arc::new(Nobody), cancel.clone()).await;
    if !cancel.is_cancelled() {
        engine.tell().await;
    }
    records
}

/// Runs one pipeline once, in an engine of its own.
pub(crate) async fn sync_one(state: &MemoryState, pipeline: &Pipeline) -> RunRecord {
    let mut records = sync(state, [pipeline.clone()]).await;
    records.pop().expect("one pipeline makes one record")
}

/// The remembered results of a pipeline.
pub(crate) async fn past(state: &MemoryState, pipeline: &str) -> Vec<RunRecord> {
    let state: Arc<dyn StateStore> = Arc::new(state.clone());
    let records = history::read(&state, pipeline).await;
    records.expect("memory can be read")
}

/// A running daemon; cancelled when dropped.
pub(crate) struct Daemon {
    cancel: CancellationToken,
    reloads: mpsc::Sender<Config>,
    served: JoinHandle<()>,
}

impl Daemon {
    pub(crate) fn start(config: Config) -> Self {
        let cancel = CancellationToken::new();
        let (reloads, receiver) = mpsc::channel(1);
        let token = cancel.clone();
        let serve = async move { Engine::new(&config).serve(token, receiver).await };
        Self {
            cancel,
            reloads,
            served: tokio::spawn(serve),
        }
    }

    pub(crate) async fn reload(&self, config: Config) {
        self.reloads.send(config).await.expect("it serves");
    }

    /// Asks it to end; it may take its time.
    pub(crate) fn stop(&self) {
        self.cancel.cancel();
    }

    /// Stops it and waits for its end.
    pub(crate) async fn end(mut self) {
        self.stop();
        (&mut self.served).await.expect("it does not panic");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.served.abort();
    }
}
