//! Calls into plugins, whose panics must not end more than one run.

use std::future::Future;

use gitbarge_core::{Result, panic_error};
use tokio::task::AbortHandle;
use tracing::Instrument as _;

/// Begins a plugin's future at once, as a task of its own, so that a panic becomes an `internal` error. Dropping the call ends the task.
pub(crate) fn contained<T: Send + 'static>(
    what: &'static str,
    call: impl Future<Output = Result<T>> + Send + 'static,
) -> impl Future<Output = Result<T>> + Send + 'static {
    let task = tokio::spawn(call.in_current_span());
    let guard = AbortOnDrop(task.abort_handle());
    async move {
        let _guard = guard;
        task.await
            .unwrap_or_else(|join| Err(panic_error(what, join)))
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
