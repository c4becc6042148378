//! Probes for whoever keeps the daemon running.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use gitbarge_engine::Posted;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use crate::reply::json;
use crate::router::Shared;

/// The answer of a probe.
#[derive(Serialize)]
struct Probe {
    ready: bool,
    reason: &'static str,
    /// The names of the pipelines that are not ready.
    pipelines: Vec<String>,
}

/// `/healthz`: the process answers.
pub(crate) async fn alive() -> Response {
    #[derive(Serialize)]
    struct Alive {
        alive: bool,
    }
    json(StatusCode::OK, &Alive { alive: true })
}

/// `/readyz`: every pipeline had a success, not too long ago.
pub(crate) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let is_draining = shared.draining.is_cancelled();
    let probe = probe(&shared.watched.board().pipelines(), is_draining);
    let status = match probe.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    json(status, &probe)
}

fn probe(pipelines: &[Posted], is_draining: bool) -> Probe {
    let now = Timestamp::now();
    let late = pipelines.iter().filter(|posted| !posted.is_ready(now));
    let late: Vec<String> = late.map(|posted| posted.pipeline.name.clone()).collect();
    let reason = match () {
        () if is_draining => "the daemon is about to end",
        () if pipelines.is_empty() => "the daemon has not begun yet",
        () if !late.is_empty() => "these pipelines had no success, or none for too long",
        () => "every pipeline is in step",
    };
    Probe {
        ready: !is_draining && late.is_empty() && !pipelines.is_empty(),
        reason,
        pipelines: late,
    }
}
