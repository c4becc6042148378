//! The daemon: every pipeline waits for requests, and runs when one comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::config::{Config, Named, Pipeline};
use gitbarge_core::{Requests, Run, StateStore, Trigger};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::alerts;
use crate::backoff::pause;
use crate::contained::contained;
use crate::observer::Log;
use crate::run::run_once;

/// How many pipelines run at a time; the others wait.
const MOST_RUNS: usize = 16;
/// How long failures that come together are waited for, so that they are told together.
const GATHER: Duration = Duration::from_millis(500);
/// How long a cancelled run may take to end at shutdown.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long one round of sending alerts may take.
const SENDING: Duration = Duration::from_secs(60);

/// What all pipelines of a daemon share.
struct Shared {
    state: Arc<dyn StateStore>,
    permits: Semaphore,
    /// Cancels running runs.
    kill: CancellationToken,
    /// A run has ended: there may be something to tell.
    ended: Notify,
}

/// The pipelines of one configuration.
struct Generation {
    /// No new runs.
    stop: CancellationToken,
    pipelines: BTreeMap<String, JoinHandle<()>>,
    /// Pipelines that are gone from the configuration, and may still be running.
    retired: Vec<JoinHandle<()>>,
    sender: JoinHandle<()>,
}

/// Runs all pipelines until cancelled; a new configuration replaces the old one without breaking a run off.
pub(crate) async fn serve(
    config: &Config,
    state: &Arc<dyn StateStore>,
    cancel: CancellationToken,
    mut reloads: mpsc::Receiver<Config>,
) {
    let shared = Arc::new(Shared {
        state: state.clone(),
        permits: Semaphore::new(MOST_RUNS),
        kill: CancellationToken::new(),
        ended: Notify::new(),
    });
    let mut grace = config.shutdown_grace;
    let mut generation = Generation::start(config, BTreeMap::new(), &shared);
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            Some(config) = reloads.recv() => {
                grace = config.shutdown_grace;
                generation.stop.cancel();
                generation.sender.abort();
                let retired = generation.retired;
                generation = Generation::start(&config, generation.pipelines, &shared);
                generation.retired.extend(retired);
                generation.retired.retain(|handle| !handle.is_finished());
            }
        }
    }
    generation.end(grace, &shared).await;
}

impl Generation {
    /// Starts all pipelines. One that `old` knows goes on when its old run has ended; a new one runs at once.
    fn start(
        config: &Config,
        mut old: BTreeMap<String, JoinHandle<()>>,
        shared: &Arc<Shared>,
    ) -> Self {
        let stop = CancellationToken::new();
        let mut pipelines = BTreeMap::new();
        for pipeline in &config.pipelines {
            let before = old.remove(&pipeline.name);
            let work = follow(pipeline.clone(), before, shared.clone(), stop.clone());
            pipelines.insert(pipeline.name.clone(), tokio::spawn(work));
        }
        let sender = tokio::spawn(send(alerts::routes(&config.pipelines), shared.clone()));
        Self {
            stop,
            pipelines,
            retired: old.into_values().collect(),
            sender,
        }
    }

    async fn end(self, grace: Duration, shared: &Shared) {
        self.stop.cancel();
        let all = join_all(self.pipelines.into_values().chain(self.retired).collect());
        tokio::pin!(all);
        if timeout(grace, &mut all).await.is_err() {
            tracing::warn!("Runs did not end within the grace period and are cancelled.");
            shared.kill.cancel();
            drop(timeout(LAST_WORDS, &mut all).await);
        }
        self.sender.abort();
    }
}

async fn join_all(handles: Vec<JoinHandle<()>>) {
    for handle in handles {
        // Panics of plugins are contained in the runs.
        drop(handle.await);
    }
}

/// Runs one pipeline whenever it is asked for.
async fn follow(
    pipeline: Pipeline,
    before: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    let (requests, mut asked) = Requests::channel();
    match before {
        Some(before) => drop(before.await),
        None => requests.request(),
    }
    let _stop_watching = stop.clone().drop_guard();
    for trigger in &pipeline.triggers {
        tokio::spawn(watch(
            trigger.clone(),
            pipeline.name.clone(),
            requests.clone(),
            shared.clone(),
            stop.clone(),
        ));
    }
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            // The requests of this function keep the channel open.
            _ = asked.recv() => {}
        }
        let permit = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            permit = shared.permits.acquire() => permit,
        };
        // What was asked for while waiting is answered by this run.
        while asked.try_recv().is_ok() {}
        run_once(&pipeline, &shared.state, &Log, &shared.kill).await;
        drop(permit);
        shared.ended.notify_one();
    }
}

/// Keeps a trigger watching.
async fn watch(
    trigger: Named<dyn Trigger>,
    pipeline: String,
    requests: Requests,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    for attempt in 0.. {
        let run = Run::new(&pipeline, shared.state.clone(), stop.clone());
        let run = run.for_component(&format!("trigger/{}", trigger.name));
        let (instance, requests) = (trigger.component.instance.clone(), requests.clone());
        let watched = contained(
            "watching",
            async move { instance.watch(requests, &run).await },
        )
        .await;
        if stop.is_cancelled() {
            return;
        }
        let why = watched.err().map(|error| error.failure().message);
        tracing::error!(
            pipeline,
            trigger = trigger.name,
            error = why,
            "The trigger has ended and is started again."
        );
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(pause(attempt, Some(Duration::from_secs(1)))) => {}
        }
    }
}

/// Sends alerts as they become due, beginning with what an earlier process has left.
async fn send(routes: alerts::Routes, shared: Arc<Shared>) {
    loop {
        let next = alerts::flush(&routes, &shared.state, SENDING).await;
        let due = async {
            match next.map(|next| next.duration_since(jiff::Timestamp::now())) {
                Some(wait) => sleep(Duration::try_from(wait).unwrap_or_default()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = shared.ended.notified() => sleep(GATHER).await,
        }
    }
}
