//! A stand-in for Slack's incoming webhooks, as strict about its limits as the real one.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::watch;

use crate::alerter::{Mood, Receiver};
use crate::serving::Serving;

/// What stands in the webhook's URL and must never show up in a message, a log or an error.
pub const WEBHOOK_SECRET: &str = "T000/B000/slacksecret42";

/// A server on the loopback interface that takes messages as Slack does; it ends when dropped.
pub struct SlackServer {
    shared: Arc<Shared>,
    serving: Serving,
}

/// How the server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// `200 ok`, unless the payload breaks Slack's limits: then `400 invalid_blocks`.
    Ok,
    /// This status, with this body.
    Status(u16, &'static str),
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
    /// Its path.
    pub path: String,
    /// The status that answered it; `None` if nothing did.
    pub status: Option<u16>,
    /// Its body, if it was JSON.
    pub payload: Option<Value>,
}

struct Shared {
    answer: Mutex<Answer>,
    received: watch::Sender<Vec<Received>>,
}

impl SlackServer {
    /// Starts a server that answers [`Answer::Ok`].
    ///
    /// # Panics
    /// If the loopback interface has no free port.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared {
            answer: Mutex::new(Answer::Ok),
            received: watch::Sender::default(),
        });
        let router = Router::new().fallback(receive).with_state(shared.clone());
        let serving = Serving::start(router).await;
        Self { shared, serving }
    }

    /// The URL to post to.
    pub fn webhook_url(&self) -> String {
        format!("http://{}/services/{WEBHOOK_SECRET}", self.serving.address)
    }

    /// Sets how the next requests are answered.
    pub fn answer(&self, answer: Answer) {
        let mut current = self
            .shared
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *current = answer;
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.borrow().clone()
    }

    /// The payloads that were answered with 200.
    pub fn payloads(&self) -> Vec<Value> {
        let taken = self.received().into_iter();
        taken
            .filter(|request| request.status == Some(200))
            .filter_map(|request| request.payload)
            .collect()
    }

    /// Waits until a request satisfies `wanted`.
    ///
    /// # Panics
    /// If the server has ended.
    pub async fn until(&self, wanted: impl Fn(&Received) -> bool) {
        let mut received = self.shared.received.subscribe();
        let found = received.wait_for(|all| all.iter().any(&wanted)).await;
        found.expect("the server is up");
    }
}

impl Receiver for SlackServer {
    fn taken(&self) -> Vec<String> {
        let payloads = self.payloads().into_iter();
        payloads
            .map(|payload| {
                limits(&payload)
                    .expect("was checked when it came")
                    .join("\n")
            })
            .collect()
    }

    fn set_mood(&self, mood: Mood) {
        self.answer(match mood {
            Mood::Takes => Answer::Ok,
            Mood::Refuses => Answer::Status(500, "no"),
            Mood::Hangs => Answer::Hang,
        });
    }

    async fn hanging(&self) {
        self.until(|request| request.status.is_none()).await;
    }
}

/// Checks a payload against Slack's limits, and returns all its texts.
///
/// Limits: <https://docs.slack.dev/reference/block-kit/blocks>.
///
/// # Errors
/// The limit that it breaks.
pub fn limits(payload: &Value) -> Result<Vec<String>, String> {
    let text = payload["text"].as_str().unwrap_or_default();
    within("text", text, 40_000)?;
    let mut texts = vec![text.to_owned()];
    let empty = Vec::new();
    let blocks = payload["blocks"].as_array().unwrap_or(&empty);
    if blocks.len() > 50 {
        return Err(format!("{} blocks", blocks.len()));
    }
    for block in blocks {
        let kind = block["type"].as_str().unwrap_or_default();
        let longest = if kind == "header" { 150 } else { 3_000 };
        let of = |list: &str| block[list].as_array().cloned().unwrap_or_default();
        if of("fields").len() > 10 || of("elements").len() > 10 {
            return Err(format!("too many parts in a {kind} block"));
        }
        let parts = std::iter::once((block["text"].clone(), longest))
            .chain(of("fields").into_iter().map(|field| (field, 2_000)))
            .chain(of("elements").into_iter().map(|element| (element, 3_000)));
        for (part, longest) in parts {
            if let Some(text) = part["text"].as_str() {
                within(kind, text, longest)?;
                texts.push(text.to_owned());
            }
        }
    }
    Ok(texts)
}

fn within(what: &str, text: &str, longest: usize) -> Result<(), String> {
    match text.encode_utf16().count() {
        0 => Err(format!("an empty {what}")),
        count if count > longest => Err(format!("{count} characters in a {what}")),
        _ => Ok(()),
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: axum::http::Uri,
    body: Bytes,
) -> Response {
    let payload: Option<Value> = serde_json::from_slice(&body).ok();
    let answer = shared
        .answer
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let posted = method == Method::POST;
    let answer = match payload.as_ref().map(limits) {
        None | Some(Err(_)) if posted && answer == Answer::Ok => {
            Answer::Status(400, "invalid_blocks")
        }
        _ => answer,
    };
    let response = respond(&answer);
    let received = Received {
        method: method.to_string(),
        path: uri.path().to_owned(),
        status: response.as_ref().map(|response| response.status().as_u16()),
        payload,
    };
    shared.received.send_modify(|all| all.push(received));
    match response {
        Some(response) => response,
        None => std::future::pending().await,
    }
}

fn respond(answer: &Answer) -> Option<Response> {
    let with = |status, name, value: &str| {
        let value = value.parse().expect("a header's value");
        let headers = HeaderMap::from_iter([(name, value)]);
        (status, headers, "no").into_response()
    };
    match answer {
        Answer::Ok => Some("ok".into_response()),
        Answer::Status(status, body) => {
            let status = StatusCode::from_u16(*status).expect("a status");
            Some((status, *body).into_response())
        }
        Answer::SlowDown(wait) => Some(with(
            StatusCode::TOO_MANY_REQUESTS,
            header::RETRY_AFTER,
            wait,
        )),
        Answer::Redirect(to) => Some(with(StatusCode::FOUND, header::LOCATION, to)),
        Answer::Hang => None,
    }
}
