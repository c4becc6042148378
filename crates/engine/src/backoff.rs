//! How long to wait before the next try.

use std::time::Duration;

/// The shortest span that a first pause is drawn from.
const FIRST: Duration = Duration::from_secs(1);
/// The longest span that any pause is drawn from.
const LONGEST: Duration = Duration::from_secs(300);

/// The pause after the `attempt`th failure (from 0): anything up to a span that doubles each time ("full jitter"), and
/// at least what the peer has asked for. Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).
pub(crate) fn pause(attempt: u32, asked: Option<Duration>) -> Duration {
    let span = FIRST
        .saturating_mul(2_u32.saturating_pow(attempt))
        .min(LONGEST);
    span.mul_f64(fastrand::f64()).max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_within_their_span() {
        for attempt in [0, 1, 5, 40] {
            let span = Duration::from_secs(300.min(2_u64.saturating_pow(attempt)));
            assert!((0..100).all(|_| pause(attempt, None) <= span));
        }
        assert!(pause(0, Some(Duration::from_secs(9))) >= Duration::from_secs(9));
    }
}
