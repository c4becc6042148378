//! Sends one operation's requests, and waits for their answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gitbarge_core::{Error, ErrorKind, Network, Result, Service};
use gitbarge_http_client::{builder, is_closed, lost, server, unanswered};
use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use tokio::time::timeout;
use tracing::debug;

use crate::answer::{Expected, judge};
use crate::credentials::Headers;
use crate::redirect::{INFO_REFS, MOST_REDIRECTS, follow};

/// Some servers serve git only to programs that begin so.
const USER_AGENT: &str = concat!("git/2.0 (gitbarge ", env!("CARGO_PKG_VERSION"), ")");
const GIT_PROTOCOL: &str = "git-protocol";
const VERSION_2: &str = "version=2";

/// Makes the client that keeps the source's connections. It reads the system's certificates: not for async workers.
///
/// # Errors
/// `config` if a certificate, key or proxy cannot be used.
pub(crate) fn new_client(network: &Network, connect_timeout: Duration) -> Result<Client> {
    let builder = builder(network)?
        .user_agent(USER_AGENT)
        .connect_timeout(connect_timeout);
    builder.build().map_err(|error| {
        let is_ours = network.ca.is_some() || network.identity.is_some();
        let kind = match is_ours {
            true => ErrorKind::Config,
            false => ErrorKind::Internal,
        };
        Error::new(kind, "failed to set up the http client").with_source(error.without_url())
    })
}

/// The same for a server beside this machine, which is asked without a proxy and a certificate.
pub(crate) fn new_direct_client(network: &Network, connect_timeout: Duration) -> Result<Client> {
    let near = Network {
        ca: network.ca.clone(),
        ..Network::default()
    };
    let builder = builder(&near)?.no_proxy().connect_timeout(connect_timeout);
    builder.build().map_err(|error| {
        Error::new(ErrorKind::Internal, "failed to set up the http client").with_source(error)
    })
}

/// What the requests of one operation have in common.
pub(crate) struct Caller {
    pub(crate) client: Client,
    pub(crate) headers: Headers,
    /// What to do when these headers are not enough.
    pub(crate) hint: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    /// Whether a server has answered 401.
    pub(crate) was_unknown: AtomicBool,
}

impl Caller {
    /// Asks for the service, and returns where the repository is, after redirects, and the answer.
    ///
    /// # Errors
    /// `auth_failed`, `remote_missing`, `unreachable`, `timeout`, `protocol`, `config`.
    pub(crate) async fn discover(&self, base: &Url, service: Service) -> Result<(Url, Response)> {
        let mut base = base.clone();
        for _ in 0..=MOST_REDIRECTS {
            let mut asked = base.clone();
            asked.set_path(&format!("{}{INFO_REFS}", base.path().trim_end_matches('/')));
            asked.set_query(Some(&format!("service={}", service.as_str())));
            let request = self
                .client
                .get(asked.clone())
                .header(CACHE_CONTROL, "no-cache")
                .header(GIT_PROTOCOL, VERSION_2);
            let patience = self.connect_timeout + self.idle_timeout;
            let answer = self.send(request, &base, patience).await?;
            let location = answer
                .headers()
                .get(LOCATION)
                .filter(|_| answer.status().is_redirection());
            match location {
                Some(location) => {
                    let location = String::from_utf8_lossy(location.as_bytes());
                    base = follow(&asked, &location, |to| self.headers.trust(to))?;
                }
                None => {
                    let expected = Expected::Advertisement(service);
                    let answer = judge(answer, &base, expected, self).await?;
                    return Ok((base, answer));
                }
            }
        }
        let message = format!("`{base}` redirects more than {MOST_REDIRECTS} times");
        Err(Error::new(ErrorKind::Protocol, message))
    }

    /// Sends a request of the service's protocol.
    ///
    /// # Errors
    /// As [`Caller::discover`].
    pub(crate) async fn post(
        &self,
        base: &Url,
        service: Service,
        speaks_v2: bool,
        body: Vec<u8>,
    ) -> Result<Response> {
        let mut url = base.clone();
        let path = base.path().trim_end_matches('/');
        url.set_path(&format!("{path}/{}", service.as_str()));
        let name = service.as_str();
        let mut request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, format!("application/x-{name}-request"))
            .header(ACCEPT, format!("application/x-{name}-result"));
        if speaks_v2 {
            request = request.header(GIT_PROTOCOL, VERSION_2);
        }
        let answer = self.send(request.body(body), base, self.idle_timeout);
        judge(answer.await?, base, Expected::Result(service), self).await
    }

    /// The next part of an answer; `None` at its end.
    ///
    /// # Errors
    /// `unreachable`, `timeout`.
    pub(crate) async fn next_part(
        &self,
        answer: &mut Response,
        received: u64,
    ) -> Result<Option<Bytes>> {
        let part = timeout(self.idle_timeout, answer.chunk()).await;
        let server = server(answer.url());
        match part {
            Ok(part) => part.map_err(|error| lost(error, &server, received)),
            Err(_) => {
                let idle = self.idle_timeout;
                let message =
                    format!("`{server}` said nothing for {idle:?}, after {received} bytes");
                Err(Error::new(ErrorKind::Timeout, message))
            }
        }
    }

    async fn send(
        &self,
        request: RequestBuilder,
        base: &Url,
        patience: Duration,
    ) -> Result<Response> {
        let request = request.headers(self.headers.of(base));
        let answered = match timeout(patience, send_on_open_connection(request)).await {
            Ok(answer) => {
                answer.map_err(|error| unanswered(&error, &server(base), self.connect_timeout))
            }
            Err(_) => {
                let message = format!("`{}` did not answer within {patience:?}", server(base));
                Err(Error::new(ErrorKind::Timeout, message))
            }
        }?;
        let is_unknown = answered.status() == StatusCode::UNAUTHORIZED;
        self.was_unknown.fetch_or(is_unknown, Ordering::Relaxed);
        Ok(answered)
    }
}

/// A server may close a kept connection just when a request is on its way; reading asks for nothing that must not be asked twice.
async fn send_on_open_connection(request: RequestBuilder) -> reqwest::Result<Response> {
    let again = request.try_clone();
    match (request.send().await, again) {
        (Err(error), Some(again)) if is_closed(&error) => {
            debug!("The connection was closed; asking again.");
            again.send().await
        }
        (answered, _) => answered,
    }
}
