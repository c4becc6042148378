//! Asks for runs, once for each delivery, and remembers that also across restarts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gitbarge_core::{ErrorKind, Expect, Requests, Run, Ticket, Version};
use jiff::Timestamp;
use tokio::sync::{Notify, SetOnce};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::memory::{Awaited, Id, Memory, Seen};
use crate::stored;

/// The value of the state.
const KEY: &str = "deliveries";
/// The shortest time between two writes.
const PAUSE: Duration = Duration::from_millis(50);
/// A slow disk is written to for a tenth of the time at most.
const REST: u32 = 9;
/// How long it takes until a failed write is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long an answer waits for what earlier processes remember.
const PATIENCE: Duration = Duration::from_millis(25);
/// How often a value that somebody else keeps changing is tried.
const TRIES: usize = 3;

/// What became of a delivery that asks for a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It has asked for this run.
    Run(String),
    /// It has asked before.
    Seen,
    /// Nobody can be asked any more: the pipeline is about to be followed by somebody else, or by nobody.
    Closed,
}

/// The deliveries of one webhook.
pub(crate) struct Ledger {
    requests: Requests,
    run: Run,
    page: Mutex<Page>,
    has_changed: Notify,
    is_loaded: SetOnce<()>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Page {
    memory: Memory,
    /// The runs that deliveries wait for: at most the one that goes on and the one after it, as requests coalesce.
    awaited: Vec<(String, Awaited)>,
    last: Awaited,
}

impl Ledger {
    /// Begins to read what is remembered, and to write it down, until the run is cancelled. `tasks` does so.
    pub(crate) fn open(requests: Requests, run: Run, tasks: &TaskTracker) -> Arc<Self> {
        let ledger = Arc::new(Self {
            requests,
            run,
            page: Mutex::default(),
            has_changed: Notify::new(),
            is_loaded: SetOnce::new(),
            tasks: tasks.clone(),
        });
        tasks.spawn(ledger.clone().keep());
        ledger
    }

    /// Asks for a run, unless the delivery has done so before. It waits a moment for what earlier processes remember.
    pub(crate) async fn enter(self: &Arc<Self>, delivery: Option<Id>) -> Entered {
        if delivery.is_some() && self.is_loaded.get().is_none() {
            drop(timeout(PATIENCE, self.is_loaded.wait()).await);
        }
        let (mut page, now) = (self.page(), now());
        if delivery.is_some_and(|id| page.memory.knows(&id, now)) {
            return Entered::Seen;
        }
        let ticket = self.requests.request();
        // Asked before this, the run is handed on to whoever follows the pipeline next; after it, nobody might see the request.
        if self.run.is_cancelled() {
            return Entered::Closed;
        }
        let run = ticket.id().to_owned();
        if let Some(id) = delivery {
            let awaits = Some(self.awaiting(&mut page, ticket));
            page.memory.learn(id, Seen { at: now, awaits });
            self.has_changed.notify_one();
        }
        Entered::Run(run)
    }

    /// The number of the ticket's run, which somebody waits for.
    fn awaiting(self: &Arc<Self>, page: &mut Page, ticket: Ticket) -> Awaited {
        let mut known = page.awaited.iter();
        if let Some((_, number)) = known.find(|(id, _)| id == ticket.id()) {
            return *number;
        }
        page.last += 1;
        let (id, number) = (ticket.id().to_owned(), page.last);
        page.awaited.push((id, number));
        self.tasks.spawn(self.clone().wait(ticket, number));
        number
    }

    /// Waits for a run. If the ledger is closed before it has ended, whoever opens it again waits for another.
    async fn wait(self: Arc<Self>, ticket: Ticket, number: Awaited) {
        tokio::select! {
            biased;
            () = self.run.cancelled() => {}
            is_good = ticket.succeeded() => {
                let mut page = self.page();
                page.awaited.retain(|(_, known)| *known != number);
                page.memory.ended(number, is_good);
                self.has_changed.notify_one();
            }
        }
    }

    /// Reads and writes the state until the run is cancelled, and once more then.
    async fn keep(self: Arc<Self>) {
        let mut version = self.load().await;
        drop(self.is_loaded.set(()));
        let mut is_failing = false;
        loop {
            tokio::select! {
                biased;
                () = self.run.cancelled() => break,
                () = self.has_changed.notified() => {}
            }
            let begun = Instant::now();
            let is_written = self.store(&mut version).await;
            let pause = match is_written {
                Ok(()) => PAUSE.max(begun.elapsed() * REST),
                Err(_) => AGAIN,
            };
            self.complain(is_written, &mut is_failing);
            tokio::select! {
                biased;
                () = self.run.cancelled() => break,
                () = sleep(pause) => {}
            }
        }
        let is_written = self.store(&mut version).await;
        self.complain(is_written, &mut is_failing);
    }

    /// Adds what is stored to what is known.
    async fn load(self: &Arc<Self>) -> Option<Version> {
        let entry = match self.run.state().get(KEY).await {
            Ok(entry) => entry?,
            Err(error) => {
                let error = error.failure().message;
                tracing::warn!(
                    error,
                    "Deliveries of earlier processes are not known: one of them may ask for a run again."
                );
                return None;
            }
        };
        let mut page = self.page();
        page.last += 1;
        let number = page.last;
        let is_awaited = page.memory.add(stored::read(&entry.value), number, now());
        if is_awaited && !self.run.is_cancelled() {
            // Nobody knows what became of the run that they wait for.
            let ticket = self.requests.request();
            self.tasks.spawn(self.clone().wait(ticket, number));
        }
        Some(entry.version)
    }

    /// Writes what is known, together with what somebody else has written in the meantime: at a reload of the configuration,
    /// two ledgers may be open for a moment.
    async fn store(self: &Arc<Self>, version: &mut Option<Version>) -> gitbarge_core::Result<()> {
        let mut result = Ok(());
        for _ in 0..TRIES {
            let Some(seen) = self.page().memory.take_changed(now()) else {
                return Ok(());
            };
            let expect = version.clone().map_or(Expect::Absent, Expect::Version);
            let put = self
                .run
                .state()
                .put(KEY, stored::write(&seen), expect)
                .await;
            match put {
                Ok(new) => {
                    *version = Some(new);
                    self.page().memory.is_stored();
                    return Ok(());
                }
                Err(error) => {
                    self.page().memory.set_changed();
                    let is_conflict = error.kind() == ErrorKind::Conflict;
                    result = Err(error);
                    if !is_conflict {
                        break;
                    }
                    *version = self.load().await;
                }
            }
        }
        // Whoever waits for a change has one.
        self.has_changed.notify_one();
        result
    }

    /// Tells of an outage once.
    fn complain(&self, is_written: gitbarge_core::Result<()>, is_failing: &mut bool) {
        let is_new = !std::mem::replace(is_failing, is_written.is_err());
        if let Err(error) = is_written
            && is_new
        {
            let error = error.failure().message;
            tracing::warn!(
                error,
                "Deliveries are not written down: after a restart, one of them may ask for a run again."
            );
        }
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In seconds since 1970.
fn now() -> i64 {
    Timestamp::now().as_second()
}

#[cfg(test)]
mod tests;
