//! One log line for each delivery that is refused, though no more than somebody can read.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::bucket::{Bucket, Rate};
use crate::provider::Provider;

/// Nobody can fill a disk with this.
const LINES: Rate = Rate {
    burst: 20,
    each: Duration::from_secs(5),
};

/// Writes of one webhook.
#[derive(Debug)]
pub(crate) struct Journal {
    pipeline: String,
    provider: Provider,
    page: Mutex<Page>,
}

#[derive(Debug)]
struct Page {
    lines: Bucket,
    left_out: u64,
}

impl Journal {
    pub(crate) fn new(pipeline: &str, provider: Provider) -> Self {
        let lines = Bucket::full(LINES, Instant::now());
        Self {
            pipeline: pipeline.to_owned(),
            provider,
            page: Mutex::new(Page { lines, left_out: 0 }),
        }
    }

    /// Somebody is sent away, whose fault or attack it may be.
    pub(crate) fn refused(&self, status: StatusCode, sender: IpAddr, reason: &str) {
        let Some(left_out) = self.line() else {
            return;
        };
        let (pipeline, provider) = (&self.pipeline, self.provider.as_str());
        let status = status.as_u16();
        tracing::warn!(pipeline, provider, %sender, status, reason, left_out, "Delivery refused.");
    }

    /// A delivery is taken, whether or not it causes a run.
    pub(crate) fn taken(&self, status: StatusCode, sender: IpAddr, reason: &str) {
        let (pipeline, provider) = (&self.pipeline, self.provider.as_str());
        let status = status.as_u16();
        tracing::debug!(pipeline, provider, %sender, status, reason, "Delivery taken.");
    }

    /// Room for a line, and how many had none before it.
    fn line(&self) -> Option<u64> {
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        if page.lines.take(LINES, Instant::now()) {
            return Some(std::mem::take(&mut page.left_out));
        }
        page.left_out += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_has_few_lines() {
        let journal = Journal::new("site", Provider::Github);
        let lines = (0..10_000).filter_map(|_| journal.line()).count();
        assert!((20..30).contains(&lines), "{lines}");
        let page = journal.page.lock().unwrap();
        assert_eq!(page.left_out, 10_000 - lines as u64);
    }
}
