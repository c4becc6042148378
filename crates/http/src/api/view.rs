//! What the API shows of a pipeline.

use gitbarge_engine::{Posted, RunRecord};
use jiff::Timestamp;
use serde::Serialize;

/// All pipelines, by name.
#[derive(Serialize)]
pub(super) struct Pipelines<'a> {
    pub(super) pipelines: Vec<View<'a>>,
}

/// The runs of a pipeline, the newest first.
#[derive(Serialize)]
pub(super) struct Runs {
    pub(super) runs: Vec<RunRecord>,
}

/// One pipeline.
#[derive(Serialize)]
pub(super) struct View<'a> {
    name: &'a str,
    /// As configured; `null` for the remote's HEAD.
    #[serde(rename = "ref")]
    reference: Option<String>,
    source: Part<'a>,
    sinks: Vec<Part<'a>>,
    ready: bool,
    running: bool,
    waiting: bool,
    /// In this process.
    last_success_at: Option<Timestamp>,
    /// In this process.
    last_run: Option<&'a RunRecord>,
}

/// A component.
#[derive(Serialize)]
struct Part<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    type_name: &'a str,
}

/// What is shown of a pipeline at a time.
pub(super) fn view(posted: &Posted, now: Timestamp) -> View<'_> {
    let pipeline = &posted.pipeline;
    let sinks = pipeline.sinks.iter().map(|sink| Part {
        name: &sink.name,
        type_name: sink.component.type_name,
    });
    View {
        name: &pipeline.name,
        reference: pipeline.reference.as_ref().map(ToString::to_string),
        source: Part {
            name: "source",
            type_name: pipeline.source.type_name,
        },
        sinks: sinks.collect(),
        ready: posted.is_ready(now),
        running: posted.running.is_some(),
        waiting: posted.is_waiting(),
        last_success_at: posted.last_success,
        last_run: posted.last.as_deref(),
    }
}
