//! Whether anything goes on on a connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What a connection is doing.
pub(crate) struct Activity(Mutex<Doing>);

struct Doing {
    requests: usize,
    is_new: bool,
    quiet_since: Instant,
}

/// A request that is being answered, until it is dropped.
pub(crate) struct Busy(Arc<Activity>);

impl Activity {
    /// A connection that has just been opened.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Doing {
            requests: 0,
            is_new: true,
            quiet_since: Instant::now(),
        })))
    }

    /// A request's head has come.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.with(|doing| {
            doing.requests += 1;
            doing.is_new = false;
        });
        Busy(self.clone())
    }

    /// Whether nothing has been asked for too long: `first` is how long the first request may take, `idle` any other.
    pub(crate) fn is_quiet(&self, first: Duration, idle: Duration) -> bool {
        self.with(|doing| {
            let limit = if doing.is_new { first } else { idle };
            doing.requests == 0 && doing.quiet_since.elapsed() >= limit
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Doing) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.with(|doing| {
            doing.requests -= 1;
            doing.quiet_since = Instant::now();
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const FIRST: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_quiet_once_nothing_was_asked_for_too_long() {
        let activity = Activity::new();
        advance(Duration::from_secs(9)).await;
        assert!(!activity.is_quiet(FIRST, IDLE));
        advance(Duration::from_secs(1)).await;
        assert!(activity.is_quiet(FIRST, IDLE));

        let (one, other) = (activity.begin(), activity.begin());
        drop(one);
        advance(Duration::from_secs(3600)).await;
        assert!(!activity.is_quiet(FIRST, IDLE));
        drop(other);
        advance(Duration::from_secs(29)).await;
        assert!(!activity.is_quiet(FIRST, IDLE));
        advance(Duration::from_secs(1)).await;
        assert!(activity.is_quiet(FIRST, IDLE));
    }
}
