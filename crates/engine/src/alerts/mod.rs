//! What is told, to whom, and how often. Decided here, so that all alerters suppress alike.

mod fault;
mod ledger;
mod outbox;
mod send;
mod store;

use std::sync::{Arc, OnceLock};

use gitbarge_core::config::{AlertRoute, Occasion, Pipeline};
use gitbarge_core::{ErrorKind, Result, StateStore};
use jiff::Timestamp;

use crate::{RunRecord, RunStatus};
use ledger::{Route, Subject};

pub(crate) use outbox::Pace;
pub(crate) use send::{Routes, Sending, routes, tell};

/// Notes down that a run begins to change a target that stands at `from`: a process that is killed then has not told of it.
pub(crate) async fn changing(pipeline: &Pipeline, state: &Arc<dyn StateStore>, from: Option<&str>) {
    let hears = |route: &AlertRoute| route.on.contains(&Occasion::Synced);
    if !pipeline.alerters.iter().any(hears) {
        return;
    }
    let noted = store::update(state, &pipeline.name, |ledger| {
        ledger.changing(from, process());
    });
    if let Err(error) = noted.await {
        let error = error.failure().message;
        tracing::warn!(error, "A crash in this run might leave its commit untold.");
    }
}

/// Tells this process from others, also from those of earlier boots and other machines.
fn process() -> u64 {
    static PROCESS: OnceLock<u64> = OnceLock::new();
    *PROCESS.get_or_init(|| fastrand::Rng::new().u64(..))
}

/// Takes the result of a run into account: what is to be told is put into the outbox.
///
/// It is called under the pipeline's lease, or for a run that did not get it.
pub(crate) async fn decide(
    pipeline: &Pipeline,
    state: &Arc<dyn StateStore>,
    record: &RunRecord,
) -> Result<()> {
    let cancelled = record
        .failures()
        .any(|(_, failure)| failure.kind == ErrorKind::Cancelled);
    if pipeline.alerters.is_empty() || cancelled {
        return Ok(());
    }
    let now = Timestamp::now();
    let routes: Vec<Route> = pipeline
        .alerters
        .iter()
        .map(|route| Route::of(route, now))
        .collect();
    let subject = Subject {
        pipeline: pipeline.name.clone(),
        repository: pipeline.source.instance.address().to_string(),
        reference: record
            .reference
            .clone()
            .or_else(|| pipeline.reference.as_ref().map(ToString::to_string)),
        commit: record.to.clone(),
    };
    store::update(state, &pipeline.name, |ledger| {
        if let Some((_, last)) = record.failures().last() {
            ledger.run_failed(last, now);
            for (sink, failure) in record.failures() {
                ledger.failed(&subject, sink, failure, &routes, now);
            }
        } else {
            ledger.succeeded(&subject, &routes, now);
            let has_changed = record.status == RunStatus::Synced;
            let from = has_changed.then_some(record.from.as_deref());
            ledger.synced(&subject, from, &routes, now);
        }
        ledger.bound(&routes);
    })
    .await
}
