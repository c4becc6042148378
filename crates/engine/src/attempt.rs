//! One attempt: list the refs, ask the sinks, deliver to those that differ.

use std::sync::Arc;

use gitbarge_core::config::{Named, Pipeline};
use gitbarge_core::{
    Delivery, Error, ErrorKind, Held, Receipt, Run, Sink, StateStore, Target, Wanted,
};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::alerts;
use crate::asked::{self, Asked, sink_run};
use crate::contained::contained;
use crate::listed::Listed;
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

    /// An attempt did not come to any sink. Why the one before failed says more than that this one was cut off.
    fn keep_or_fail(&mut self, error: Error) {
        if !(self.errors().next().is_some() && is_cancelled(&error)) {
            self.error = Some(error);
        }
    }

    /// Whether another attempt may help.
    pub(crate) fn can_be_helped(&self) -> bool {
        let is_passing = |error: &Error| error.kind().is_retryable();
        match &self.error {
            Some(error) => is_passing(error),
            None => self.errors().any(is_passing),
        }
    }

    /// The run was cut off: what has not ended by itself was cancelled.
    pub(crate) fn end(&mut self, pipeline: &Pipeline) {
        if self.sinks.is_empty() && self.error.is_none() {
            self.error = Some(Error::cancelled("listing refs"));
        }
        for (ended, sink) in self.sinks.iter_mut().zip(&pipeline.sinks) {
            ended.get_or_insert_with(|| failed(sink, Error::cancelled("delivering")));
        }
    }

    /// Whether a sink is done, or has failed in a way that only somebody's acting helps.
    fn is_settled(&self, sink: usize) -> bool {
        let ended = self.sinks.get(sink).and_then(Option::as_ref);
        ended.is_some_and(|ended| {
            let error = ended.error.as_ref();
            error.is_none_or(|error| !error.kind().is_retryable())
        })
    }
}

/// Tries once to bring every sink that is not settled yet to what the remote has.
pub(crate) async fn attempt(
    pipeline: &Pipeline,
    state: &Arc<dyn StateStore>,
    run: &Run,
    standing: &mut Standing,
) {
    let open = (0..pipeline.sinks.len()).filter(|sink| !standing.is_settled(*sink));
    // The sinks are asked while the remote is listed; should the listing fail, their answers do not matter.
    let mut asked: Vec<Asked> = open.map(|sink| Asked::new(pipeline, sink, run)).collect();
    asked::mirrors_first(&mut asked).await;
    let listed = match Listed::new(pipeline, run).await {
        Ok(listed) => listed,
        Err(error) => {
            standing.keep_or_fail(error);
            return;
        }
    };
    // Without the target there is work only for sinks that want refs.
    let is_lost = |asked: &Asked| listed.target.is_err() && asked.wanted == Wanted::Target;
    let lost = asked.extract_if(.., |asked| is_lost(asked)).count();
    let resolved = listed.target.clone();
    standing.target = resolved.as_ref().ok().cloned();
    standing.error = resolved.err().filter(|_| lost > 0).map(Error::from);
    if asked.is_empty() && lost > 0 {
        return;
    }
    standing.sinks.resize_with(pipeline.sinks.len(), || None);
    let mut running = JoinSet::new();
    for asked in asked {
        let (pipeline, listed, run) = (pipeline.clone(), listed.clone(), run.clone());
        let state = state.clone();
        // No sink waits for another's answer.
        let work = async move {
            let sink = asked.sink;
            (sink, bring(&pipeline, &state, asked, listed, &run).await)
        };
        running.spawn(work.in_current_span());
    }
    while let Some(joined) = running.join_next().await {
        // Panics of plugins are contained further in.
        let Ok((sink, ended)) = joined else { continue };
        standing.subject = standing.subject.take().or_else(|| ended.subject.clone());
        let has_failed = standing.sinks[sink].is_some();
        // Why the attempt before failed says more than that this one was cut off.
        if !(has_failed && ended.error.as_ref().is_some_and(is_cancelled)) {
            standing.sinks[sink] = Some(ended);
        }
    }
}

fn is_cancelled(error: &Error) -> bool {
    error.kind() == ErrorKind::Cancelled
}

async fn bring(
    pipeline: &Pipeline,
    state: &Arc<dyn StateStore>,
    asked: Asked,
    listed: Listed,
    run: &Run,
) -> Ended {
    let (sink, wanted) = (&pipeline.sinks[asked.sink], asked.wanted.clone());
    let run = sink_run(pipeline, asked.sink, run);
    let is_late = asked.is_late();
    let held = asked.answer().await;
    let listed = match is_late {
        false => listed,
        true => match Listed::new(pipeline, &run).await {
            Ok(listed) => listed,
            Err(error) => return failed(sink, error),
        },
    };
    let delivery = listed.delivery(pipeline, wanted);
    match held {
        Ok(held) if held.equals(&delivery) => unchanged(sink, held, &delivery),
        _ if run.is_cancelled() => failed(sink, Error::cancelled("reading the target")),
        // A target that cannot be read may be one that a delivery repairs, or refuses with a better reason.
        held => {
            let from = held.ok().and_then(|held| held.commit);
            let from = from.map(|id| id.to_string());
            alerts::changing(pipeline, state, from.as_deref()).await;
            let (instance, to) = (sink.component.instance.clone(), delivery.clone());
            let deliver = async move { instance.deliver(&to, &run).await };
            match contained("delivering", deliver).await {
                Ok(receipt) => delivered(sink, receipt, &delivery),
                Err(error) => failed(sink, error),
            }
        }
    }
}

fn unchanged(sink: &Named<dyn Sink>, held: Held, delivery: &Delivery) -> Ended {
    let commit = delivery.target.as_ref().map(|target| target.commit);
    let commit = commit.or(held.commit).map(|id| id.to_string());
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

fn delivered(sink: &Named<dyn Sink>, receipt: Receipt, delivery: &Delivery) -> Ended {
    let to = delivery.target.as_ref();
    let record = SinkRecord {
        status: if receipt.changed {
            RunStatus::Synced
        } else {
            RunStatus::Unchanged
        },
        from: receipt.from.map(|id| id.to_string()),
        to: to.map(|target| target.commit.to_string()),
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
