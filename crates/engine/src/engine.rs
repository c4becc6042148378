//! The engine: a configuration, ready to run.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::config::{AlertRoute, Config, Named, Pipeline};
use gitbarge_core::{Error, ErrorKind, Event, Notice, Result, Run, Sink, StateStore, Wanted};
use gitbarge_git::remote::Remote;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::alerts::{self, Pace, Sending};
use crate::contained::contained;
use crate::listed::asked;
use crate::observer::{Nobody, Watch};
use crate::run::run_once;
use crate::slot::Slot;
use crate::{Board, Observer, RunRecord, daemon};

/// How many pipelines one `sync` runs at a time.
const MOST_RUNS: usize = 16;
/// How long one `sync` may spend on telling, after its runs: what is not taken by then waits for the next one.
const TELLING: Duration = Duration::from_secs(5);

/// Runs the pipelines of a configuration.
pub struct Engine {
    config: Config,
    state: Arc<dyn StateStore>,
    board: Arc<Board>,
    observer: Arc<dyn Observer>,
}

impl Engine {
    /// Takes a configuration; nothing begins yet.
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            state: config.state.instance.clone(),
            board: Arc::new(Board::new(config.state.instance.clone())),
            observer: Arc::new(Nobody),
        }
    }

    /// Has somebody see what [`Self::serve`] does, besides the log and the board.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }

    /// What [`Self::serve`] is doing.
    pub fn board(&self) -> Arc<Board> {
        self.board.clone()
    }

    /// Runs the named pipelines once each (all of them if none is named), side by side. What is to be told waits for [`Self::tell`].
    ///
    /// The records come in the order of the configuration. When cancelled, running runs end by `cancelled`.
    pub async fn sync(
        &self,
        names: &[String],
        observer: Arc<dyn Observer>,
        cancel: CancellationToken,
    ) -> Vec<RunRecord> {
        let chosen = |pipeline: &&Pipeline| names.is_empty() || names.contains(&pipeline.name);
        let permits = Arc::new(Semaphore::new(MOST_RUNS));
        let mut runs = JoinSet::new();
        for (number, pipeline) in self
            .config
            .pipelines
            .iter()
            .filter(chosen)
            .cloned()
            .enumerate()
        {
            let (state, observer, cancel) = (self.state.clone(), observer.clone(), cancel.clone());
            let permits = permits.clone();
            runs.spawn(async move {
                let slot = Slot::take(&permits).await;
                (
                    number,
                    run_once(&pipeline, &state, &observer, &cancel, slot).await,
                )
            });
        }
        let mut records = runs.join_all().await;
        records.sort_by_key(|(number, _)| *number);
        records.into_iter().map(|(_, record)| record).collect()
    }

    /// Tells what waits to be told, within a few seconds, or as long as an alerter's work is known to take; what is not taken
    /// by then waits on. It may be dropped at any time.
    pub async fn tell(&self) {
        let routes = alerts::routes(&self.config.pipelines);
        let sending = Sending {
            state: &self.state,
            observer: &*self.observer,
            budget: TELLING,
            pace: Pace::Once,
            cancel: &CancellationToken::new(),
        };
        sending.flush(&routes).await;
    }

    /// Runs all pipelines as their triggers ask, until cancelled. A configuration from `reloads` replaces the one in force;
    /// its state store is not replaced.
    ///
    /// When cancelled, running runs get the configuration's grace period, and are cancelled then.
    pub async fn serve(&self, cancel: CancellationToken, reloads: mpsc::Receiver<Config>) {
        let watch = Watch {
            board: self.board.clone(),
            also: self.observer.clone(),
        };
        daemon::serve(&self.config, &self.state, watch, cancel, reloads).await;
    }

    /// Tries every source, sink and alerter, side by side, changing nothing. The results come with dotted keys.
    pub async fn probe(&self) -> Vec<(String, Result<()>)> {
        let mut probes = JoinSet::new();
        for pipeline in &self.config.pipelines {
            let run = Run::new(&pipeline.name, self.state.clone(), CancellationToken::new());
            let limit = pipeline.run_timeout;
            let source = probe_source(pipeline.clone(), run.for_component("source"));
            probes.spawn(probed(
                format!("pipeline.{}.source", pipeline.name),
                limit,
                source,
            ));
            for sink in &pipeline.sinks {
                let (instance, run) = (sink.component.instance.clone(), run.clone());
                let key = format!("pipeline.{}.sink.{}", pipeline.name, sink.name);
                probes.spawn(probed(
                    key,
                    limit,
                    async move { instance.probe(&run).await },
                ));
            }
        }
        for route in self.config.all_alerters() {
            let run = Run::new("alerts", self.state.clone(), CancellationToken::new());
            let instance = route.component.instance.clone();
            probes.spawn(probed(key_of(route), TELLING, async move {
                instance.probe(&run).await
            }));
        }
        let mut results = probes.join_all().await;
        results.sort_by(|(a, _), (b, _)| a.cmp(b));
        results
    }

    /// Has the sinks of that pipeline, or the one of that name, read back what they hold.
    pub async fn verify(
        &self,
        pipeline: &Pipeline,
        sink: Option<&str>,
        cancel: CancellationToken,
    ) -> Vec<(String, Result<Map<String, Value>>)> {
        let run = Run::new(&pipeline.name, self.state.clone(), cancel);
        let mut results = Vec::new();
        let is_meant = |found: &&Named<dyn Sink>| sink.is_none_or(|name| found.name == name);
        for found in pipeline.sinks.iter().filter(is_meant) {
            let (instance, run) = (found.component.instance.clone(), run.clone());
            let run = run.for_component(&format!("sink/{}", found.name));
            let verify = contained("verifying", async move { instance.verify(&run).await });
            results.push((found.name.clone(), verify.await));
        }
        results
    }

    /// Sends a test message through the named alerter, or through all of them.
    pub async fn test_alert(&self, name: Option<&str>) -> Vec<(String, Result<()>)> {
        let mut results = Vec::new();
        for route in self
            .config
            .all_alerters()
            .filter(|route| name.is_none_or(|name| route.name == name))
        {
            results.push((
                route.name.clone(),
                alerts::tell(
                    route,
                    vec![test_notice()],
                    &self.state,
                    &CancellationToken::new(),
                )
                .await,
            ));
        }
        results
    }
}

async fn probe_source(pipeline: Pipeline, run: Run) -> Result<()> {
    let remote = Remote::open(&pipeline.source.instance, asked(&pipeline), &run).await?;
    let sinks = pipeline.sinks.iter();
    let mut wanted = sinks.map(|sink| sink.component.instance.wanted());
    match wanted.any(|wanted| wanted == Wanted::Target) {
        true => remote.resolve().map(drop),
        false => Ok(()),
    }
}

async fn probed(
    key: String,
    limit: Duration,
    probe: impl Future<Output = Result<()>> + Send + 'static,
) -> (String, Result<()>) {
    let result = timeout(limit, contained("probing", probe))
        .await
        .unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Timeout,
                format!("`{key}` did not answer within {limit:?}"),
            ))
        });
    (key, result)
}

/// The key of an alerter's table: its name is `ops`, or `site/ops` for one of a pipeline.
fn key_of(route: &AlertRoute) -> String {
    match route.name.split_once('/') {
        Some((pipeline, name)) => format!("pipeline.{pipeline}.alert.{name}"),
        None => format!("alert.{}", route.name),
    }
}

fn test_notice() -> Notice {
    let now = Timestamp::now();
    Notice {
        event: Event::Test,
        pipeline: "test".to_owned(),
        sink: None,
        repository: "none".to_owned(),
        reference: None,
        commit: None,
        from: None,
        failure: None,
        count: 0,
        since: now,
        at: now,
    }
}
