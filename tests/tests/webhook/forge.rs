//! What forges send.

use crate::site::SECRET;
use aws_lc_rs::hmac;

/// A delivery.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// GitHub's of a push.
pub(crate) fn push(id: &str, name: &str) -> Delivery {
    github(
        id,
        "push",
        &format!(
            r#"{{"ref":"{name}","after":"{}","pusher":{{"name":"größe"}}}}"#,
            "1".repeat(40)
        ),
    )
}

/// GitHub's of a push to `main`.
pub(crate) fn main(id: impl ToString) -> Delivery {
    push(&id.to_string(), "refs/heads/main")
}

pub(crate) fn github(id: &str, event: &str, body: &str) -> Delivery {
    let signature = format!("sha256={}", mac(SECRET, body.as_bytes()));
    Delivery {
        headers: vec![
            ("X-GitHub-Event", event.to_owned()),
            ("X-GitHub-Delivery", id.to_owned()),
            ("X-Hub-Signature-256", signature),
            ("Content-Type", "application/json".to_owned()),
        ],
        body: body.as_bytes().to_vec(),
    }
}

/// HMAC-SHA256 in hex.
pub(crate) fn mac(secret: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
    tag.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Delivery {
    /// The same, signed with something else.
    pub(crate) fn signed_by(mut self, secret: &str) -> Self {
        let signature = format!("sha256={}", mac(secret, &self.body));
        for (name, value) in &mut self.headers {
            if *name == "X-Hub-Signature-256" {
                value.clone_from(&signature);
            }
        }
        self
    }
}
