//! One run of a pipeline, as every plugin sees it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::state::{Key, ScopedState, StateStore};
use crate::{Error, ErrorKind, Result};

/// What accompanies every call into a plugin: whose run it is, when it must end, and where it may remember things.
///
/// Cloning is cheap, and clones share cancellation and progress.
#[derive(Clone)]
pub struct Run {
    pipeline: Arc<str>,
    cancel: CancellationToken,
    deadline: Option<Instant>,
    progress: Arc<Progress>,
    state: ScopedState,
}

impl Run {
    /// A run of a pipeline that keeps its memory in `state`, below `pipeline/<name>`.
    pub fn new(pipeline: &str, state: Arc<dyn StateStore>, cancel: CancellationToken) -> Self {
        Self {
            pipeline: pipeline.into(),
            cancel,
            deadline: None,
            progress: Arc::default(),
            state: ScopedState::new(state, Key::new("pipeline").join(pipeline)),
        }
    }

    /// A run outside any engine, for a plugin crate used alone: no deadline, and a memory that ends with it.
    pub fn standalone(name: &str) -> Self {
        Self::new(
            name,
            Arc::new(crate::state::Forgetful),
            CancellationToken::new(),
        )
    }

    /// Sets when the run must have ended. The engine cancels the run then; plugins use it to bound their waits.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The same run with a state of its own for one component, such as `source` or `sink/runner`.
    #[must_use]
    pub fn for_component(&self, component: &str) -> Self {
        Self {
            state: self.state.below(component),
            ..self.clone()
        }
    }

    /// The pipeline's name.
    pub fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// The token whose cancellation ends the run.
    pub fn cancel_token(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Whether the run has been cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Waits until the run is cancelled.
    pub fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        self.cancel.cancelled()
    }

    /// The time until the deadline; `None` if there is no deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline
            .map(|d| d.saturating_duration_since(Instant::now()))
    }

    /// The counters that a progress display reads.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Where this component may remember small values.
    pub fn state(&self) -> &ScopedState {
        &self.state
    }

    /// Runs blocking work off the async workers and returns what it returns.
    ///
    /// The work gets a flag that becomes true when the run is cancelled, or when the caller drops the future; it must look at
    /// it at least every 100 ms. The future ends only after the work has: whoever holds a lock across this call may rely on it.
    ///
    /// # Errors
    /// Those of the work; `internal` if it panicked; `cancelled` if the run was cancelled before it began.
    pub async fn blocking<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Arc<AtomicBool>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if self.is_cancelled() {
            return Err(Error::cancelled(what));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let guard = StopOnDrop(stop.clone());
        let span = tracing::Span::current();
        let mut task = tokio::task::spawn_blocking(move || span.in_scope(|| work(&stop)));
        let result = tokio::select! {
            result = &mut task => result,
            () = self.cancelled() => {
                guard.stop();
                task.await
            }
        };
        match result {
            Ok(result) => result,
            Err(join) => Err(panic_error(what, join)),
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("pipeline", &self.pipeline)
            .finish_non_exhaustive()
    }
}

struct StopOnDrop(Arc<AtomicBool>);

impl StopOnDrop {
    fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Turns a task's panic into an `internal` error.
pub fn panic_error(what: &str, join: tokio::task::JoinError) -> Error {
    if join.is_cancelled() {
        return Error::cancelled(what);
    }
    let panic = join.into_panic();
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a text");
    Error::new(
        ErrorKind::Internal,
        format!("panicked while {what}: {text}"),
    )
}

/// Counters of a run, written by plugins and read by whoever shows them.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes received from the source.
    pub bytes_received: AtomicU64,
    /// Objects of the pack that have arrived.
    pub objects: Gauge,
    /// Deltas of the pack that have been resolved.
    pub deltas: Gauge,
    /// Files and links written to work trees.
    pub files: Gauge,
}

/// How much of a known amount is done; the amount is 0 until it is known.
#[derive(Debug, Default)]
pub struct Gauge {
    done: Arc<AtomicUsize>,
    total: AtomicUsize,
}

impl Gauge {
    /// The counter of what is done, for code that counts by itself.
    pub fn counter(&self) -> &Arc<AtomicUsize> {
        &self.done
    }

    /// Sets the whole amount.
    pub fn set_total(&self, total: usize) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// What is done, and the whole amount.
    pub fn read(&self) -> (usize, usize) {
        (
            self.done.load(Ordering::Relaxed),
            self.total.load(Ordering::Relaxed),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cancelling_stops_blocking_work() {
        let run = Run::standalone("x");
        let token = run.cancel_token().clone();
        let work = run.blocking("waiting", move |stop| {
            token.cancel();
            while !stop.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            Err::<(), _>(Error::cancelled("waiting"))
        });
        assert_eq!(work.await.unwrap_err().kind(), ErrorKind::Cancelled);
        let again = run.blocking("waiting", |_| Ok(()));
        assert_eq!(again.await.unwrap_err().kind(), ErrorKind::Cancelled);
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        let run = Run::standalone("x");
        let error = run
            .blocking::<()>("counting", |_| panic!("no more fingers"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(error.to_string().contains("no more fingers"));
    }
}
