//! What a fake does when it is called, and when it was.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gitbarge_core::{Error, ErrorKind, Result, Run};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

/// How long a test waits for what must come; with paused time, this passes at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a call does.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Succeeds.
    Pass,
    /// Fails so.
    Fail(ErrorKind, String),
    /// Fails, and asks to be left alone for so long.
    Busy(Duration),
    Panic,
    /// Succeeds after a while.
    Slow(Duration),
    /// Waits until it is released, and succeeds then; ends when the run is cancelled.
    Block,
    /// Never ends, and is deaf to cancellation.
    Hang,
}

/// The calls of one method of a fake.
pub(crate) struct Script {
    first: Mutex<VecDeque<Act>>,
    then: Mutex<Act>,
    calls: watch::Sender<Vec<Instant>>,
    released: Semaphore,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self {
            first: Mutex::default(),
            then: Mutex::new(Act::Pass),
            calls: watch::Sender::default(),
            released: Semaphore::new(0),
        }
    }

    /// From now on, every call does this.
    pub(crate) fn always(&self, act: Act) {
        self.first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        *self.then.lock().unwrap_or_else(PoisonError::into_inner) = act;
    }

    /// The next calls do this, before what they always do.
    pub(crate) fn first(&self, acts: impl IntoIterator<Item = Act>) {
        self.first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(acts);
    }

    /// Lets one blocked call go on.
    pub(crate) fn release(&self) {
        self.released.add_permits(1);
    }

    /// When it was called.
    pub(crate) fn calls(&self) -> Vec<Instant> {
        self.calls.borrow().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.calls.borrow().len()
    }

    /// Waits until it has been called so often.
    pub(crate) async fn called(&self, times: usize) {
        let mut calls = self.calls.subscribe();
        let enough = calls.wait_for(|calls| calls.len() >= times);
        let in_time = timeout(PATIENCE, enough).await;
        assert!(in_time.is_ok(), "{} calls, not {times}", self.count());
    }

    /// Does what the next call is to do.
    pub(crate) async fn play(&self, run: &Run) -> Result<()> {
        self.calls.send_modify(|calls| calls.push(Instant::now()));
        match self.next() {
            Act::Pass => Ok(()),
            Act::Fail(kind, message) => Err(Error::new(kind, message)),
            Act::Busy(wait) => {
                let error = Error::new(ErrorKind::Unreachable, "too busy");
                Err(error.with_retry_after(wait))
            }
            Act::Panic => panic!("out of ideas"),
            Act::Slow(pause) => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            Act::Hang => std::future::pending().await,
            Act::Block => tokio::select! {
                permit = self.released.acquire() => {
                    permit.expect("it is never closed").forget();
                    Ok(())
                }
                () = run.cancelled() => Err(Error::cancelled("being blocked")),
            },
        }
    }

    fn next(&self) -> Act {
        let first = self
            .first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        first.unwrap_or_else(|| {
            self.then
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        })
    }
}

/// A failure of a kind, by its name.
pub(crate) fn fail(kind: ErrorKind) -> Act {
    Act::Fail(kind, format!("it is {kind}"))
}

/// Waits until something holds.
pub(crate) async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = timeout(PATIENCE, wait).await;
    assert!(in_time.is_ok(), "what was waited for did not come");
}
