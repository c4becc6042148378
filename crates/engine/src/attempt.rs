//! One attempt: list the refs, ask the sinks, deliver to those that differ.

use std::sync::Arc;

use gitbarge_core::config::{Named, Pipeline};
use gitbarge_core::{Delivery, Error, Held, Receipt, Result, Run, Sink, Target};
use gitbarge_git::remote::Remote;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::contained::contained;
use crate::record::{RunStatus, SinkRecord};

/// What all attempts of a run have come to so far.
#[derive(Default)]
pub(crate) struct Standing {
    /// What the ref means, once it has been resolved.
    pub(crate) target: Option<Target>,
    pub(crate) subject: Option<String>,
    /// Why the last attempt did not come to any sink.
    pub(crate) error: Option<Error>,
    /// How each sink ended in its last attempt, in the order of the file; empty before one came to the sinks.
    pub(crate) sinks: Vec<Option<Ended>>,
}

/// How a sink ended.
pub(crate) struct Ended {
    pub(crate) record: SinkRecord,
    pub(crate) error: Option<Error>,
    subject: Option<String>,
}

impl Standing {
    /// The errors that stand.
    pub(crate) fn errors(&self) -> impl Iterator<Item = &Error> {
        let sinks = self
            .sinks
            .iter()
            .flatten()
            .filter_map(|ended| ended.error.as_ref());
        self.error.iter().chain(sinks)
    }

    fn is_done(&self, sink: usize) -> bool {
        matches!(self.sinks.get(sink), Some(Some(ended)) if ended.error.is_none())
    }
}

/// Tries once to bring every sink that is not done yet to the remote's commit.
pub(crate) async fn attempt(pipeline: &Pipeline, run: &Run, standing: &mut Standing) {
    let open: Vec<usize> = (0..pipeline.sinks.len())
        .filter(|sink| !standing.is_done(*sink))
        .collect();
    // The sinks are asked while the remote is listed; should the listing fail, their answers do not matter.
    let (remote, held) = tokio::join!(list(pipeline, run), ask(pipeline, &open, run));
    let (remote, target) = match remote {
        Ok(listed) => listed,
        Err(error) => {
            standing.error = Some(error);
            return;
        }
    };
    standing.error = None;
    standing.target = Some(target.clone());
    standing.sinks.resize_with(pipeline.sinks.len(), || None);
    let address = pipeline.source.instance.address();
    let delivery = Delivery::new(target, remote.refs(), address, remote);
    let mut running = JoinSet::new();
    for (sink, held) in open.into_iter().zip(held) {
        let (named, delivery, run) = (
            pipeline.sinks[sink].clone(),
            delivery.clone(),
            sink_run(pipeline, sink, run),
        );
        let work = async move { (sink, bring(&named, held, &delivery, &run).await) };
        running.spawn(work.in_current_span());
    }
    while let Some(joined) = running.join_next().await {
        // Panics of plugins are contained further in.
        let Ok((sink, ended)) = joined else { continue };
        standing.subject = standing.subject.take().or_else(|| ended.subject.clone());
        standing.sinks[sink] = Some(ended);
    }
}

async fn list(pipeline: &Pipeline, run: &Run) -> Result<(Arc<Remote>, Target)> {
    let (source, reference) = (pipeline.source.instance.clone(), pipeline.reference.clone());
    let run = run.for_component("source");
    contained("listing refs", async move {
        let remote = Remote::open(&source, reference.as_ref(), &run).await?;
        let target = remote.resolve()?;
        Ok((Arc::new(remote), target))
    })
    .await
}

async fn ask(pipeline: &Pipeline, sinks: &[usize], run: &Run) -> Vec<Result<Held>> {
    let mut answers = Vec::new();
    let mut asked = Vec::new();
    for sink in sinks {
        let (instance, run) = (
            pipeline.sinks[*sink].component.instance.clone(),
            sink_run(pipeline, *sink, run),
        );
        let ask = contained(
            "reading the target",
            async move { instance.held(&run).await },
        );
        asked.push(tokio::spawn(ask.in_current_span()));
    }
    for answer in asked {
        answers.push(
            answer
                .await
                .unwrap_or_else(|join| Err(gitbarge_core::panic_error("reading the target", join))),
        );
    }
    answers
}

async fn bring(
    sink: &Named<dyn Sink>,
    held: Result<Held>,
    delivery: &Delivery,
    run: &Run,
) -> Ended {
    let target = &delivery.target;
    match held {
        Ok(held) if held.equals(target) => unchanged(sink, held),
        // A target that cannot be read may be one that a delivery repairs, or refuses with a better reason.
        _ => {
            let (instance, delivery, run) = (
                sink.component.instance.clone(),
                delivery.clone(),
                run.clone(),
            );
            let deliver = async move { instance.deliver(&delivery, &run).await };
            match contained("delivering", deliver).await {
                Ok(receipt) => delivered(sink, receipt, target),
                Err(error) => failed(sink, error),
            }
        }
    }
}

fn unchanged(sink: &Named<dyn Sink>, held: Held) -> Ended {
    let commit = held.commit.map(|id| id.to_string());
    let record = SinkRecord {
        status: RunStatus::Unchanged,
        from: commit.clone(),
        to: commit,
        details: held.details,
        ..blank(sink)
    };
    Ended {
        record,
        error: None,
        subject: held.subject,
    }
}

fn delivered(sink: &Named<dyn Sink>, receipt: Receipt, target: &Target) -> Ended {
    let record = SinkRecord {
        status: if receipt.changed {
            RunStatus::Synced
        } else {
            RunStatus::Unchanged
        },
        from: receipt.from.map(|id| id.to_string()),
        to: Some(target.commit.to_string()),
        details: receipt.details,
        ..blank(sink)
    };
    Ended {
        record,
        error: None,
        subject: receipt.subject,
    }
}

fn failed(sink: &Named<dyn Sink>, error: Error) -> Ended {
    let record = SinkRecord {
        error: Some(error.failure()),
        ..blank(sink)
    };
    Ended {
        record,
        error: Some(error),
        subject: None,
    }
}

fn blank(sink: &Named<dyn Sink>) -> SinkRecord {
    SinkRecord {
        name: sink.name.clone(),
        type_name: sink.component.type_name.to_owned(),
        status: RunStatus::Failed,
        from: None,
        to: None,
        error: None,
        details: serde_json::Map::new(),
    }
}

fn sink_run(pipeline: &Pipeline, sink: usize, run: &Run) -> Run {
    run.for_component(&format!("sink/{}", pipeline.sinks[sink].name))
}
