//! A mounted endpoint, and what forges send to it.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use bytes::Bytes;
use gitbarge_core::config::RefName;
use gitbarge_core::{Asked, Endpoint, Listening, Requests, Run, Secret, StateStore, Trigger};
use gitbarge_testkit::memory::MemoryState;
use gitbarge_trigger_webhook::{Provider, Secrets, WebhookTrigger};
use http::{HeaderName, HeaderValue, Request};
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::log;

pub(crate) const SECRET: &str = "Sup3r größer than a guess";

/// What a listener and an engine have of a webhook of the pipeline `site`, whose ref is `main`.
pub(crate) struct Lab {
    pub(crate) endpoint: Arc<dyn Endpoint>,
    pub(crate) asked: Asked,
    pub(crate) run: Run,
    pub(crate) trigger: WebhookTrigger,
}

/// A delivery.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What it was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) reason: String,
    run: Option<String>,
}

impl Lab {
    pub(crate) fn new(provider: Provider) -> Self {
        Self::of(WebhookTrigger::new(
            provider,
            &Secrets::new([Secret::literal(SECRET)]),
        ))
    }

    pub(crate) fn of(trigger: WebhookTrigger) -> Self {
        Self::with_state(trigger, Arc::new(MemoryState::new()))
    }

    pub(crate) fn with_state(trigger: WebhookTrigger, state: Arc<dyn StateStore>) -> Self {
        log::listen();
        let (requests, asked) = Requests::channel();
        let run = Run::new("site", state, CancellationToken::new()).for_component("trigger/push");
        let listening = Listening {
            pipeline: "site".to_owned(),
            reference: Some(RefName::new("main").expect("tests send what is valid")),
            requests,
            run: run.clone(),
        };
        Self {
            endpoint: trigger
                .endpoint(listening)
                .expect("tests send what is valid"),
            asked,
            run,
            trigger,
        }
    }

    pub(crate) async fn send(&self, delivery: &Delivery) -> Answer {
        self.send_from("192.0.2.1", delivery).await
    }

    /// As the listener does: screened, then answered.
    pub(crate) async fn send_from(&self, peer: &str, delivery: &Delivery) -> Answer {
        let (head, body) = delivery.request().into_parts();
        let peer: IpAddr = peer.parse().expect("tests send what is valid");
        let response = match self.endpoint.screen(&head, peer) {
            Ok(sender) => {
                self.endpoint
                    .answer(Request::from_parts(head, body), sender)
                    .await
            }
            Err(response) => response,
        };
        let json: Value =
            serde_json::from_slice(response.body()).expect("tests send what is valid");
        let retry_after = response.headers().get("retry-after");
        let answer = Answer {
            status: response.status().as_u16(),
            retry_after: retry_after.map(|value| {
                value
                    .to_str()
                    .expect("tests send what is valid")
                    .parse()
                    .expect("tests send what is valid")
            }),
            reason: json["reason"]
                .as_str()
                .expect("tests send what is valid")
                .to_owned(),
            run: json["run"].as_str().map(str::to_owned),
        };
        assert!(!answer.reason.is_empty() && !answer.reason.contains(char::is_control));
        assert_eq!(json["accepted"], answer.status == 202);
        assert_eq!(answer.run.is_some(), answer.status == 202);
        assert!(!String::from_utf8_lossy(response.body()).contains(SECRET));
        answer
    }

    /// Sends what must ask for a run.
    pub(crate) async fn accepted(&mut self, delivery: &Delivery) {
        let answer = self.send(delivery).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert!(self.asked.is_waiting());
        self.asked.next().await;
        self.asked.end(true);
    }

    /// Sends what must not ask for a run.
    pub(crate) async fn refused(&self, delivery: &Delivery, status: u16) -> Answer {
        let answer = self.send(delivery).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(!self.asked.is_waiting(), "{answer:?}");
        answer
    }
}

impl Delivery {
    pub(crate) fn new(headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            headers: headers.iter().map(own).collect(),
            body: body.into(),
        }
    }

    /// The same with another value of a header.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.without(name);
        other.headers.push((name.to_owned(), value.to_owned()));
        other
    }

    /// The same with one more value of a header.
    pub(crate) fn and(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.push((name.to_owned(), value.to_owned()));
        other
    }

    pub(crate) fn without(&self, name: &str) -> Self {
        let mut other = self.clone();
        other
            .headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        other
    }

    /// The same headers with another body.
    pub(crate) fn saying(&self, body: impl Into<Vec<u8>>) -> Self {
        let mut other = self.clone();
        other.body = body.into();
        other
    }

    pub(crate) fn request(&self) -> Request<Bytes> {
        let mut request = Request::post("/hooks/site")
            .body(Bytes::from(self.body.clone()))
            .expect("tests send what is valid");
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("tests send what is valid");
            request.headers_mut().append(
                name,
                HeaderValue::from_bytes(value.as_bytes()).expect("tests send what is valid"),
            );
        }
        request
    }
}

/// HMAC-SHA256 in hex.
pub(crate) fn mac(secret: &str, body: &[u8]) -> String {
    let tag = sign(secret.as_bytes(), body);
    tag.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub(crate) fn sign(secret: &[u8], body: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), body)
}

pub(crate) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// A push to `main` with a commit whose subject is not in English.
pub(crate) fn body() -> Vec<u8> {
    let after = "1".repeat(40);
    let text = r#"{"ref":"refs/heads/main","after":"AFTER","commits":[{"message":"größer 🚀 \u00e9"}],"repository":{"default_branch":"main"}}"#;
    text.replace("AFTER", &after).into_bytes()
}

pub(crate) fn github(id: &str, body: impl Into<Vec<u8>>) -> Delivery {
    let body = body.into();
    let signature = format!("sha256={}", mac(SECRET, &body));
    let headers = [
        ("Content-Type", "application/json"),
        ("X-GitHub-Event", "push"),
        ("X-GitHub-Delivery", id),
        ("X-Hub-Signature-256", signature.as_str()),
    ];
    Delivery::new(&headers, body)
}
