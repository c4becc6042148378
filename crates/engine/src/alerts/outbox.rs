//! Notices on their way, and when their alerter is asked to take them.

use gitbarge_core::Notice;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A notice that an alerter has not taken yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) number: u64,
    pub(crate) route: String,
    pub(crate) notice: Notice,
    pub(crate) attempts: u32,
    pub(crate) not_before: Timestamp,
    /// Until when the alerter itself has asked for patience.
    #[serde(default)]
    pub(super) asked_until: Option<Timestamp>,
    /// The fault that it tells of, while that lasts.
    pub(super) fault: Option<String>,
}

/// How often an alerter that takes nothing is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// By a process that stays: with back-off.
    Steady,
    /// By a process that asks once, and must not rely on a later one: unless the alerter has asked for patience.
    Once,
}

impl Waiting {
    pub(crate) fn is_due(&self, pace: Pace, now: Timestamp) -> bool {
        match pace {
            Pace::Steady => self.not_before <= now,
            Pace::Once => self.asked_until.is_none_or(|until| until <= now),
        }
    }
}
