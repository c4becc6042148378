//! Tells a slow line from a dead one.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// When something last moved.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    begun: Instant,
    /// In milliseconds after `begun`.
    last: Arc<AtomicU64>,
    idle: Duration,
}

/// Nothing moved for so long.
#[derive(Debug)]
pub(crate) struct Silence(Duration);

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing moved for {:?}", self.0)
    }
}

impl std::error::Error for Silence {}

impl Activity {
    pub(crate) fn new(idle: Duration) -> Self {
        Self {
            begun: Instant::now(),
            last: Arc::default(),
            idle,
        }
    }

    /// Something moved.
    pub(crate) fn touch(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    fn end(&self) -> Instant {
        self.begun + Duration::from_millis(self.last.load(Ordering::Relaxed)) + self.idle
    }

    /// Waits for a future as long as something moves.
    pub(crate) async fn watch<F: Future>(&self, future: F) -> Result<F::Output, Silence> {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                biased;
                output = &mut future => return Ok(output),
                () = sleep_until(self.end()) => {
                    if self.end() <= Instant::now() {
                        return Err(Silence(self.idle));
                    }
                }
            }
        }
    }

    /// For an answer's body: from now on.
    pub(crate) fn awake(&self) -> Awake {
        Awake {
            idle: self.idle,
            sleep: Box::pin(sleep_until(Instant::now() + self.idle)),
        }
    }
}

/// Becomes ready when it has not been touched for too long.
#[derive(Debug)]
pub(crate) struct Awake {
    idle: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Awake {
    pub(crate) fn touch(&mut self) {
        let end = Instant::now() + self.idle;
        self.sleep.as_mut().reset(end);
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Silence> {
        let idle = self.idle;
        self.sleep.as_mut().poll(cx).map(|()| Silence(idle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_moves_may_take_its_time_and_what_does_not_is_ended() {
        let activity = Activity::new(Duration::from_secs(60));
        let slow = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(50)).await;
                activity.touch();
            }
        };
        activity.watch(slow).await.unwrap();
        let begun = Instant::now();
        let silence = activity.watch(std::future::pending::<()>()).await;
        assert_eq!(silence.unwrap_err().to_string(), "nothing moved for 60s");
        assert_eq!(begun.elapsed().as_secs(), 60);
    }
}
