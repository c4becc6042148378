//! Calls into plugins, whose panics must not end more than one run.

use std::future::Future;

use gitbarge_core::{Error, ErrorKind, Result, panic_error};
use tokio::task::AbortHandle;
use tracing::Instrument as _;

/// Runs a plugin's future as a task of its own, so that a panic becomes an `internal` error. Dropping the call ends the task.
pub(crate) async fn contained<T: Send + 'static>(
    what: &'static str,
    call: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let task = tokio::spawn(call.in_current_span());
    let _guard = AbortOnDrop(task.abort_handle());
    match task.await {
        Ok(result) => result,
        Err(join) if join.is_panic() => Err(panic_error(what, join)),
        Err(_) => Err(Error::new(
            ErrorKind::Cancelled,
            format!("cancelled while {what}"),
        )),
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
