//! The listener's own answers.

use axum::body::Body;
use axum::response::Response;
use gitbarge_core::Reply;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

/// An answer that nothing was done, and why.
pub(crate) fn refused(status: StatusCode, reason: &str) -> Response {
    Reply::refused(reason).with_status(status).map(Body::from)
}

/// An answer that it would be well to ask again in a second.
pub(crate) fn unavailable(reason: &str) -> Response {
    let response = refused(StatusCode::SERVICE_UNAVAILABLE, reason);
    with_header(response, RETRY_AFTER, HeaderValue::from_static("1"))
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_vec(body).expect("results have no keys but strings");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    with_header(response, CONTENT_TYPE, json)
}

/// An answer with one header more.
pub(crate) fn with_header(
    mut response: Response,
    name: HeaderName,
    value: HeaderValue,
) -> Response {
    response.headers_mut().insert(name, value);
    response
}
