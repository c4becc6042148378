//! One run of a pipeline: under its lease, within its time, with retries, remembered and told.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::config::Pipeline;
use gitbarge_core::{Error, ErrorKind, Key, Lease, Result, Run, StateStore};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::alerts;
use crate::attempt::{Standing, attempt};
use crate::backoff::pause;
use crate::contained::contained;
use crate::history;
use crate::observer::Observer;
use crate::record::{RunRecord, RunStatus};
use crate::slot::Slot;

/// How often a lease that somebody else holds is tried.
const LEASE_PAUSE: Duration = Duration::from_millis(100);
/// How long a cancelled run may take to end. Plugins promise 100 ms; a stuck disk keeps no promise.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Runs a pipeline once.
pub(crate) async fn run_once(
    pipeline: &Pipeline,
    state: &Arc<dyn StateStore>,
    observer: &Arc<dyn Observer>,
    cancel: &CancellationToken,
    slot: Slot,
) -> RunRecord {
    let span = tracing::info_span!("run", pipeline = pipeline.name);
    async {
        let (own, state, cancel) = (pipeline.clone(), state.clone(), cancel.clone());
        let seen_by = observer.clone();
        let run = async move { Ok(run_and_remember(&own, &state, &*seen_by, &cancel, slot).await) };
        // Panics of calls that should not fail, such as for an address, come as far as here.
        let record = contained("running the pipeline", run).await;
        let record = record.unwrap_or_else(|error| RunRecord::broken(pipeline, &error));
        observer.finished(&record);
        record
    }
    .instrument(span)
    .await
}

async fn run_and_remember(
    pipeline: &Pipeline,
    state: &Arc<dyn StateStore>,
    observer: &dyn Observer,
    cancel: &CancellationToken,
    mut slot: Slot,
) -> RunRecord {
    let begun = Instant::now();
    let deadline = begun + pipeline.run_timeout;
    let token = cancel.child_token();
    let run =
        Run::new(&pipeline.name, state.clone(), token.clone()).with_deadline(deadline.into_std());
    observer.started(&pipeline.name, run.progress().clone());
    let mut record = RunRecord::begun(pipeline);
    let mut standing = Standing::default();
    let lease = lease(&pipeline.name, state, deadline, &token, &mut slot).await;
    if lease.is_ok() {
        within(deadline, pipeline, state, &run, &mut slot, &mut standing).await;
    }
    let lease = lease.map_err(|error| standing.error = Some(error)).ok();
    fill(&mut record, standing, &run);
    record.duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    remember(pipeline, state, &record, lease.is_some()).await;
    record
}

/// The history is written under the lease only; what failed for want of the lease is told all the same.
async fn remember(
    pipeline: &Pipeline,
    state: &Arc<dyn StateStore>,
    record: &RunRecord,
    is_leased: bool,
) {
    let complain = |what: &str, error: Error| {
        let failure = error.failure();
        tracing::error!(
            what,
            error = failure.message,
            "The result of the run could not be remembered."
        );
    };
    if is_leased && let Err(error) = history::append(state, record).await {
        complain("history", error);
    }
    if let Err(error) = alerts::decide(pipeline, state, record).await {
        complain("alerts", error);
    }
}

async fn lease(
    pipeline: &str,
    state: &Arc<dyn StateStore>,
    deadline: Instant,
    cancel: &CancellationToken,
    slot: &mut Slot,
) -> Result<Lease> {
    let key = Key::new("run").join(pipeline);
    let is_cancelled = || Error::cancelled("waiting for another run of the pipeline");
    loop {
        match state.lease(&key).await {
            Ok(lease) => {
                return tokio::select! {
                    () = slot.enter() => Ok(lease),
                    () = cancel.cancelled() => Err(is_cancelled()),
                };
            }
            Err(error)
                if error.kind() == ErrorKind::Locked && Instant::now() + LEASE_PAUSE < deadline => {
            }
            Err(error) if error.kind() == ErrorKind::Locked => {
                return Err(Error::new(
                    ErrorKind::Locked,
                    format!("another process runs the pipeline `{pipeline}`"),
                ));
            }
            Err(error) => return Err(error),
        }
        slot.leave();
        tokio::select! {
            () = sleep(LEASE_PAUSE) => {}
            () = cancel.cancelled() => return Err(is_cancelled()),
        }
    }
}

/// Tries until all is done, nothing can be retried, or the time is over; at the deadline the run is cancelled.
///
/// Once cancelled, it ends soon, whatever plugins do.
async fn within(
    deadline: Instant,
    pipeline: &Pipeline,
    state: &Arc<dyn StateStore>,
    run: &Run,
    slot: &mut Slot,
    standing: &mut Standing,
) {
    let token = run.cancel_token();
    let is_late = {
        let work = attempts(deadline, pipeline, state, run, slot, standing);
        tokio::pin!(work);
        let is_late = tokio::select! {
            biased;
            () = &mut work => return,
            () = token.cancelled() => false,
            () = sleep_until(deadline) => true,
        };
        token.cancel();
        if timeout(LAST_WORDS, &mut work).await.is_err() {
            tracing::error!("A cancelled run did not end and is left behind.");
        }
        is_late
    };
    standing.end(pipeline);
    if is_late {
        say_late(pipeline, standing);
    }
}

async fn attempts(
    deadline: Instant,
    pipeline: &Pipeline,
    state: &Arc<dyn StateStore>,
    run: &Run,
    slot: &mut Slot,
    standing: &mut Standing,
) {
    for number in 0.. {
        attempt(pipeline, state, run, standing).await;
        if !standing.can_be_helped() || run.is_cancelled() {
            return;
        }
        let asked = standing.errors().filter_map(Error::retry_after).max();
        let pause = pause(number, asked);
        if Instant::now() + pause >= deadline {
            return;
        }
        tracing::debug!(attempt = number + 1, ?pause, "Trying again later.");
        slot.leave();
        let wait = async {
            sleep(pause).await;
            slot.enter().await;
        };
        tokio::select! {
            () = wait => {}
            () = run.cancelled() => return,
        }
    }
}

/// What was cancelled because the time was over failed by `timeout`.
fn say_late(pipeline: &Pipeline, standing: &mut Standing) {
    let late = |error: &Error| {
        let message = format!(
            "the run took longer than its `run_timeout` of {:?}: {error}",
            pipeline.run_timeout
        );
        Error::new(ErrorKind::Timeout, message)
    };
    let sinks = standing.sinks.iter_mut().flatten();
    for ended in sinks.filter(|ended| {
        ended
            .error
            .as_ref()
            .is_some_and(|e| e.kind() == ErrorKind::Cancelled)
    }) {
        let error = late(&Error::cancelled("delivering"));
        ended.record.error = Some(error.failure());
        ended.error = Some(error);
    }
    if let Some(error) = standing
        .error
        .take_if(|error| error.kind() == ErrorKind::Cancelled)
    {
        standing.error = Some(late(&error));
    }
}

fn fill(record: &mut RunRecord, standing: Standing, run: &Run) {
    record.bytes_received = run
        .progress()
        .bytes_received
        .load(std::sync::atomic::Ordering::Relaxed);
    record.reference = standing
        .target
        .as_ref()
        .and_then(|target| target.reference.clone());
    record.to = standing
        .target
        .as_ref()
        .map(|target| target.commit.to_string());
    record.subject = standing.subject;
    record.error = standing.error.map(|error| error.failure());
    record.sinks = standing
        .sinks
        .into_iter()
        .flatten()
        .map(|ended| ended.record)
        .collect();
    record.from = record.sinks.first().and_then(|sink| sink.from.clone());
    let statuses = || record.sinks.iter().map(|sink| sink.status);
    record.status =
        if record.error.is_some() || statuses().any(|status| status == RunStatus::Failed) {
            RunStatus::Failed
        } else if statuses().all(|status| status == RunStatus::Unchanged) {
            RunStatus::Unchanged
        } else {
            RunStatus::Synced
        };
}
