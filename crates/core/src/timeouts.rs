//! The two timeouts that every network source has: `connect_timeout` and `idle_timeout`.
//!
//! Their fields read and describe themselves as [`crate::duration`] says, with the defaults of here.

use std::time::Duration;

use crate::Problem;

/// Beyond a day, a timeout is none.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long it may take to connect, if nothing is said.
pub fn connect() -> Duration {
    Duration::from_secs(15)
}

/// [`connect`], as the file writes it.
pub fn connect_text() -> &'static str {
    "15s"
}

/// How long the other side may say nothing, if nothing is said.
pub fn idle() -> Duration {
    Duration::from_secs(60)
}

/// [`idle`], as the file writes it.
pub fn idle_text() -> &'static str {
    "60s"
}

/// What is wrong with the two.
pub fn problems(connect: Duration, idle: Duration) -> impl Iterator<Item = Problem> {
    let both = [("connect_timeout", connect), ("idle_timeout", idle)];
    let wrong = both
        .into_iter()
        .filter(|(_, timeout)| timeout.is_zero() || *timeout > LONGEST);
    wrong.map(|(key, _)| Problem::new(key, "the timeout is not between 0s and a day"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_the_defaults() {
        assert_eq!(humantime::parse_duration(connect_text()), Ok(connect()));
        assert_eq!(humantime::parse_duration(idle_text()), Ok(idle()));
    }

    #[test]
    fn nothing_and_more_than_a_day_are_refused() {
        let keys = |connect, idle| {
            let problems = problems(connect, idle);
            problems.map(|problem| problem.key).collect::<Vec<_>>()
        };
        assert_eq!(keys(connect(), LONGEST), [""; 0]);
        let longer = LONGEST + Duration::from_secs(1);
        assert_eq!(
            keys(Duration::ZERO, longer),
            ["connect_timeout", "idle_timeout"]
        );
    }
}
