//! Requests for what triggers have mounted, and for what nobody has.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use gitbarge_core::Endpoint;
use http::request::Parts;
use http::{Request, StatusCode};
use tokio::time::timeout;

use crate::body::{self, Fault};
use crate::connection::Peer;
use crate::reply::{refused, unavailable};
use crate::router::{Route, Shared};

/// Answers at the path of a trigger; 404 at any other.
pub(crate) async fn dispatch(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request<Body>,
) -> Response {
    let (head, mut body) = request.into_parts();
    let Some(endpoint) = shared.watched.board().endpoint(head.uri.path()) else {
        body::linger(body, &head);
        return refused(StatusCode::NOT_FOUND, "there is nothing at this path");
    };
    let label = endpoint.label().to_owned();
    let answer = answer(&shared, endpoint, head, &mut body, peer);
    let mut response = match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(response) => response,
        Err(_) => broken(),
    };
    let deliveries = &shared.watched.metrics().deliveries;
    let outcome = outcome(response.status());
    deliveries.with_label_values(&[&label[..], outcome]).inc();
    response.extensions_mut().insert(Route("hook"));
    response
}

/// In the order of what a request must not even begin to cost: method, sender, size, and only then what the body says.
async fn answer(
    shared: &Shared,
    endpoint: Arc<dyn Endpoint>,
    head: Parts,
    body: &mut Body,
    peer: IpAddr,
) -> Response {
    let limits = &shared.limits;
    let sender = match endpoint.screen(&head, peer) {
        Ok(sender) => sender,
        Err(response) => {
            body::linger(std::mem::take(body), &head);
            return response.map(Body::from);
        }
    };
    let mut share = shared.bodies.share(sender);
    let read = body::read(body, endpoint.largest_body(), &mut share, limits).await;
    let content = match read {
        Ok(content) => content,
        Err(fault) => {
            if fault != Fault::Broken {
                body::linger(std::mem::take(body), &head);
            }
            return unread(&fault);
        }
    };
    let request: Request<Bytes> = Request::from_parts(head, content);
    match timeout(limits.answer, endpoint.answer(request, sender)).await {
        Ok(response) => response.map(Body::from),
        Err(_) => unavailable("there was no answer in time"),
    }
}

fn unread(fault: &Fault) -> Response {
    match fault {
        Fault::TooLarge => refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
        Fault::NoRoom => unavailable("too many bodies are being received"),
        Fault::TooSlow => refused(StatusCode::REQUEST_TIMEOUT, "the body came too slowly"),
        Fault::Broken => refused(
            StatusCode::BAD_REQUEST,
            "the body is not what its head says",
        ),
    }
}

fn broken() -> Response {
    tracing::error!("An endpoint has panicked.");
    refused(StatusCode::INTERNAL_SERVER_ERROR, "this is a defect")
}

/// What became of a delivery, in few words, for metrics.
fn outcome(status: StatusCode) -> &'static str {
    match status.as_u16() {
        202 => "accepted",
        200..=299 => "ignored",
        400 => "malformed",
        401 => "unproven",
        403 => "forbidden",
        405 => "method",
        408 => "slow",
        413 => "too_large",
        429 => "limited",
        503 => "overloaded",
        _ => "failed",
    }
}
