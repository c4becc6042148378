//! What is told, to whom, and how often. Decided here, so that all alerters suppress alike.

mod fault;
mod ledger;
mod outbox;
mod send;
mod store;

use std::sync::Arc;

use gitbarge_core::config::Pipeline;
use gitbarge_core::{ErrorKind, Result, StateStore};
use jiff::Timestamp;

use crate::RunRecord;
use ledger::{Route, Subject};

pub(crate) use outbox::Pace;
pub(crate) use send::{Routes, flush, routes, tell};

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
        }
        ledger.bound(&routes);
    })
    .await
}
