//! Who is told, and of what.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Failure, Result, Run};

/// Tells people.
#[async_trait]
pub trait Alerter: Send + Sync {
    /// Tells; returns `Ok` only if the other side has taken the message. What to tell, and when, the engine decides.
    ///
    /// # Errors
    /// Any kind; the engine tries again with back-off, and not before [`crate::Error::retry_after`].
    async fn alert(&self, alert: &Alert, run: &Run) -> Result<()>;

    /// How many notices one message may hold.
    fn most_together(&self) -> usize {
        usize::MAX
    }

    /// How long telling one message may take; longer, and it is broken off and tried again later.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// Whether the receiver can be reached, without telling anybody anything.
    async fn probe(&self, _run: &Run) -> Result<()> {
        Ok(())
    }
}

/// One message: usually one notice, or several that became due together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What is told; never empty.
    pub notices: Vec<Notice>,
}

/// One thing to tell about one pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What happened.
    pub event: Event,
    /// The pipeline that it happened to.
    pub pipeline: String,
    /// The sink that it happened to; `None` if it happened to the whole run.
    pub sink: Option<String>,
    /// The source's address.
    pub repository: String,
    /// The full name of the ref, or the configured one while it is not resolved; `None` for the remote's HEAD.
    pub reference: Option<String>,
    /// The commit that the pipeline stands at, if known.
    pub commit: Option<String>,
    /// The commit that it stood at before, if known; of several commits that were not told, before the first.
    #[serde(default)]
    pub from: Option<String>,
    /// What failed; for `recovered`, what had failed last.
    pub failure: Option<Failure>,
    /// How many runs have failed so.
    pub count: u64,
    /// When it began.
    pub since: Timestamp,
    /// When it was decided to tell this.
    pub at: Timestamp,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A run has changed a target.
    Synced,
    /// A run failed in a way that has not been told yet.
    Failed,
    /// It has failed in that way for a whole suppression window.
    StillFailing,
    /// The pipeline works again.
    Recovered,
    /// Somebody wants to see whether messages arrive.
    Test,
}
