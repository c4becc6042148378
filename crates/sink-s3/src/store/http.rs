//! The HTTP client below object_store: counts what is sent, and ends what falls silent.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use gitbarge_core::{Error, ErrorKind, Result};
use http_body::{Body, Frame, SizeHint};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};

use super::counted::Counters;
use super::silence::{Activity, Awake, Silence};
use super::trace::{Answer, Outcome, Trace};

/// A body goes out in pieces of this size, so that progress shows on a slow line.
const PIECE: usize = 64 << 10;
/// More of an error's body is not read.
const LONGEST_ERROR: usize = 64 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A line on which nothing moves for so long is dead. A slow upload as a whole may take hours.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Those that hand out credentials are near, or not there.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(5);

/// Hands out clients that share one pool of connections.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    client: reqwest::Client,
    talks_to: Peer,
    idle: Duration,
}

#[derive(Debug, Clone)]
enum Peer {
    Store(Arc<Counters>),
    /// Whoever hands out credentials: no business of the store's figures.
    Credentials,
}

impl Connector {
    /// Reads the system's certificates: off the async workers, please.
    pub(crate) fn new(counters: Arc<Counters>, idle: Duration) -> Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("gitbarge/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "failed to set up the https client")
                    .with_source(error)
            })?;
        Ok(Self {
            client,
            talks_to: Peer::Store(counters),
            idle,
        })
    }

    /// The same client for fetching credentials.
    pub(crate) fn for_credentials(&self) -> Self {
        Self {
            talks_to: Peer::Credentials,
            idle: CREDENTIALS_TIMEOUT,
            ..self.clone()
        }
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.answer(request).await?;
        if answer.status() == http::StatusCode::NOT_IMPLEMENTED {
            // Else object_store would ask again and again for what the store does not know.
            let unknown = std::io::Error::other("not implemented");
            return Err(HttpError::new(HttpErrorKind::Unknown, unknown));
        }
        Ok(answer)
    }
}

impl Connector {
    /// What the store says, whatever it is.
    pub(crate) async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let trace = Trace::current();
        let activity = Activity::new(self.idle);
        let request = self.outgoing(request, &trace, &activity)?;
        let answer = match activity.watch(self.client.execute(request)).await {
            Ok(Ok(answer)) => http::Response::<reqwest::Body>::from(answer),
            Ok(Err(error)) => return Err(self.failed(error, &trace)),
            Err(silence) => return Err(self.silent(silence, &trace)),
        };
        let (parts, body) = answer.into_parts();
        let body = HttpResponseBody::new(Incoming {
            body,
            awake: activity.awake(),
            trace: trace.clone(),
        });
        if parts.status.is_success() {
            let status = parts.status.as_u16();
            self.note(
                &trace,
                Answer {
                    status,
                    ..Answer::default()
                },
            );
            return Ok(HttpResponse::from_parts(parts, body));
        }
        let body = beginning(body).await;
        self.note(
            &trace,
            Answer::read(parts.status.as_u16(), &parts.headers, &body),
        );
        Ok(HttpResponse::from_parts(parts, body.into()))
    }

    fn outgoing(
        &self,
        request: HttpRequest,
        trace: &Arc<Trace>,
        activity: &Activity,
    ) -> Result<reqwest::Request, HttpError> {
        let (parts, body) = request.into_parts();
        let url = reqwest::Url::parse(&parts.uri.to_string())
            .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        let counters = match &self.talks_to {
            Peer::Credentials => None,
            Peer::Store(counters) => {
                trace.attempt();
                counters.requests.fetch_add(1, Ordering::Relaxed);
                Some(counters.clone())
            }
        };
        if body.content_length() > 0 {
            *request.body_mut() = Some(reqwest::Body::wrap(Outgoing {
                body,
                rest: Bytes::new(),
                counters,
                activity: activity.clone(),
            }));
        }
        Ok(request)
    }

    fn note(&self, trace: &Trace, answer: Answer) {
        match self.talks_to {
            Peer::Store(_) => trace.note(Outcome::Answered(answer)),
            Peer::Credentials if answer.status < 400 => {}
            Peer::Credentials => {
                trace.note(Outcome::NoCredentials(format!(
                    "answered {}",
                    answer.status
                )));
            }
        }
    }

    fn failed(&self, error: reqwest::Error, trace: &Trace) -> HttpError {
        let error = error.without_url();
        let text = innermost(&error);
        let is_timeout = error.is_timeout();
        let (outcome, kind) = match self.talks_to {
            Peer::Credentials => (Outcome::NoCredentials(text), HttpErrorKind::Unknown),
            // The engine tries the whole run again; waiting for another connection here would only hide it.
            Peer::Store(_) if is_timeout => (Outcome::Silent(text), HttpErrorKind::Unknown),
            // Sent again even if the first one may have arrived: `put` finds out who won.
            Peer::Store(_) => (Outcome::Lost(text), HttpErrorKind::Request),
        };
        trace.note(outcome);
        HttpError::new(kind, error)
    }

    fn silent(&self, silence: Silence, trace: &Trace) -> HttpError {
        let (outcome, kind) = match self.talks_to {
            Peer::Credentials => (
                Outcome::NoCredentials(silence.to_string()),
                HttpErrorKind::Unknown,
            ),
            Peer::Store(_) => (Outcome::Silent(silence.to_string()), HttpErrorKind::Timeout),
        };
        trace.note(outcome);
        HttpError::new(kind, silence)
    }
}

/// The last cause says most: the others say that a request failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

async fn beginning(body: HttpResponseBody) -> Bytes {
    let mut begun = Vec::new();
    let mut stream = body.bytes_stream();
    while let Some(Ok(chunk)) = stream.next().await {
        begun.extend_from_slice(&chunk);
        if begun.len() >= LONGEST_ERROR {
            break;
        }
    }
    begun.into()
}

/// A request's body, counted as it goes out.
struct Outgoing {
    body: HttpRequestBody,
    rest: Bytes,
    counters: Option<Arc<Counters>>,
    activity: Activity,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        while self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.rest = data;
                    }
                }
                other => return other,
            }
        }
        let length = PIECE.min(self.rest.len());
        let piece = self.rest.split_to(length);
        self.activity.touch();
        if let Some(counters) = &self.counters {
            counters
                .bytes_sent
                .fetch_add(length as u64, Ordering::Relaxed);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let inner = self.body.size_hint().lower();
        SizeHint::with_exact(inner + self.rest.len() as u64)
    }
}

/// An answer's body that ends with an error when nothing comes any more.
struct Incoming {
    body: reqwest::Body,
    awake: Awake,
    trace: Arc<Trace>,
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Err(error))) => {
                let error = error.without_url();
                self.trace.note(Outcome::Lost(innermost(&error)));
                Poll::Ready(Some(Err(HttpError::new(HttpErrorKind::Interrupted, error))))
            }
            Poll::Ready(frame) => {
                self.awake.touch();
                Poll::Ready(frame.map(|frame| Ok(frame.expect("errors are above"))))
            }
            Poll::Pending => match self.awake.poll(cx) {
                Poll::Ready(silence) => {
                    self.trace.note(Outcome::Silent(silence.to_string()));
                    Poll::Ready(Some(Err(HttpError::new(HttpErrorKind::Timeout, silence))))
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
