//! What the store was asked, in figures.

use std::sync::atomic::AtomicU64;

/// Counts what is sent to the store.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) bytes_sent: AtomicU64,
}

/// What was sent to the store: every request, tries that failed too, and the bytes of all bodies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) requests: u64,
    pub(crate) bytes_sent: u64,
}

impl Figures {
    /// What was sent after an earlier moment.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(before.requests),
            bytes_sent: self.bytes_sent.saturating_sub(before.bytes_sent),
        }
    }
}
