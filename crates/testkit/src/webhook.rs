//! A receiver of messages over HTTP, which notes down everything.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::alerter::{Mood, Receiver};

/// A server on the loopback interface that takes whatever is sent to it; it ends when dropped.
pub struct HookServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// How the server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This status; its body repeats the request's path.
    Status(u16),
    /// `200`, with this body.
    Text(String),
    /// `429`, with this `Retry-After`.
    SlowDown(&'static str),
    /// A redirect to this address.
    Redirect(String),
    /// Not at all.
    Hang,
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// The status that answered it; `None` if nothing did.
    pub status: Option<u16>,
}

struct Shared {
    answer: Mutex<Answer>,
    received: watch::Sender<Vec<Received>>,
}

impl HookServer {
    /// Starts a server that answers 204.
    ///
    /// # Panics
    /// If the loopback interface has no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("the loopback interface has free ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            answer: Mutex::new(Answer::Status(204)),
            received: watch::Sender::default(),
        });
        let router = Router::new().fallback(receive).with_state(shared.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("serves until it is dropped");
        });
        Self {
            address,
            shared,
            serving,
        }
    }

    /// Its URL, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets how the next requests are answered.
    pub fn answer(&self, answer: Answer) {
        let current = self.shared.answer.lock();
        *current.unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.borrow().clone()
    }

    /// Waits until the requests so far satisfy `wanted`.
    ///
    /// # Panics
    /// If the server has ended.
    pub async fn until(&self, wanted: impl FnMut(&Vec<Received>) -> bool) {
        let mut received = self.shared.received.subscribe();
        let found = received.wait_for(wanted).await;
        found.expect("the server is up");
    }
}

impl Drop for HookServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Received {
    /// A header's text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// Whether it was answered with a 2xx.
    pub fn is_taken(&self) -> bool {
        self.status
            .is_some_and(|status| (200..300).contains(&status))
    }
}

impl Receiver for HookServer {
    fn taken(&self) -> Vec<String> {
        let taken = self.received().into_iter().filter(Received::is_taken);
        taken
            .filter(|request| request.method != "HEAD")
            .map(|request| String::from_utf8_lossy(&request.body).into_owned())
            .collect()
    }

    fn set_mood(&self, mood: Mood) {
        self.answer(match mood {
            Mood::Takes => Answer::Status(204),
            Mood::Refuses => Answer::Status(500),
            Mood::Hangs => Answer::Hang,
        });
    }

    async fn hanging(&self) {
        self.until(|all| all.iter().any(|request| request.status.is_none()))
            .await;
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = shared.answer.lock();
    let answer = answer.unwrap_or_else(PoisonError::into_inner).clone();
    let path = uri.path_and_query().map(ToString::to_string);
    let path = path.unwrap_or_default();
    let response = respond(&answer, &path);
    let received = Received {
        method: method.to_string(),
        path,
        headers,
        body,
        status: response.as_ref().map(|response| response.status().as_u16()),
    };
    shared.received.send_modify(|all| all.push(received));
    match response {
        Some(response) => response,
        None => std::future::pending().await,
    }
}

fn respond(answer: &Answer, path: &str) -> Option<Response> {
    Some(match answer {
        Answer::Status(status) => {
            let status = StatusCode::from_u16(*status).expect("a status");
            (status, path.to_owned()).into_response()
        }
        Answer::Text(text) => text.clone().into_response(),
        Answer::SlowDown(wait) => {
            let wait = [(header::RETRY_AFTER, *wait)];
            (StatusCode::TOO_MANY_REQUESTS, wait).into_response()
        }
        Answer::Redirect(to) => {
            let to = [(header::LOCATION, to.clone())];
            (StatusCode::FOUND, to).into_response()
        }
        Answer::Hang => return None,
    })
}
