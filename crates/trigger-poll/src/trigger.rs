//! Asks for a run in regular intervals.

use std::time::Duration;

use async_trait::async_trait;
use gitbarge_core::{Requests, Result, Run, Trigger};

/// Asks for a run every so often. The first request comes after the first period: the engine runs every pipeline at its start.
#[derive(Debug, Clone)]
pub struct PollTrigger {
    every: Duration,
    jitter: Duration,
}

impl PollTrigger {
    /// Asks once in each period, which is at random up to `jitter` shorter or longer than `every`.
    pub fn new(every: Duration, jitter: Duration) -> Self {
        Self { every, jitter }
    }

    fn next_period(&self) -> Duration {
        let shortest = self.every.saturating_sub(self.jitter);
        let range = self.every.saturating_add(self.jitter) - shortest;
        shortest + range.mul_f64(fastrand::f64())
    }
}

#[async_trait]
impl Trigger for PollTrigger {
    async fn watch(&self, requests: Requests, run: &Run) -> Result<()> {
        loop {
            tokio::select! {
                biased;
                () = run.cancelled() => return Ok(()),
                () = tokio::time::sleep(self.next_period()) => drop(requests.request()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    async fn periods(trigger: PollTrigger, count: usize) -> Vec<Duration> {
        let run = Run::standalone("poll");
        let (requests, mut asked) = Requests::channel();
        let watched = run.clone();
        let watching = tokio::spawn(async move { trigger.watch(requests, &watched).await });
        let mut periods = Vec::new();
        let mut last = Instant::now();
        for _ in 0..count {
            asked.next().await;
            periods.push(last.elapsed());
            last = Instant::now();
        }
        run.cancel_token().cancel();
        watching.await.unwrap().unwrap();
        periods
    }

    #[tokio::test(start_paused = true)]
    async fn without_jitter_every_period_is_the_same() {
        let every = Duration::from_secs(30);
        let periods = periods(PollTrigger::new(every, Duration::ZERO), 5).await;
        assert_eq!(periods, [every; 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn with_jitter_periods_differ_within_bounds() {
        let (every, jitter) = (Duration::from_secs(30), Duration::from_secs(3));
        let periods = periods(PollTrigger::new(every, jitter), 100).await;
        // Timers have a resolution of a millisecond.
        let bounds = every - jitter..=every + jitter + Duration::from_millis(1);
        assert!(periods.iter().all(|p| bounds.contains(p)), "{periods:?}");
        assert!(periods.iter().any(|p| *p < every));
        assert!(periods.iter().any(|p| *p > every));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_during_a_long_run_become_one() {
        let run = Run::standalone("poll");
        let (requests, mut asked) = Requests::channel();
        let trigger = PollTrigger::new(Duration::from_secs(1), Duration::ZERO);
        let watched = run.clone();
        let watching = tokio::spawn(async move { trigger.watch(requests, &watched).await });
        tokio::time::sleep(Duration::from_millis(10_500)).await;
        run.cancel_token().cancel();
        watching.await.unwrap().unwrap();
        asked.next().await;
        assert!(!asked.is_waiting());
    }
}
