//! The result of a run, as it is printed and remembered.

use gitbarge_core::config::Pipeline;
use gitbarge_core::{Error, ErrorKind, Failure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What one run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The pipeline.
    pub pipeline: String,
    /// How it ended.
    pub status: RunStatus,
    /// The full name of the ref that was followed; `null` for a hash, or if it was not resolved.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// The commit that the first sink held before.
    pub from: Option<String>,
    /// The commit to deliver, if it was resolved.
    pub to: Option<String>,
    /// That commit's subject line.
    pub subject: Option<String>,
    /// When the run began, in UTC.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Bytes received from the source.
    pub bytes_received: u64,
    /// Why the run failed before it came to any sink.
    pub error: Option<Failure>,
    /// What each sink did; empty if the run came to none.
    pub sinks: Vec<SinkRecord>,
}

/// What one sink did in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SinkRecord {
    /// The name of its table.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// How it ended.
    pub status: RunStatus,
    /// The commit that it held before.
    pub from: Option<String>,
    /// The commit that it holds now; `null` if it failed.
    pub to: Option<String>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// What else this type of sink reports.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

/// How a run, or one sink of it, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Something was changed, and all is equal now.
    Synced,
    /// All was equal.
    Unchanged,
    /// Something is not equal.
    Failed,
}

impl RunRecord {
    /// A record of a run that begins now and has got nowhere yet.
    pub(crate) fn begun(pipeline: &Pipeline) -> Self {
        Self {
            pipeline: pipeline.name.clone(),
            status: RunStatus::Failed,
            reference: None,
            from: None,
            to: None,
            subject: None,
            started_at: Timestamp::now(),
            duration_ms: 0,
            bytes_received: 0,
            error: None,
            sinks: Vec::new(),
        }
    }

    /// A record of a run that was cancelled before it could say anything.
    pub fn cancelled(pipeline: &Pipeline) -> Self {
        let error = Error::new(ErrorKind::Cancelled, "the run was cancelled");
        Self::broken(pipeline, &error)
    }

    /// A record of a run that broke before it could say anything.
    pub(crate) fn broken(pipeline: &Pipeline, error: &Error) -> Self {
        Self {
            error: Some(error.failure()),
            ..Self::begun(pipeline)
        }
    }

    /// Whether anything failed.
    pub fn is_failed(&self) -> bool {
        self.status == RunStatus::Failed
    }

    /// What failed, and in which sink.
    pub fn failures(&self) -> impl Iterator<Item = (Option<&str>, &Failure)> {
        let run = self.error.iter().map(|failure| (None, failure));
        let sinks = self
            .sinks
            .iter()
            .filter_map(|sink| Some((Some(sink.name.as_str()), sink.error.as_ref()?)));
        run.chain(sinks)
    }
}
