//! Counts what may happen so often in a burst and so often in the long run.

use std::time::{Duration, Instant};

/// How often something may happen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// At once.
    pub(crate) burst: u32,
    /// How long it takes until one more may.
    pub(crate) each: Duration,
}

/// A bucket that fills slowly and is emptied by what happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub(crate) fn full(rate: Rate, now: Instant) -> Self {
        let left = f64::from(rate.burst);
        Self { left, at: now }
    }

    /// Takes one out, if there is one.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() / rate.each.as_secs_f64();
        self.left = (self.left + gained).min(f64::from(rate.burst));
        self.at = now;
        let has_one = self.left >= 1.0;
        if has_one {
            self.left -= 1.0;
        }
        has_one
    }

    /// How long until there is one; `None` if there is.
    pub(crate) fn wait(&self, rate: Rate, now: Instant) -> Option<Duration> {
        let missing = 1.0 - self.left;
        let due = self.at + rate.each.mul_f64(missing.max(0.0));
        (missing > 0.0 && due > now).then(|| due - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        burst: 3,
        each: Duration::from_secs(2),
    };

    #[test]
    fn a_burst_passes_and_then_one_each_while() {
        let now = Instant::now();
        let mut bucket = Bucket::full(RATE, now);
        let taken = |bucket: &mut Bucket, at| (0..9).filter(|_| bucket.take(RATE, at)).count();
        assert_eq!(bucket.wait(RATE, now), None);
        assert_eq!(taken(&mut bucket, now), 3);
        assert_eq!(bucket.wait(RATE, now), Some(RATE.each));
        let later = now + Duration::from_millis(1_500);
        assert_eq!(bucket.wait(RATE, later), Some(Duration::from_millis(500)));
        assert_eq!(taken(&mut bucket, later), 0);
        assert_eq!(bucket.wait(RATE, now + RATE.each), None);
        assert_eq!(taken(&mut bucket, now + RATE.each), 1);
        assert_eq!(taken(&mut bucket, now + RATE.each * 100), 3);
    }
}
