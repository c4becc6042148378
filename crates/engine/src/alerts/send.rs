//! Sends what waits: once, in order, by one process at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use gitbarge_core::config::{AlertRoute, Paused, Pipeline};
use gitbarge_core::{Alert, Error, ErrorKind, Key, Notice, Result, Run, StateStore};
use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::outbox::{Pace, Waiting};
use super::{process, store};
use crate::Observer;
use crate::backoff::pause;
use crate::contained::contained;

/// How often the right to send is asked for, while another process has it.
const LEASE_PAUSE: Duration = Duration::from_millis(50);
/// More notices than this go out as one message.
const MOST_APART: usize = 5;
/// When a round is tried again that came to no end.
const AGAIN: Duration = Duration::from_secs(2);
/// An alerter that asks for more than this says that its work takes its time.
const USUAL_PATIENCE: Duration = Duration::from_secs(10);

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

/// One round of sending what is due.
pub(crate) struct Sending<'a> {
    pub(crate) state: &'a Arc<dyn StateStore>,
    pub(crate) observer: &'a dyn Observer,
    /// How long an alerter's messages may go on beginning.
    pub(crate) budget: Duration,
    pub(crate) pace: Pace,
    /// Breaks off what is being told.
    pub(crate) cancel: &'a CancellationToken,
}

impl Sending<'_> {
    /// Sends what is due to every alerter, side by side; returns when the next notice is due, if one waits.
    pub(crate) async fn flush(&self, routes: &Routes) -> Option<Timestamp> {
        let mut sending = FuturesUnordered::new();
        for (route, pipelines) in routes.values() {
            let limit = self.limit(route);
            let send = async move { timeout(limit, self.flush_route(route, pipelines)).await };
            sending.push(send.in_current_span());
        }
        let mut next = None;
        while let Some(sent) = sending.next().await {
            let due = match sent {
                Ok(Ok(due)) => due,
                Ok(Err(error)) => {
                    let error = error.failure().message;
                    tracing::warn!(error, "Alerts could not be sent; they will be tried again.");
                    Some(from_now(AGAIN))
                }
                // Out of time: what was not taken waits for the next round.
                Err(_) => Some(from_now(AGAIN)),
            };
            next = [next, due].into_iter().flatten().min();
        }
        next
    }

    /// When a round is over. Who is known to take long, such as a command, can finish, for it would never end otherwise.
    fn limit(&self, route: &AlertRoute) -> Duration {
        let patience = route.component.instance.patience();
        match self.pace {
            Pace::Steady => self.budget + patience,
            Pace::Once if patience > USUAL_PATIENCE => self.budget.max(patience),
            Pace::Once => self.budget,
        }
    }

    async fn flush_route(
        &self,
        route: &AlertRoute,
        pipelines: &[String],
    ) -> Result<Option<Timestamp>> {
        let (begun, state) = (Instant::now(), self.state);
        if route.paused.at(Timestamp::now()) {
            return Ok(match route.paused {
                Paused::Until(end) => Some(end),
                Paused::No | Paused::Yes => None,
            });
        }
        if collect(&route.name, pipelines, state).await?.is_empty() {
            return Ok(None);
        }
        let _lease = sending_right(&route.name, state, self.budget).await?;
        // Only now is it certain that nobody else sends the same.
        let waiting = collect(&route.name, pipelines, state).await?;
        let now = Timestamp::now();
        // An alerter that is left alone for a while is left alone wholly, so that it hears all in order.
        let put_off = waiting.iter().filter(|(_, w)| !w.is_due(self.pace, now));
        if let Some(until) = put_off.map(|(_, waiting)| waiting.not_before).max() {
            return Ok(Some(until));
        }
        let together = route.component.instance.most_together();
        let size = if waiting.len() > MOST_APART {
            waiting.len().min(together)
        } else {
            1
        };
        for message in waiting.chunks(size.max(1)) {
            let message = still_waiting(message, state).await?;
            if message.is_empty() {
                continue;
            }
            if begun.elapsed() > self.budget || !self.send(route, &message).await? {
                break;
            }
        }
        let left = collect(&route.name, pipelines, state).await?;
        Ok(left.iter().map(|(_, waiting)| waiting.not_before).max())
    }

    /// Tells one message, and notes down what came of it; says whether it was taken.
    async fn send(&self, route: &AlertRoute, message: &[&(String, Waiting)]) -> Result<bool> {
        let waiting = || message.iter().map(|(_, waiting)| waiting);
        let notices = waiting().map(|waiting| waiting.notice.clone()).collect();
        let told = tell(route, notices, self.state, self.cancel).await;
        self.observer.told(route.component.type_name, told.is_ok());
        let Err(error) = told else {
            let now = Timestamp::now();
            note(message, self.state, |ledger, numbers| {
                ledger.told(numbers, now);
            })
            .await?;
            return Ok(true);
        };
        // Whoever was broken off has refused nothing.
        if self.cancel.is_cancelled() {
            return Ok(false);
        }
        let attempts = waiting().map(|waiting| waiting.attempts).max();
        let wait = pause(attempts.unwrap_or_default(), error.retry_after());
        let until = from_now(wait.max(Duration::from_millis(500)));
        let asked_until = error.retry_after().map(from_now);
        note(message, self.state, |ledger, numbers| {
            ledger.put_off(numbers, until, asked_until);
        })
        .await?;
        let failure = error.failure();
        tracing::warn!(
            alerter = route.name,
            kind = failure.kind.as_str(),
            error = failure.message,
            "The alerter has not taken a message; it will be tried again."
        );
        Ok(false)
    }
}

/// Those that nothing newer has taken the place of since they were collected.
async fn still_waiting<'m>(
    message: &'m [(String, Waiting)],
    state: &Arc<dyn StateStore>,
) -> Result<Vec<&'m (String, Waiting)>> {
    let mut still = Vec::with_capacity(message.len());
    for entry in message {
        let (pipeline, old) = entry;
        let ledger = store::read(state, pipeline).await?;
        let mut waiting = ledger.certain(&old.route, process());
        if waiting.any(|waiting| waiting.number == old.number) {
            still.push(entry);
        }
    }
    Ok(still)
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
    cancel: &CancellationToken,
) -> Result<()> {
    let cancel = cancel.child_token();
    let _cancel_on_drop = cancel.clone().drop_guard();
    let run = Run::new("alerts", state.clone(), cancel).for_component(&route.name);
    let (alerter, alert) = (route.component.instance.clone(), Alert { notices });
    let call = contained("telling", async move { alerter.alert(&alert, &run).await });
    let patience = route.component.instance.patience();
    timeout(patience, call).await.unwrap_or_else(|_| {
        let message = format!(
            "the alerter `{}` did not answer within {patience:?}",
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
                .certain(route, process())
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
