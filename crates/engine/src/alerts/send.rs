//! Sends what waits: once, in order, by one process at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::config::{AlertRoute, Pipeline};
use gitbarge_core::{Alert, Error, ErrorKind, Key, Notice, Result, Run, StateStore};
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::outbox::{Pace, Waiting};
use super::store;
use crate::backoff::pause;
use crate::contained::contained;

/// How long an alerter may take to tell one message.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the right to send is asked for, while another process has it.
const LEASE_PAUSE: Duration = Duration::from_millis(50);
/// More notices than this go out as one message.
const MOST_APART: usize = 5;

/// Alerters, each with the pipelines that it is told of.
pub(crate) type Routes = BTreeMap<String, (AlertRoute, Vec<String>)>;

/// The alerters of these pipelines.
pub(crate) fn routes(pipelines: &[Pipeline]) -> Routes {
    let mut routes = Routes::new();
    for pipeline in pipelines {
        for route in &pipeline.alerters {
            let entry = routes
                .entry(route.name.clone())
                .or_insert_with(|| (route.clone(), Vec::new()));
            entry.1.push(pipeline.name.clone());
        }
    }
    routes
}

/// Sends what is due to every alerter, side by side; returns when the next notice is due, if one waits.
pub(crate) async fn flush(
    routes: &Routes,
    state: &Arc<dyn StateStore>,
    budget: Duration,
    pace: Pace,
) -> Option<Timestamp> {
    let mut sending = JoinSet::new();
    for (route, pipelines) in routes.values() {
        let (route, pipelines, state) = (route.clone(), pipelines.clone(), state.clone());
        let send = async move {
            let sent = flush_route(&route, &pipelines, &state, budget, pace);
            timeout(budget, sent).await
        };
        sending.spawn(send.in_current_span());
    }
    let mut next = None;
    while let Some(sent) = sending.join_next().await {
        match sent {
            Ok(Ok(Ok(due))) => next = [next, due].into_iter().flatten().min(),
            Ok(Ok(Err(error))) => {
                tracing::warn!(error = error.failure().message, "Alerts could not be sent.");
            }
            // Out of time: what was not taken waits for the next flush.
            Ok(Err(_)) | Err(_) => {}
        }
    }
    next
}

async fn flush_route(
    route: &AlertRoute,
    pipelines: &[String],
    state: &Arc<dyn StateStore>,
    budget: Duration,
    pace: Pace,
) -> Result<Option<Timestamp>> {
    if route.paused.at(Timestamp::now()) || collect(&route.name, pipelines, state).await?.is_empty()
    {
        return Ok(None);
    }
    let _lease = sending_right(&route.name, state, budget).await?;
    // Only now is it certain that nobody else sends the same.
    let waiting = collect(&route.name, pipelines, state).await?;
    let now = Timestamp::now();
    // An alerter that is left alone for a while is left alone wholly, so that it hears all in order.
    let put_off = waiting.iter().filter(|(_, w)| !w.is_due(pace, now));
    if let Some(until) = put_off.map(|(_, waiting)| waiting.not_before).max() {
        return Ok(Some(until));
    }
    let due: Vec<&(String, Waiting)> = waiting.iter().collect();
    let size = if due.len() > MOST_APART { due.len() } else { 1 };
    for message in due.chunks(size.max(1)) {
        let notices = message
            .iter()
            .map(|(_, waiting)| waiting.notice.clone())
            .collect();
        match tell(route, notices, state).await {
            Ok(()) => {
                note(message, state, |ledger, numbers| {
                    ledger.told(numbers, Timestamp::now());
                })
                .await?;
            }
            Err(error) => {
                let attempts = message
                    .iter()
                    .map(|(_, waiting)| waiting.attempts)
                    .max()
                    .unwrap_or_default();
                let wait = pause(attempts, error.retry_after()).max(Duration::from_millis(500));
                let asked_until = error.retry_after().map(from_now);
                note(message, state, |ledger, numbers| {
                    ledger.put_off(numbers, from_now(wait), asked_until);
                })
                .await?;
                let failure = error.failure();
                tracing::warn!(
                    alerter = route.name,
                    kind = failure.kind.as_str(),
                    error = failure.message,
                    "The alerter has not taken a message; it will be tried again."
                );
                break;
            }
        }
    }
    let left = collect(&route.name, pipelines, state).await?;
    Ok(left.iter().map(|(_, waiting)| waiting.not_before).max())
}

fn from_now(wait: Duration) -> Timestamp {
    let then = Timestamp::now().saturating_add(wait);
    then.unwrap_or(Timestamp::MAX)
}

/// Tells one message, now.
pub(crate) async fn tell(
    route: &AlertRoute,
    notices: Vec<Notice>,
    state: &Arc<dyn StateStore>,
) -> Result<()> {
    let cancel = CancellationToken::new();
    let _cancel_on_drop = cancel.clone().drop_guard();
    let run = Run::new("alerts", state.clone(), cancel).for_component(&route.name);
    let (alerter, alert) = (route.component.instance.clone(), Alert { notices });
    let call = contained("telling", async move { alerter.alert(&alert, &run).await });
    timeout(PATIENCE, call).await.unwrap_or_else(|_| {
        let message = format!(
            "the alerter `{}` did not answer within {PATIENCE:?}",
            route.name
        );
        Err(Error::new(ErrorKind::Timeout, message))
    })
}

async fn collect(
    route: &str,
    pipelines: &[String],
    state: &Arc<dyn StateStore>,
) -> Result<Vec<(String, Waiting)>> {
    let mut found = Vec::new();
    for pipeline in pipelines {
        let ledger = store::read(state, pipeline).await?;
        found.extend(
            ledger
                .waiting(route)
                .map(|waiting| (pipeline.clone(), waiting.clone())),
        );
    }
    found.sort_by_key(|(_, waiting)| waiting.notice.at);
    Ok(found)
}

async fn note(
    message: &[&(String, Waiting)],
    state: &Arc<dyn StateStore>,
    change: impl Fn(&mut super::ledger::Ledger, &[u64]),
) -> Result<()> {
    let mut by_pipeline = BTreeMap::<&str, Vec<u64>>::new();
    for (pipeline, waiting) in message {
        by_pipeline
            .entry(pipeline)
            .or_default()
            .push(waiting.number);
    }
    for (pipeline, numbers) in by_pipeline {
        store::update(state, pipeline, |ledger| change(ledger, &numbers)).await?;
    }
    Ok(())
}

async fn sending_right(
    route: &str,
    state: &Arc<dyn StateStore>,
    budget: Duration,
) -> Result<gitbarge_core::Lease> {
    let key = Key::from_segments(["alerter".to_owned(), route.to_owned()]);
    let until = Instant::now() + budget;
    loop {
        match state.lease(&key).await {
            Err(error) if error.kind() == ErrorKind::Locked && Instant::now() < until => {
                sleep(LEASE_PAUSE).await;
            }
            result => return result,
        }
    }
}
