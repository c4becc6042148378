//! The daemon: every pipeline waits for requests, and runs when one comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::config::{Config, Named, Pipeline};
use gitbarge_core::{Asked, Requests, Run, StateStore, Trigger};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::alerts::{self, Pace, Sending};
use crate::backoff::pause;
use crate::contained::contained;
use crate::observer::{Observer, Watch};
use crate::run::run_once;
use crate::slot::Slot;
use crate::{Board, RunStatus};

/// How many pipelines run at a time; the others wait.
const MOST_RUNS: usize = 16;
/// How long it is quiet after failures that come together, which are told together.
const QUIET: Duration = Duration::from_millis(500);
/// How long quiet is waited for.
const MOST_GATHERING: Duration = Duration::from_secs(3);
/// How long triggers may take to end.
const LAST_NOTES: Duration = Duration::from_millis(200);
/// How long cancelled runs may take to end at shutdown.
const LATE: Duration = Duration::from_millis(1_500);
/// How long the last messages may take.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long after the grace period both have ended, so that one takes from the other's time.
const LAST_MOMENT: Duration = Duration::from_millis(2_500);
/// How long messages that are broken off may take to end.
const LAST_BREATH: Duration = Duration::from_millis(300);
/// How long one round of sending alerts may take.
const SENDING: Duration = Duration::from_secs(60);

/// What all pipelines of a daemon share.
struct Shared {
    state: Arc<dyn StateStore>,
    permits: Arc<Semaphore>,
    /// Cancels running runs.
    kill: CancellationToken,
    /// Breaks messages off.
    silence: CancellationToken,
    /// A run has ended: there may be something to tell.
    ended: Notify,
    board: Arc<Board>,
    observer: Arc<dyn Observer>,
}

impl Shared {
    fn sending(&self, budget: Duration) -> Sending<'_> {
        Sending {
            state: &self.state,
            observer: &*self.observer,
            budget,
            pace: Pace::Steady,
            cancel: &self.silence,
        }
    }
}

/// The pipelines of one configuration.
struct Generation {
    /// No new runs.
    stop: CancellationToken,
    pipelines: Followed,
    /// Pipelines that are gone from the configuration, and may still be running.
    retired: Vec<JoinHandle<bool>>,
    routes: alerts::Routes,
    /// No new messages.
    hush: CancellationToken,
    /// Those of earlier generations may still be sending a message, and are not to break it off: it may have been taken.
    senders: Vec<JoinHandle<()>>,
}

/// Running pipelines by name; each ends by saying whether a request has not been answered.
type Followed = BTreeMap<String, JoinHandle<bool>>;

/// Runs all pipelines until cancelled; a new configuration replaces the old one without breaking a run off.
pub(crate) async fn serve(
    config: &Config,
    state: &Arc<dyn StateStore>,
    watch: Watch,
    cancel: CancellationToken,
    mut reloads: mpsc::Receiver<Config>,
) {
    let shared = Arc::new(Shared {
        state: state.clone(),
        permits: Arc::new(Semaphore::new(MOST_RUNS)),
        kill: CancellationToken::new(),
        silence: CancellationToken::new(),
        ended: Notify::new(),
        board: watch.board.clone(),
        observer: Arc::new(watch),
    });
    let mut grace = config.shutdown_grace;
    let mut generation = Generation::start(config, Followed::new(), &shared);
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            Some(config) = reloads.recv() => {
                grace = config.shutdown_grace;
                generation = generation.replaced(&config, &shared);
            }
        }
    }
    generation.end(grace, &shared).await;
}

impl Generation {
    /// Starts all pipelines. One that `old` knows goes on when its old run has ended; a new one runs at once.
    fn start(config: &Config, mut old: Followed, shared: &Arc<Shared>) -> Self {
        let stop = CancellationToken::new();
        shared.board.retain(&config.pipelines);
        let mut pipelines = BTreeMap::new();
        for pipeline in &config.pipelines {
            let before = old.remove(&pipeline.name);
            // Whoever looks from now on sees it, though its first run may have to wait.
            let (requests, asked) = Requests::channel();
            // Should it end by a panic, its triggers end with it, and no other pipeline does.
            let stop = stop.child_token();
            shared.board.post(pipeline, &requests, &stop);
            let ends = (requests, asked);
            let work = follow(pipeline.clone(), ends, before, shared.clone(), stop);
            pipelines.insert(pipeline.name.clone(), tokio::spawn(work));
        }
        let (routes, hush) = (alerts::routes(&config.pipelines), CancellationToken::new());
        let sender = send(routes.clone(), shared.clone(), hush.clone());
        Self {
            stop,
            pipelines,
            retired: old.into_values().collect(),
            routes,
            hush,
            senders: vec![tokio::spawn(sender)],
        }
    }

    fn replaced(self, config: &Config, shared: &Arc<Shared>) -> Self {
        self.stop.cancel();
        self.hush.cancel();
        let mut new = Self::start(config, self.pipelines, shared);
        new.retired.extend(self.retired);
        new.retired.retain(|handle| !handle.is_finished());
        new.senders.extend(self.senders);
        new.senders.retain(|handle| !handle.is_finished());
        new
    }

    async fn end(self, grace: Duration, shared: &Shared) {
        let begun = Instant::now();
        self.stop.cancel();
        let all = join_all(self.pipelines.into_values().chain(self.retired).collect());
        tokio::pin!(all);
        if timeout(grace, &mut all).await.is_err() {
            tracing::warn!("Runs did not end within the grace period and are cancelled.");
            shared.kill.cancel();
            drop(timeout(LATE, &mut all).await);
        }
        self.hush.cancel();
        let abort: Vec<_> = self.senders.iter().map(JoinHandle::abort_handle).collect();
        let last_messages = async {
            join_all(self.senders).await;
            shared.sending(LAST_WORDS).flush(&self.routes).await;
        };
        tokio::pin!(last_messages);
        let left = (begun + grace + LAST_MOMENT).saturating_duration_since(Instant::now());
        let words = left.clamp(LAST_WORDS / 2, LAST_WORDS);
        if timeout(words, &mut last_messages).await.is_err() {
            // A command, for one, ends with what it has started.
            shared.silence.cancel();
            drop(timeout(LAST_BREATH, last_messages).await);
        }
        abort.iter().for_each(AbortHandle::abort);
    }
}

async fn join_all<T>(handles: Vec<JoinHandle<T>>) {
    for handle in handles {
        // Panics of plugins are contained in the runs.
        drop(handle.await);
    }
}

/// Runs one pipeline whenever it is asked for; returns whether a request is left.
async fn follow(
    pipeline: Pipeline,
    (requests, asked): (Requests, Asked),
    before: Option<JoinHandle<bool>>,
    shared: Arc<Shared>,
    stop: CancellationToken,
) -> bool {
    let _stop_watching = stop.clone().drop_guard();
    let mut watching = JoinSet::new();
    for trigger in &pipeline.triggers {
        watching.spawn(watch(
            trigger.clone(),
            pipeline.name.clone(),
            requests.clone(),
            shared.clone(),
            stop.clone(),
        ));
    }
    // Its triggers ask already while the run of an earlier generation goes on.
    let is_due = match before {
        Some(before) => before.await.unwrap_or(true),
        None => true,
    };
    if is_due {
        requests.request();
    }
    let is_waiting = answer(&pipeline, asked, &shared, &stop).await;
    // What triggers remember they write down at their end, for which the process must not be too quick.
    let all = async { while watching.join_next().await.is_some() {} };
    drop(timeout(LAST_NOTES, all).await);
    is_waiting
}

/// Runs a pipeline at each request until stopped; returns whether a request is left.
async fn answer(
    pipeline: &Pipeline,
    mut asked: Asked,
    shared: &Shared,
    stop: &CancellationToken,
) -> bool {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return asked.is_waiting(),
            () = asked.wait() => {}
        }
        let slot = tokio::select! {
            biased;
            () = stop.cancelled() => return true,
            slot = Slot::take(&shared.permits) => slot,
        };
        asked.begin();
        let (state, observer) = (&shared.state, &shared.observer);
        let record = run_once(pipeline, state, observer, &shared.kill, slot).await;
        asked.end(record.status != RunStatus::Failed);
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
async fn send(routes: alerts::Routes, shared: Arc<Shared>, hush: CancellationToken) {
    while !hush.is_cancelled() {
        let next = shared.sending(SENDING).flush(&routes).await;
        let due = async {
            match next.map(|next| next.duration_since(jiff::Timestamp::now())) {
                Some(wait) => sleep(Duration::try_from(wait).unwrap_or_default()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = hush.cancelled() => {}
            () = due => {}
            () = shared.ended.notified() => gather(&shared, &hush).await,
        }
    }
}

/// Waits until no more runs end, but not for long.
async fn gather(shared: &Shared, hush: &CancellationToken) {
    let quiet = async { while timeout(QUIET, shared.ended.notified()).await.is_ok() {} };
    tokio::select! {
        () = hush.cancelled() => {}
        _ = timeout(MOST_GATHERING, quiet) => {}
    }
}
