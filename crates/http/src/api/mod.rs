//! The API for programs, for whoever knows its token.

mod entry;
mod view;

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use gitbarge_core::Reply;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::timeout;

pub(crate) use self::entry::{Authorized, is_served};
use self::view::{Pipelines, Runs, view};
use crate::reply::{json, refused, unavailable, with_header};
use crate::router::Shared;

/// A description of the API in OpenAPI 3.1, without the version.
const DESCRIPTION: &str = include_str!("openapi.json");

/// The name of a pipeline in a path, if it can be one.
type Name = Result<Path<String>, PathRejection>;

/// The answer where there is no API.
pub(crate) fn absent() -> Response {
    refused(StatusCode::NOT_FOUND, "there is no API without `api_token`")
}

/// `GET /api/v1/openapi.json`; it tells nothing of this daemon, so that everybody may read it.
pub(crate) async fn describe() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut description: Value = serde_json::from_str(DESCRIPTION).expect("it is JSON");
        description["info"]["version"] = env!("CARGO_PKG_VERSION").into();
        description.to_string()
    });
    let json = HeaderValue::from_static("application/json");
    with_header(Response::new(Body::from(TEXT.as_str())), CONTENT_TYPE, json)
}

/// `GET /api/v1/pipelines`
pub(crate) async fn pipelines(_: Authorized, State(shared): State<Arc<Shared>>) -> Response {
    let posted = shared.watched.board().pipelines();
    let now = Timestamp::now();
    let pipelines = posted.iter().map(|posted| view(posted, now)).collect();
    json(StatusCode::OK, &Pipelines { pipelines })
}

/// `GET /api/v1/pipelines/NAME`
pub(crate) async fn pipeline(
    _: Authorized,
    State(shared): State<Arc<Shared>>,
    name: Name,
) -> Response {
    let posted = name
        .ok()
        .and_then(|Path(name)| shared.watched.board().pipeline(&name));
    match posted {
        Some(posted) => json(StatusCode::OK, &view(&posted, Timestamp::now())),
        None => unknown(),
    }
}

/// `GET /api/v1/pipelines/NAME/runs`: those of earlier processes too, the newest first.
pub(crate) async fn runs(_: Authorized, State(shared): State<Arc<Shared>>, name: Name) -> Response {
    let board = shared.watched.board();
    let Some(name) = name
        .ok()
        .map(|Path(name)| name)
        .filter(|name| board.has(name))
    else {
        return unknown();
    };
    match timeout(shared.limits.store, board.runs(&name)).await {
        Ok(Ok(mut runs)) => {
            runs.reverse();
            json(StatusCode::OK, &Runs { runs })
        }
        Ok(Err(error)) => {
            let error = error.failure().message;
            tracing::error!(pipeline = name, error, "The history cannot be read.");
            unavailable("the history cannot be read")
        }
        Err(_) => unavailable("the history was not read in time"),
    }
}

/// `POST /api/v1/pipelines/NAME/sync`
pub(crate) async fn sync(_: Authorized, State(shared): State<Arc<Shared>>, name: Name) -> Response {
    let requested = name
        .ok()
        .and_then(|Path(name)| shared.watched.board().request(&name));
    match requested {
        Some(ticket) => Reply::accepted(ticket.id(), "asked for by the API")
            .with_status(StatusCode::ACCEPTED)
            .map(Body::from),
        None => unknown(),
    }
}

fn unknown() -> Response {
    refused(StatusCode::NOT_FOUND, "there is no such pipeline")
}
