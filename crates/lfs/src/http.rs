//! Requests: bounded in time, tried again where that helps, and careful with credentials.

use std::time::Duration;

use bytes::Bytes;
use gitbarge_core::{Error, ErrorKind, Network, Result, Run, retry_after};
use gitbarge_http_client::{builder, server};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Client, Method, Response, StatusCode, Url};
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::hosts::Hosts;

/// How often a request is sent again after the server has failed or asked to slow down.
const RETRIES: u32 = 3;
/// Doubled with each try.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A server that asks for more is left to the engine, which has more time.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
const MOST_REDIRECTS: usize = 5;

/// Sends requests; redirects are followed here, for the client would take credentials along.
pub(crate) struct Http {
    client: OnceCell<Client>,
    network: Network,
    hosts: Hosts,
    connect_timeout: Duration,
    pub(crate) idle_timeout: Duration,
}

/// What is sent.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// Go to every server that the request is led to.
    pub(crate) headers: HeaderMap,
    /// Go to the URL's own server only. Others get at most what the configuration has for them.
    pub(crate) credentials: HeaderMap,
    pub(crate) body: Bytes,
}

impl Http {
    pub(crate) fn new(
        network: Network,
        hosts: Hosts,
        connect_timeout: Duration,
        idle_timeout: Duration,
    ) -> Self {
        Self {
            client: OnceCell::new(),
            network,
            hosts,
            connect_timeout,
            idle_timeout,
        }
    }

    /// Sends a request and waits for the head of the answer, whatever its status.
    ///
    /// # Errors
    /// `unreachable`, `timeout`, `cancelled`; `protocol` if redirects lead nowhere.
    pub(crate) async fn send(&self, request: &Request, run: &Run) -> Result<Response> {
        let mut tries = 0;
        loop {
            let response = self.follow(request, run).await?;
            let status = response.status();
            if tries == RETRIES || !may_pass(status) {
                return Ok(response);
            }
            let asked = retry_after(response.headers());
            let pause = asked.unwrap_or_else(|| pause(tries));
            if pause > LONGEST_PAUSE {
                return Ok(response);
            }
            debug!(status = status.as_u16(), ?pause, "Request is tried again.");
            drop(response);
            tokio::select! {
                biased;
                () = run.cancelled() => return Err(cancelled()),
                () = sleep(pause) => {}
            }
            tries += 1;
        }
    }

    async fn follow(&self, request: &Request, run: &Run) -> Result<Response> {
        let mut url = request.url.clone();
        let mut headers = request.headers.clone();
        headers.extend(request.credentials.clone());
        for _ in 0..=MOST_REDIRECTS {
            let response = self.once(request, &url, &headers, run).await?;
            let Some(next) = redirected(&response, &url)? else {
                return Ok(response);
            };
            if next.origin() != url.origin() {
                headers.clone_from(&request.headers);
                headers.extend(self.hosts.of(&next));
            }
            url = next;
        }
        let message = format!("{} redirects again and again", host(&url));
        Err(Error::new(ErrorKind::Protocol, message))
    }

    async fn once(
        &self,
        request: &Request,
        url: &Url,
        headers: &HeaderMap,
        run: &Run,
    ) -> Result<Response> {
        let client = self.client(run).await?;
        let sending = client
            .request(request.method.clone(), url.clone())
            .headers(headers.clone())
            .body(request.body.clone())
            .send();
        let host = host(url);
        let limit = self.connect_timeout + self.idle_timeout;
        let answer = within(limit, sending, &host, run).await?;
        answer.map_err(|error| unanswered(error, &host))
    }

    /// Made on first use, and off the async workers: it reads the system's certificates.
    async fn client(&self, run: &Run) -> Result<&Client> {
        let connect_timeout = self.connect_timeout;
        let make = || {
            let network = self.network.clone();
            run.blocking("reading the system's certificates", move |_| {
                new_client(&network, connect_timeout)
            })
        };
        self.client.get_or_try_init(make).await
    }
}

/// The server of a URL, in quotes: all of it that may be shown.
pub(crate) fn host(url: &Url) -> String {
    format!("`{}`", server(url))
}

/// Waits for a server, but no longer than `limit`.
///
/// # Errors
/// `timeout`, `cancelled`.
pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = T>,
    host: &str,
    run: &Run,
) -> Result<T> {
    tokio::select! {
        biased;
        () = run.cancelled() => Err(cancelled()),
        done = timeout(limit, work) => done.map_err(|_| {
            Error::new(ErrorKind::Timeout, format!("{host} said nothing for {limit:?}"))
        }),
    }
}

/// The answer broke off.
pub(crate) fn lost(error: reqwest::Error, host: &str) -> Error {
    let message = format!("the connection to {host} was lost");
    Error::new(ErrorKind::Unreachable, message).with_source(error.without_url())
}

fn cancelled() -> Error {
    Error::cancelled("bringing LFS objects")
}

fn unanswered(error: reqwest::Error, host: &str) -> Error {
    let (kind, what) = if error.is_timeout() {
        (ErrorKind::Timeout, "did not answer in time")
    } else {
        (ErrorKind::Unreachable, "could not be reached")
    };
    Error::new(kind, format!("{host} {what}")).with_source(error.without_url())
}

/// Whether the same request may be answered otherwise a moment later.
fn may_pass(status: StatusCode) -> bool {
    let is_final = status == StatusCode::NOT_IMPLEMENTED;
    status == StatusCode::TOO_MANY_REQUESTS || (status.is_server_error() && !is_final)
}

/// Full jitter, so that many clients do not come back at once.
fn pause(tries: u32) -> Duration {
    FIRST_PAUSE * 2_u32.pow(tries).saturating_mul(fastrand::u32(1..=100)) / 100
}

/// Where the answer sends the request. As in git-lfs, the method stays what it was.
fn redirected(response: &Response, from: &Url) -> Result<Option<Url>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let to = response.headers().get(LOCATION);
    let to = to.and_then(|to| from.join(to.to_str().ok()?).ok());
    let refused = |why| {
        let message = format!("{} redirects {why}", host(from));
        Err(Error::new(ErrorKind::Protocol, message))
    };
    match to {
        Some(to) if from.scheme() == "https" && to.scheme() == "http" => {
            refused("from https to http")
        }
        Some(to) if matches!(to.scheme(), "http" | "https") && to.has_host() => Ok(Some(to)),
        _ => refused("to no http(s) URL"),
    }
}

fn new_client(network: &Network, connect_timeout: Duration) -> Result<Client> {
    let builder = builder(network)?.connect_timeout(connect_timeout);
    builder.build().map_err(|error| {
        Error::new(ErrorKind::Internal, "failed to set up the https client").with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        for tries in 0..RETRIES {
            let pause = pause(tries);
            assert!(pause > Duration::ZERO && pause <= FIRST_PAUSE * 2_u32.pow(tries));
        }
    }

    #[test]
    fn what_cannot_change_is_not_tried_again() {
        let passing = |status| may_pass(StatusCode::from_u16(status).unwrap());
        assert!([429, 500, 502, 503, 504, 509].into_iter().all(passing));
        assert!(
            ![200, 302, 401, 403, 404, 410, 422, 501]
                .into_iter()
                .any(passing)
        );
    }
}
