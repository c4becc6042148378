//! An engine that serves pipelines of fakes, and a listener before it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::config::{Config, HttpConfig, Named, Pipeline};
use gitbarge_core::{Component, Secret, Sink, Source, Trigger};
use gitbarge_engine::{Board, Engine};
use gitbarge_http::{Limits, Listener, Watched};
use gitbarge_testkit::repository::Repository;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::fakes::{FakeSink, FakeSource, FakeTrigger, SlowState};
use crate::wire::{Answer, Wire};

/// How long anything that a test waits for may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The API's token.
pub(crate) const TOKEN: &str = "hush-hush-token";

/// A daemon in small. Its pipelines are `site`, which listens at `/hooks/site`, and `broken`, whose source is not there, at
/// `/hooks/broken`.
pub(crate) struct Lab {
    pub(crate) listener: Arc<Listener>,
    pub(crate) address: SocketAddr,
    pub(crate) board: Arc<Board>,
    pub(crate) watched: Arc<Watched>,
    pub(crate) state: SlowState,
    pub(crate) repository: Repository,
    reloads: mpsc::Sender<Config>,
    cancel: CancellationToken,
    served: JoinHandle<()>,
}

impl Lab {
    pub(crate) async fn new() -> Self {
        Self::with(Limits::default(), &here()).await
    }

    pub(crate) async fn limited(limits: Limits) -> Self {
        Self::with(limits, &here()).await
    }

    pub(crate) async fn with(limits: Limits, http: &HttpConfig) -> Self {
        let (repository, state) = (Repository::with_one_commit(), SlowState::default());
        let broken = FakeSource("/nowhere/at/all".into());
        let pipelines = vec![
            pipeline("broken", broken, "/hooks/broken"),
            pipeline("site", FakeSource(repository.path().into()), "/hooks/site"),
        ];
        let engine = Engine::new(&config(&state, pipelines));
        let board = engine.board();
        let watched = Arc::new(Watched::new(board.clone()));
        let engine = engine.observed_by(watched.clone());
        let listener = Arc::new(Listener::new(watched.clone(), limits));
        let address = listener.configure(Some(http)).await.unwrap().unwrap();
        let (reloads, receiver) = mpsc::channel(1);
        let cancel = CancellationToken::new();
        let token = cancel.clone();
        let served = tokio::spawn(async move { engine.serve(token, receiver).await });
        let lab = Self {
            listener,
            address,
            board,
            watched,
            state,
            repository,
            reloads,
            cancel,
            served,
        };
        until("both have run", || {
            let pipelines = lab.board.pipelines();
            pipelines.len() == 2 && pipelines.iter().all(|posted| posted.last.is_some())
        })
        .await;
        lab
    }

    /// Follows only these of its pipelines from now on.
    pub(crate) async fn keep(&self, names: &[&str]) {
        let pipelines = self.board.pipelines().into_iter();
        let pipelines = pipelines.map(|posted| posted.pipeline);
        let kept = pipelines.filter(|pipeline| names.contains(&pipeline.name.as_str()));
        let config = config(&self.state, kept.collect());
        self.reloads.send(config).await.unwrap();
        until("the others are gone", || {
            self.board.pipelines().len() == names.len()
        })
        .await;
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire::connect(self.address).await
    }

    /// One request over a connection of its own.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.connect().await.ask(method, path, headers, b"").await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }

    /// One request for the API, with its token.
    pub(crate) async fn api(&self, method: &str, path: &str) -> Answer {
        let token = format!("Bearer {TOKEN}");
        self.ask(method, path, &[("Authorization", &token)]).await
    }

    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut wire = self.connect().await;
        wire.ask("POST", "/hooks/site", headers, body).await
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.served.abort();
    }
}

/// Listens on a port that the system chooses.
pub(crate) fn here() -> HttpConfig {
    HttpConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        tls: None,
        api_token: Some(Secret::literal(TOKEN)),
    }
}

fn pipeline(name: &str, source: FakeSource, path: &'static str) -> Pipeline {
    let sink: Arc<dyn Sink> = Arc::new(FakeSink::default());
    let trigger: Arc<dyn Trigger> = Arc::new(FakeTrigger(path));
    let source: Arc<dyn Source> = Arc::new(source);
    Pipeline {
        name: name.to_owned(),
        reference: None,
        run_timeout: PATIENCE,
        stale_after: None,
        source: Component::made("fake", source),
        sinks: vec![named("target", sink)],
        triggers: vec![named("push", trigger)],
        alerters: Vec::new(),
    }
}

fn named<P: ?Sized>(name: &str, instance: Arc<P>) -> Named<P> {
    let component = Component::made("fake", instance);
    let name = name.to_owned();
    Named { name, component }
}

fn config(state: &SlowState, pipelines: Vec<Pipeline>) -> Config {
    Config {
        shutdown_grace: Duration::from_secs(1),
        http: None,
        state: Component::made("memory", Arc::new(state.clone())),
        alerters: Vec::new(),
        pipelines,
    }
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = timeout(PATIENCE, wait).await;
    in_time.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
}
