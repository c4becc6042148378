//! What a trigger that listens hands to the daemon's listener.

use std::net::IpAddr;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use serde::Serialize;

/// A place on the daemon's listener, such as a webhook's.
///
/// The listener answers 404 for other paths, asks [`Self::screen`] before it reads a body, refuses bodies that are too large with
/// 413, and hands over the whole request then. All answers, also the listener's own, are a [`Reply`].
#[async_trait]
pub trait Endpoint: Send + Sync {
    /// What kind of sender it hears, for metrics: a webhook's provider.
    fn label(&self) -> &str;

    /// The largest body that it takes, in bytes.
    fn largest_body(&self) -> u64;

    /// Judges a request by its head, its method first, and the address that it came from; returns the sender's own address,
    /// which is another where a trusted proxy says so. Never waits.
    ///
    /// # Errors
    /// The answer to a request whose body is not to be read.
    #[expect(
        clippy::result_large_err,
        reason = "the answer is on its way to its sender"
    )]
    fn screen(&self, head: &Parts, peer: IpAddr) -> Result<IpAddr, Response<Bytes>>;

    /// Answers a request, within 100 ms whatever the engine does. `sender` is what [`Self::screen`] made of it.
    ///
    /// Dropping the future answers nothing; a run that it has asked for is run all the same.
    async fn answer(&self, request: Request<Bytes>, sender: IpAddr) -> Response<Bytes>;
}

/// What an answer says, as JSON.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Reply<'a> {
    accepted: bool,
    run: Option<&'a str>,
    reason: &'a str,
}

impl<'a> Reply<'a> {
    /// A run is asked for.
    pub fn accepted(run: &'a str, reason: &'a str) -> Self {
        let (accepted, run) = (true, Some(run));
        Self {
            accepted,
            run,
            reason,
        }
    }

    /// Nothing is asked for. The reason must not quote anything secret.
    pub fn refused(reason: &'a str) -> Self {
        let (accepted, run) = (false, None);
        Self {
            accepted,
            run,
            reason,
        }
    }

    /// The whole answer.
    pub fn with_status(self, status: StatusCode) -> Response<Bytes> {
        let body = serde_json::to_vec(&self).expect("it has no maps and nothing that fails");
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_becomes_of_the_request() {
        let accepted = Reply::accepted("7", "push to `main`").with_status(StatusCode::ACCEPTED);
        assert_eq!(accepted.status(), 202);
        let body = r#"{"accepted":true,"run":"7","reason":"push to `main`"}"#;
        assert_eq!(accepted.body(), body);
        let refused = Reply::refused("ping").with_status(StatusCode::OK);
        let body = r#"{"accepted":false,"run":null,"reason":"ping"}"#;
        assert_eq!(refused.body(), body);
    }
}
